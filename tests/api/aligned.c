/* SPDX-License-Identifier: MIT */
/* The aligned family: alignment up to 64 MiB, errors, valloc, pvalloc. */
#include "../lib/cm.h"

static void check(void *p, size_t align, size_t n)
{
	assert_non_null(p);
	CM_ALIGNED(p, align);
	assert_true(malloc_usable_size(p) >= n);
	t_fill(p, n, align ^ n);
}

static void every_alignment(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 17, 100, 129, 1000, 4095, 4097, 20000,
					33000, 100000, 1 << 20, (3 << 20) + 1 };
	size_t a, i;

	(void)state;
	for (a = 8; a <= 64 << 20; a <<= 1)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t n = sizes[i];
			void *p[4];
			int k;

			p[0] = NULL;
			assert_int_equal(posix_memalign(&p[0], a, n), 0);
			check(p[0], a, n);
			p[1] = memalign(a, n);
			check(p[1], a, n);
			p[2] = aligned_alloc(a, n);
			check(p[2], a, n);
			p[3] = malloc(n);
			check(p[3], 16, n);
			for (k = 0; k < 3; k++)
				assert_int_equal(t_verify(p[k], n, a ^ n), -1);
			for (k = 0; k < 4; k++)
				free(p[k]);
		}
}

static void posix_errors(void **state)
{
	static const size_t bad[] = { 0, 1, 2, 3, 4, 5, 7, 9, 12, 17, 24, 48, 100, 4095, 4097,
				      3 << 20, SIZE_MAX, SIZE_MAX / 2, ((size_t)1 << 62) + 8 };
	volatile size_t a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *p = (void *)0x55;
		int ret;

		a = bad[i];
		errno = 1234;
		ret = posix_memalign(&p, a, 100);
		if (ret != EINVAL)
			fail_msg("posix_memalign(%zu): %d, not EINVAL", (size_t)a, ret);
		assert_ptr_equal(p, (void *)0x55);
		assert_int_equal(errno, 1234);
	}
}

static void aligned_alloc_errors(void **state)
{
	static const size_t bad[] = { 3, 5, 6, 7, 12, 24, 48, 100, 4097, 3 << 20 };
	volatile size_t a;
	size_t i;

	(void)state;
	if (!t_ours()) {	/* glibc before 2.38 rounds up */
		skip();
		return;
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = bad[i];
		errno = 0;
		assert_null(aligned_alloc(a, 96));
		assert_int_equal(errno, EINVAL);
	}
	a = SIZE_MAX;
	assert_null(aligned_alloc(a, 96));
	a = (size_t)1 << 63;
	errno = 0;
	assert_null(aligned_alloc(a, 96));
	assert_true(errno == ENOMEM || errno == EINVAL);
}

/* memalign of a value that is no power of two: EINVAL, or rounded up to one. */
static void memalign_odd(void **state)
{
	static const size_t bad[] = { 3, 17, 24, 48, 100, 4097 };
	volatile size_t a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *p;

		a = bad[i];
		errno = 0;
		p = memalign(a, 100);
		if (!p) {
			assert_int_equal(errno, EINVAL);
			continue;
		}
		CM_ALIGNED(p, (size_t)1 << (64 - __builtin_clzll(a)));
		free(p);
	}
	for (i = 0; i < 5; i++) {	/* tiny alignments are fine: 1, 2, 4, 8, 16 */
		void *p = memalign((size_t)1 << i, 100);

		assert_non_null(p);
		CM_ALIGNED(p, 16);
		free(p);
	}
	a = (size_t)1 << 63;
	errno = 0;
	assert_null(memalign(a, 100));
	assert_true(errno == EINVAL || errno == ENOMEM);
}

/* alignment + size wraps round */
static void wrap(void **state)
{
	void *p = NULL;
	volatile size_t a = (size_t)1 << 62, n = (size_t)PTRDIFF_MAX - 100;

	(void)state;
	errno = 0;
	assert_null(memalign(a, n));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(posix_memalign(&p, a, n), ENOMEM);
	assert_null(p);
	a = 1 << 20;
	errno = 0;
	assert_null(memalign(a, n));
	assert_int_equal(errno, ENOMEM);
	a = (size_t)1 << 50;
	errno = 0;
	p = memalign(a, 64);
	if (p)	/* a machine that can */
		CM_ALIGNED(p, a);
	else
		assert_int_equal(errno, ENOMEM);
	free(p);
}

static void page_sized(void **state)
{
	size_t page = sysconf(_SC_PAGESIZE), n;

	(void)state;
	for (n = 0; n < 20 * page; n = n < page ? n + 101 : n + page / 3) {
		void *p = valloc(n), *q = pvalloc(n);

		check(p, page, n);
		check(q, page, (n + page - 1) / page * page);
		assert_int_equal(t_verify(p, n, page ^ n), -1);
		free(p);
		free(q);
	}
}

/* Without what other cases have left, which goes back some time or other. */
static size_t trimmed_rss(void)
{
	malloc_trim(0);
	return t_rss();
}

/* Many aligned blocks at once do not overlap, and memory comes back. */
static void crowd(void **state)
{
	enum { N = 4000 };
	static struct { void *p; size_t n; } b[N];
	uint64_t rnd = t_seed_for(1);
	size_t rss = 0, after;
	int round, i;

	(void)state;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < N; i++) {
			size_t a = (size_t)8 << t_below(&rnd, 10);

			b[i].n = t_logsize(&rnd, 8000);
			b[i].p = memalign(a, b[i].n);
			assert_non_null(b[i].p);
			CM_ALIGNED(b[i].p, a);
			t_fill(b[i].p, b[i].n, i);
		}
		for (i = 0; i < N; i++) {
			assert_int_equal(t_verify(b[i].p, b[i].n, i), -1);
			free(b[i].p);
		}
		if (round == 3)
			rss = trimmed_rss();
	}
	after = trimmed_rss();
	t_say("crowd: RSS %zu -> %zu KiB", rss >> 10, after >> 10);
	if (after > rss + (8 << 20) && t_rss_counts())
		fail_msg("memalign/free grows: %zu -> %zu", rss, after);
}

CM_MAIN("api/aligned", 90,
	cmocka_unit_test(every_alignment),
	cmocka_unit_test(posix_errors),
	cmocka_unit_test(aligned_alloc_errors),
	cmocka_unit_test(memalign_odd),
	cmocka_unit_test(wrap),
	cmocka_unit_test(page_sized),
	cmocka_unit_test(crowd))
