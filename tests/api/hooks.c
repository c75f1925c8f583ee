/* SPDX-License-Identifier: MIT */
/*
 * Heaps over memory that the program brings: what the hooks are asked for,
 * that nothing is touched that is not committed, refusals, and a naive twin.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

static struct memory {
	char *base;
	size_t bytes, committed, most;
	int reserves, releases, commits, decommits;
	bool refuse_commit, refuse_decommit, refuse_reserve;
} mem;

static void *reserve(size_t bytes, size_t align, void *arg)
{
	struct memory *m = arg;

	if (m->refuse_reserve)
		return NULL;
	m->reserves++;
	m->bytes = bytes;
	m->base = mmap(NULL, bytes + align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	T_CHECK(m->base != MAP_FAILED);
	m->base += -(uintptr_t)m->base & (align - 1);
	return m->base;
}

static void inside(struct memory *m, char *p, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	T_CHECK(bytes && p >= m->base && p + bytes <= m->base + m->bytes);
	T_CHECK(!(((uintptr_t)p | bytes) & (page - 1)));
}

static int commit(void *addr, size_t bytes, void *arg)
{
	struct memory *m = arg;

	inside(m, addr, bytes);
	if (m->refuse_commit)
		return -1;
	m->commits++;
	m->committed += bytes;
	if (m->committed > m->most)
		m->most = m->committed;
	T_CHECK(!mprotect(addr, bytes, PROT_READ | PROT_WRITE));
	memset(addr, 0xcc, bytes);	/* its contents are anything */
	free(malloc(50));		/* a hook may allocate */
	return 0;
}

static int decommit(void *addr, size_t bytes, void *arg)
{
	struct memory *m = arg;

	inside(m, addr, bytes);
	if (m->refuse_decommit)
		return -1;
	m->decommits++;
	m->committed -= bytes;
	T_CHECK(!mprotect(addr, bytes, PROT_NONE));	/* a touch is fatal */
	return 0;
}

static void release(void *addr, size_t bytes, void *arg)
{
	struct memory *m = arg;

	T_CHECK(addr == m->base && bytes == m->bytes);
	m->releases++;
	munmap(addr, bytes);
}

static const struct bm_page_hooks hooks = { reserve, commit, decommit, release };

static struct bm_heap *make(size_t bytes)
{
	memset(&mem, 0, sizeof(mem));
	return bm_heap_create_hooks(&hooks, &mem, bytes);
}

static void twin(void **state)
{
	enum { N = 500 };
	static char *p[N];
	static size_t size[N];
	struct bm_heap *heap = make(64 << 20);
	uint64_t r = t_seed_for(1);

	(void)state;
	assert_int_equal(mem.reserves, 1);
	assert_int_equal(mem.committed, 0);
	for (int round = 0; round < 60000; round++) {
		int i = t_below(&r, N);
		size_t n = t_logsize(&r, 100000), a = 1;

		if (p[i])
			assert_int_equal(t_verify(p[i], size[i], i), -1);
		if (p[i] && t_below(&r, 3) == 0) {
			size_t keep = n < size[i] ? n : size[i];

			p[i] = bm_heap_realloc(heap, p[i], n);
			assert_int_equal(t_verify_part(p[i], size[i], i, keep),
					 -1);
		} else {
			bm_heap_free(heap, p[i]);
			p[i] = NULL;
			if (t_below(&r, 3) == 0)
				continue;
			if (t_below(&r, 4) == 0) {
				p[i] = bm_heap_calloc(heap, 1, n);
				assert_int_equal(t_first_nonzero(p[i], n), -1);
			} else {
				a = (size_t)1 << t_below(&r, 17);
				p[i] = bm_heap_aligned_alloc(heap, a, n);
			}
		}
		assert_non_null(p[i]);
		CM_ALIGNED(p[i], a);
		assert_true(bm_heap_owns(heap, p[i]));
		assert_true(bm_heap_usable_size(heap, p[i]) >= n);
		assert_true(p[i] >= mem.base &&
			    p[i] + n <= mem.base + mem.bytes);
		size[i] = n;
		t_fill(p[i], n, i);
	}
	assert_int_equal(bm_heap_bytes(heap), mem.committed);
	for (int i = 0; i < N; i++)
		bm_heap_free(heap, p[i]);
	/* a slab of each class is kept, at most */
	assert_in_range(mem.committed, 0, 25 * 65536);
	assert_true(mem.most > 5 << 20);
	bm_heap_destroy(heap);
	assert_int_equal(mem.releases, 1);
}

