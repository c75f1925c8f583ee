/* SPDX-License-Identifier: MIT */
/*
 * The GNU heap control and our own: mallinfo(2), mallopt, malloc_trim,
 * malloc_stats, malloc_info, free_sized, cfree, bm_stats, bm_owns.
 * What this libc has not got is looked up by name and skipped on other heaps.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

static void (*p_free_sized)(void *, size_t);
static void (*p_free_aligned_sized)(void *, size_t, size_t);
static void (*p_cfree)(void *);
static int (*p_owns)(const void *);
static void (*p_stats)(struct bm_stats *);
static int (*p_print)(int, enum bm_view);
static size_t (*p_usable)(const void *);

#ifdef PREFIXED
#define FIND(name, plain) p_##name = bm_##name
#else
#define FIND(name, plain) p_##name = (__typeof__(p_##name))t_sym(plain)
#endif

static int find(void **state)
{
	(void)state;
#ifdef PREFIXED
	p_owns = bm_owns;
	p_stats = bm_stats;
	p_print = bm_stats_print;
	p_usable = bm_usable_size;
#else
	p_owns = (__typeof__(p_owns))t_sym("bm_owns");
	p_stats = (__typeof__(p_stats))t_sym("bm_stats");
	p_print = (__typeof__(p_print))t_sym("bm_stats_print");
	p_usable = (__typeof__(p_usable))t_sym("bm_usable_size");
#endif
	FIND(free_sized, "free_sized");
	FIND(free_aligned_sized, "free_aligned_sized");
	FIND(cfree, "cfree");
	return 0;
}

#define NEED(p) \
	do { \
		if (!(p)) { \
			assert_false(t_ours()); \
			skip(); \
			return; \
		} \
	} while (0)

static void sized(void **state)
{
	size_t n, a;

	(void)state;
	NEED(p_free_sized);
	NEED(p_free_aligned_sized);
	p_free_sized(NULL, 0);
	p_free_sized(NULL, 100);
	p_free_aligned_sized(NULL, 64, 100);
	for (n = 0; n < 3 << 20; n = n < 2000 ? n + 1 : n + n / 11) {
		char *p = malloc(n);

		memset(p, 1, n);
		errno = 1234;
		p_free_sized(p, n);
		assert_int_equal(errno, 1234);
		p = calloc(1, n);
		p_free_sized(p, n);
		p = realloc(malloc(10), n ? n : 1);
		p_free_sized(p, n ? n : 1);
	}
	for (a = 8; a <= 1 << 20; a <<= 1)
		for (n = a; n < 100000 + a; n += n / 2 + 3) {
			void *p = aligned_alloc(a, n);

			assert_non_null(p);
			memset(p, 1, n);
			errno = 1234;
			p_free_aligned_sized(p, a, n);
			assert_int_equal(errno, 1234);
		}
}

static void cfree_frees(void **state)
{
	size_t rss = 0;
	int i;

	(void)state;
	NEED(p_cfree);
	p_cfree(NULL);
	for (i = 0; i < 20000; i++) {
		char *p = calloc(1, 3000);

		memset(p, 1, 3000);
		p_cfree(p);
		if (i == 1000)
			rss = t_rss();
	}
	assert_true(t_rss() < rss + (4 << 20) || !t_rss_counts());
}

static void info(size_t n, int count)
{
	struct mallinfo2 a, b, c;
	void *p[1000];
	int i;

	a = mallinfo2();
	for (i = 0; i < count; i++) {
		p[i] = malloc(n);
		memset(p[i], 1, n);
	}
	b = mallinfo2();
	if (b.uordblks + b.hblkhd < a.uordblks + a.hblkhd + n * count * 7 / 8 ||
	    b.uordblks + b.hblkhd > a.uordblks + a.hblkhd + n * count * 9 / 8 + (1 << 20))
		fail_msg("%d x %zu: in use %zu -> %zu", count, n, a.uordblks + a.hblkhd,
			 b.uordblks + b.hblkhd);
	assert_true(b.arena + b.hblkhd >= b.uordblks);
	for (i = 0; i < count; i++)
		free(p[i]);
	c = mallinfo2();
	if (c.uordblks + c.hblkhd > a.uordblks + a.hblkhd + n * count / 8 + (1 << 20))
		fail_msg("%d x %zu freed: in use %zu -> %zu", count, n, a.uordblks + a.hblkhd,
			 c.uordblks + c.hblkhd);
}

static void mallinfo_grows(void **state)
{
	(void)state;
	info(10000, 1000);
	info(20000, 500);
	info(200000, 100);
	info(8 << 20, 5);
}

static void mallinfo_old(void **state)
{
	struct mallinfo a, b;
	void *p;

	(void)state;
	a = mallinfo();
	p = malloc(8 << 20);
	memset(p, 1, 8 << 20);
	b = mallinfo();
	assert_true(b.uordblks + b.hblkhd >= a.uordblks + a.hblkhd + (8 << 20));
	free(p);
}

static void mallopt_answers(void **state)
{
	int i;
	static const int params[] = { M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD,
				      M_MMAP_MAX, M_ARENA_MAX, M_ARENA_TEST, 12345, -12345 };

	(void)state;
	for (i = 0; i < (int)(sizeof(params) / sizeof(params[0])); i++) {
		int ret = mallopt(params[i], 64);

		assert_true(ret == 0 || ret == 1);
	}
	free(malloc(100));
	mallopt(M_MXFAST, 64);
}

/*
 * A slab's bitmap lies over the descriptors of its pages. Objects 3776, 3784 and
 * 3785 of 16 bytes, alone at home, make the ninth look like a free block of
 * eight pages, just in front of what trim gives back.
 */