/* A full region gives NULL; what is freed is found again, in one piece. */
static void full(void **state)
{
	struct bm_heap *heap = make(1 << 20);
	char *p[16], *q;
	int n = 0;

	(void)state;
	while (n < 16 && (p[n] = bm_heap_malloc(heap, 65536)))
		n++;
	assert_int_equal(n, 16);
	errno = 0;
	assert_null(bm_heap_malloc(heap, 1));
	assert_int_equal(errno, ENOMEM);
	for (int i = 0; i < 16; i += 2)
		bm_heap_free(heap, p[i]);
	assert_null(bm_heap_malloc(heap, 65537));
	for (int i = 1; i < 16; i += 2)
		bm_heap_free(heap, p[i]);
	assert_int_equal(mem.committed, 0);
	q = bm_heap_malloc(heap, 1 << 20);
	assert_ptr_equal(q, mem.base);
	assert_null(bm_heap_malloc(heap, cm_huge));
	bm_heap_destroy(heap);
}

static void refusals(void **state)
{
	struct bm_heap *heap;
	struct bm_page_hooks none = { 0 };
	char *p;

	(void)state;
	errno = 0;
	assert_null(bm_heap_create_hooks(NULL, NULL, 1 << 20));
	assert_int_equal(errno, EINVAL);
	assert_null(bm_heap_create_hooks(&none, NULL, 1 << 20));
	assert_null(bm_heap_create_hooks(&hooks, &mem, 0));
	mem.refuse_reserve = true;
	assert_null(bm_heap_create_hooks(&hooks, &mem, 1 << 20));
	heap = make(1 << 20);
	mem.refuse_commit = true;
	errno = 0;
	assert_null(bm_heap_malloc(heap, 100));
	assert_null(bm_heap_malloc(heap, 10000));
	assert_int_equal(errno, ENOMEM);
	mem.refuse_commit = false;
	p = bm_heap_malloc(heap, 10000);
	mem.refuse_decommit = true;
	bm_heap_free(heap, p);
	mem.commits = 0;
	/* still committed: not asked for again */
	assert_ptr_equal(bm_heap_malloc(heap, 10000), p);
	assert_int_equal(mem.commits, 0);
	bm_heap_destroy(heap);
}

/* Shared memory as it is: no commit, no decommit, no release. */
static char area[4 << 20] __attribute__((aligned(65536)));

static void *the_area(size_t bytes, size_t align, void *arg)
{
	(void)arg;
	return bytes <= sizeof(area) && align <= 65536 ? area : NULL;
}

static void plain(void **state)
{
	struct bm_page_hooks only = { .reserve = the_area };
	struct bm_heap *heap = bm_heap_create_hooks(&only, NULL, sizeof(area));
	char *p = bm_heap_malloc(heap, 100);

	(void)state;
	assert_true(p >= area && p < area + sizeof(area));
	assert_int_equal(bm_owns(p), 0);
	bm_heap_free(heap, p);
	bm_heap_destroy(heap);
}

static void dies(void (*what)(void *), void *arg, const char *line)
{
	char buf[500] = "";
	int pfd[2], st;
	pid_t pid;

	assert_int_equal(pipe(pfd), 0);
	pid = fork();
	if (!pid) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		dup2(pfd[1], 2);
		signal(SIGABRT, SIG_DFL);
		what(arg);
		_exit(0);
	}
	st = t_wait(pid);
	assert_true(read(pfd[0], buf, sizeof(buf) - 1) > 0);
	assert_true(WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT);
	assert_non_null(strstr(buf, line));
	close(pfd[0]);
	close(pfd[1]);
}

static struct bm_heap *victim;

static void free_it(void *p)
{
	bm_heap_free(victim, p);
}

static void free_twice(void *p)
{
	bm_heap_free(victim, p);
	bm_heap_free(victim, p);
}

static void misuse(void **state)
{
	char *p, *q;

	(void)state;
	victim = make(1 << 20);
	p = bm_heap_malloc(victim, 100);
	q = bm_heap_malloc(victim, 100000);
	dies(free_twice, p, "not a live block of this heap");
	dies(free_twice, q, "not a live block of this heap");
	dies(free_it, p + 16, "not a live block of this heap");
	dies(free_it, q + 4096, "not a live block of this heap");
	dies(free_it, &p, "not memory of the heap");
	bm_heap_destroy(victim);
}

CM_MAIN("hooks", 120, cmocka_unit_test(twin), cmocka_unit_test(full),
	cmocka_unit_test(refusals), cmocka_unit_test(plain),
	cmocka_unit_test(misuse))