static void trim_beside_a_bitmap(void **state)
{
	enum { N = 300 * 4096 };
	static void *p[N];
	uintptr_t top;
	size_t i;

	(void)state;
	for (i = 0; i < N; i++)
		assert_non_null(p[i] = malloc(16));
	top = (uintptr_t)p[N / 3 * 2] & ~(uintptr_t)65535;
	for (i = 0; i < N; i++) {
		unsigned n = ((uintptr_t)p[i] & 65535) / 16;

		if ((uintptr_t)p[i] >= top || n == 3776 || n == 3784 || n == 3785) {
			free(p[i]);
			p[i] = NULL;
		}
	}
	malloc_trim(0);
	for (i = 0; i < N; i++)
		free(p[i]);
}

static void trim_gives_back(void **state)
{
	enum { N = 20000 };
	static void *p[N];
	size_t before = 0, full, after;
	int i, ret;

	(void)state;
	malloc_trim(0);
	before = t_rss();
	for (i = 0; i < N; i++) {
		p[i] = malloc(4000);
		memset(p[i], 1, 4000);
	}
	full = t_rss();
	assert_true(full > before + (60 << 20) || !t_rss_counts());
	for (i = 0; i < N; i++)
		free(p[i]);
	ret = malloc_trim(0);
	assert_true(ret == 0 || ret == 1);
	after = t_rss();
	if (after > before + (6 << 20) && t_rss_counts())
		fail_msg("malloc_trim: RSS %zu -> %zu -> %zu", before, full, after);
	if (t_ours() && full > after + (8 << 20))
		malloc_trim(SIZE_MAX);	/* any pad is fine */
	malloc_trim(1 << 20);
}

static void stats_to_stderr(void **state)
{
	char buf[4096];
	int pfd[2], old = dup(2);
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pfd), 0);
	fcntl(pfd[0], F_SETFL, O_NONBLOCK);
	fcntl(pfd[1], F_SETPIPE_SZ, 1 << 20);
	fflush(stderr);
	dup2(pfd[1], 2);
	malloc_stats();
	fflush(stderr);
	dup2(old, 2);
	n = read(pfd[0], buf, sizeof(buf) - 1);
	assert_true(n > 20);
	buf[n] = 0;
	assert_true(strchr(buf, '\n') != NULL);
	close(pfd[0]);
	close(pfd[1]);
	close(old);
}

/* Elements are closed in order, there is one root, and it is <malloc>. */
static void xml(void **state)
{
	static char buf[1 << 20];
	char path[] = "/tmp/bm-xml-XXXXXX";
	int fd = mkstemp(path), ret, depth = 0, roots = 0;
	static char stack[64][64];
	FILE *f = fdopen(fd, "w+");
	size_t n;
	char *p;

	(void)state;
	unlink(path);
	assert_non_null(f);
	fputs("<!-- head -->\n", f);
	ret = malloc_info(0, f);
	assert_int_equal(ret, 0);
	fflush(f);
	fseek(f, 0, SEEK_SET);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	assert_true(n > 40);
	buf[n] = 0;
	assert_int_equal(strncmp(buf, "<!-- head -->\n", 14), 0);
	for (p = buf + 14; (p = strchr(p, '<')); p++) {
		char name[64];
		char *end = strchr(p, '>');

		assert_non_null(end);
		if (p[1] == '?' || p[1] == '!')
			continue;
		if (p[1] == '/') {
			assert_int_equal(sscanf(p + 2, "%63[^> ]", name), 1);
			assert_true(depth > 0);
			assert_string_equal(name, stack[--depth]);
			continue;
		}
		assert_int_equal(sscanf(p + 1, "%63[^> /]", name), 1);
		if (!depth) {
			roots++;
			assert_string_equal(name, "malloc");
		}
		if (end[-1] != '/') {
			assert_true(depth < 63);
			strcpy(stack[depth++], name);
		}
	}
	assert_int_equal(depth, 0);
	assert_int_equal(roots, 1);
	errno = 0;
	assert_int_not_equal(malloc_info(1, stdout), 0);	/* glibc: EINVAL */
}

static void owns(void **state)
{
	static const size_t sizes[] = { 0, 1, 16, 1000, 32768, 32769, 1 << 20, 80 << 20 };
	static char mine[100];
	char local[100];
	size_t i;
	void *map;

	(void)state;
	NEED(p_owns);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = malloc(sizes[i]);

		assert_int_equal(p_owns(p), 1);
		if (sizes[i])
			assert_int_equal(p_owns(p + sizes[i] - 1), 1);
		assert_int_equal(p_usable(p), malloc_usable_size(p));
		free(p);
	}
	assert_int_equal(p_owns(NULL), 0);
	assert_int_equal(p_owns(mine), 0);
	assert_int_equal(p_owns(local), 0);
	assert_int_equal(p_owns((void *)1), 0);
	assert_int_equal(p_owns((void *)-1), 0);
	assert_int_equal(p_owns((void *)(uintptr_t)owns), 0);
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(p_owns(map), 0);
	munmap(map, 1 << 20);
	assert_int_equal(p_usable(NULL), 0);
}

static void stats(void **state)
{
	struct bm_stats a, b, c;
	enum { N = 1000 };
	static void *p[N];
	void *big;
	int i;

	(void)state;
	NEED(p_stats);
	p_stats(&a);
	for (i = 0; i < N; i++) {
		p[i] = malloc(1000);
		memset(p[i], 1, 1000);
	}
	big = malloc(16 << 20);
	memset(big, 1, 16 << 20);
	p_stats(&b);
	assert_in_range(b.live_bytes, a.live_bytes + 1000 * N + (16 << 20),
			a.live_bytes + 1024 * N + (17 << 20));
	assert_true(b.large_bytes >= a.large_bytes + (16 << 20));
	assert_true(b.slab_bytes >= 1000 * N);
	assert_true(b.present_bytes >= b.slab_bytes + b.large_bytes);
	assert_true(b.reserved_bytes >= b.present_bytes);
	assert_true(b.metadata_bytes > 0);
	assert_int_equal(b.page_size, sysconf(_SC_PAGESIZE));
	assert_true(b.pageblock_bytes >= b.page_size && b.pageblock_bytes <= 32 << 20);
	assert_true(b.nodes >= 1 && b.slots >= 1);
	assert_in_range(b.rseq, 0, 2);
	for (i = 0; i < N; i++)
		free(p[i]);
	free(big);
	p_stats(&c);
	if (c.live_bytes > a.live_bytes + 4096)
		fail_msg("live bytes: %zu, then %zu, then %zu", a.live_bytes, b.live_bytes,
			 c.live_bytes);
	malloc_trim(0);
	p_stats(&c);
	if (c.cached_bytes > 1 << 20)
		fail_msg("%zu bytes cached after malloc_trim", c.cached_bytes);
}

static void views(void **state)
{
	static char buf[1 << 20];
	int v;

	(void)state;
	NEED(p_print);
	for (v = BM_VIEW_STATS; v <= BM_VIEW_PAGETYPEINFO; v++) {
		char path[] = "/tmp/bm-view-XXXXXX";
		int fd = mkstemp(path);
		ssize_t n;

		unlink(path);
		assert_int_equal(p_print(fd, v), 0);
		n = pread(fd, buf, sizeof(buf) - 1, 0);
		close(fd);
		assert_true(n > 20);
		buf[n] = 0;
		assert_int_equal(strlen(buf), n);
		assert_int_equal(buf[n - 1], '\n');
		if (v == BM_VIEW_JSON)
			assert_int_equal(buf[0], '{');
		if (v == BM_VIEW_BUDDYINFO) {
			assert_int_equal(strncmp(buf, "Node 0, zone ", 13), 0);
		}
		if (v == BM_VIEW_ZONEINFO)
			assert_int_equal(strncmp(buf, "Node 0, zone ", 13), 0);
		if (v == BM_VIEW_PAGETYPEINFO) {
			assert_int_equal(strncmp(buf, "Page block order: ", 18), 0);
			assert_non_null(strstr(buf, "\nNumber of blocks type "));
		}
		if (v == BM_VIEW_SLABINFO) {
			assert_int_equal(strncmp(buf, "slabinfo - version: 2.1\n", 24), 0);
			assert_non_null(strstr(buf, "\n# name "));
		}
	}
	assert_int_not_equal(p_print(1, 99), 0);
	assert_int_not_equal(p_print(-1, BM_VIEW_STATS), 0);
}

CM_MAIN("api/control", 60,
	cmocka_unit_test_setup(sized, find),
	cmocka_unit_test(cfree_frees),
	cmocka_unit_test(mallinfo_grows),
	cmocka_unit_test(mallinfo_old),
	cmocka_unit_test(mallopt_answers),
	cmocka_unit_test(trim_beside_a_bitmap),
	cmocka_unit_test(trim_gives_back),
	cmocka_unit_test(stats_to_stderr),
	cmocka_unit_test(xml),
	cmocka_unit_test(owns),
	cmocka_unit_test(stats),
	cmocka_unit_test(views))
