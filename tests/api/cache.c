/* SPDX-License-Identifier: MIT */
/*
 * Caches of a program's own: sizes and alignments, constructors, bulk calls,
 * threads, shrink, trim, fork, and destroy with and without live objects.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"
#include <sys/time.h>

static void sizes(void **state)
{
	(void)state;
	for (size_t align = 0; align <= 4096; align = align ? align * 2 : 1)
		for (size_t n = 1; n <= 70000; n += n / 2 + 1) {
			struct bm_cache *c = bm_cache_create("sizes", n, align,
							     0, NULL);
			enum { N = 50 };
			char *p[N];

			assert_non_null(c);
			assert_true(bm_cache_size(c) >= n);
			for (int i = 0; i < N; i++) {
				p[i] = bm_cache_alloc(c, BM_GFP_KERNEL);
				assert_non_null(p[i]);
				CM_ALIGNED(p[i], align ? align : 8);
				assert_int_equal(bm_usable_size(p[i]),
						 bm_cache_size(c));
				t_fill(p[i], n, i);
			}
			for (int i = 0; i < N; i++) {
				assert_int_equal(t_verify(p[i], n, i), -1);
				/* free() finds the cache by itself */
				if (i % 3)
					bm_cache_free(c, p[i]);
				else
					free(p[i]);
			}
			assert_int_equal(bm_cache_destroy(c), 0);
		}
}

static void refused(void **state)
{
	(void)state;
	errno = 0;
	assert_null(bm_cache_create(NULL, 8, 0, 0, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(bm_cache_create("a", 0, 0, 0, NULL));
	assert_null(bm_cache_create("a", 1 << 20, 0, 0, NULL));
	assert_null(bm_cache_create("a", 8, 3, 0, NULL));
	assert_null(bm_cache_create("a", 8, 24, 0, NULL));
	assert_null(bm_cache_create("a", 8, 1 << 20, 0, NULL));
	assert_null(bm_cache_create("a", 8, 0, 64, NULL));
	assert_int_equal(bm_cache_destroy(NULL), 0);
}

static void aligned_and_zeroed(void **state)
{
	struct bm_cache *c = bm_cache_create("lines", 24, 0, BM_CACHE_HWALIGN,
					     NULL);
	char *p;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		p = bm_cache_alloc(c, BM_GFP_ZERO);
		CM_ALIGNED(p, 64);
		assert_int_equal(t_first_nonzero(p, 24), -1);
		memset(p, 7, 24);
		bm_cache_free(c, p);
	}
	p = bm_cache_alloc_node(c, BM_GFP_KERNEL, BM_NODE_ANY);
	bm_cache_free(c, p);
	p = bm_cache_alloc_node(c, BM_GFP_KERNEL, bm_node_of(c));
	bm_cache_free(c, p);
	assert_null(bm_cache_alloc_node(c, BM_GFP_KERNEL, 1000));
	bm_cache_free(c, NULL);
	assert_int_equal(bm_cache_destroy(c), 0);
}

struct built {
	uint64_t magic, uses;
	char rest[100];
};
static atomic_int constructed;

static void construct(void *object)
{
	struct built *b = object;

	b->magic = 0x1234567890;
	b->uses = 0;
	constructed++;
	free(malloc(10));	/* no lock is held */
}

/* Constructed once, and as the last user left it from then on. */
static void constructor(void **state)
{
	enum { N = 5000 };
	static struct built *p[N];
	struct bm_cache *c = bm_cache_create("built", sizeof(struct built), 0, 0,
					     construct);
	uint64_t r = t_seed_for(2), uses = 0;
	int live = 0, most = 0, total = 0;

	(void)state;
	constructed = 0;
	for (int round = 0; round < 100000; round++) {
		int i = t_below(&r, N);

		if (p[i]) {
			bm_cache_free(c, p[i]);
			p[i] = NULL;
			live--;
			continue;
		}
		p[i] = bm_cache_alloc(c, BM_GFP_ZERO);	/* not cleared */
		assert_int_equal(p[i]->magic, 0x1234567890);
		p[i]->uses++;
		total++;
		most = ++live > most ? live : most;
	}
	/* none twice without its slab having gone */
	assert_in_range(constructed, most, 2 * most + 500);
	for (int i = 0; i < N; i++)
		if (p[i]) {
			uses += p[i]->uses;
			bm_cache_free(c, p[i]);
		}
	assert_true(uses > (uint64_t)live && uses <= (uint64_t)total);
	assert_int_equal(bm_cache_destroy(c), 0);
}

static void bulk(void **state)
{
	enum { N = 1000 };
	static void *p[N];
	struct bm_cache *c = bm_cache_create("bulk", 40, 0, 0, NULL);

	(void)state;
	for (size_t n = 0; n <= N; n += 1 + n / 7) {
		assert_int_equal(bm_cache_alloc_bulk(c, BM_GFP_ZERO, n, p), n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(t_first_nonzero(p[i], 40), -1);
			t_fill(p[i], 40, i);
		}
		for (size_t i = 0; i < n; i++)
			assert_int_equal(t_verify(p[i], 40, i), -1);
		bm_cache_free_bulk(c, n, p);
	}
	assert_int_equal(bm_cache_destroy(c), 0);
}

/* Large objects, so that the figures are clear. */
static void shrink(void **state)
{
	enum { N = 500 };
	static char *p[N];
	struct bm_cache *c = bm_cache_create("shrink", 16000, 0, 0, NULL);
	struct bm_stats before, full, after;

	(void)state;
	bm_malloc_trim(0);
	bm_stats(&before);
	for (int i = 0; i < N; i++)
		memset(p[i] = bm_cache_alloc(c, 0), 1, 16000);
	bm_stats(&full);
	assert_true(full.slab_bytes >= before.slab_bytes + N * 16000);
	assert_true(full.live_bytes >= before.live_bytes + N * 16000);
	for (int i = 0; i < N; i++)
		bm_cache_free(c, p[i]);
	bm_cache_shrink(c);
	bm_stats(&after);
	assert_int_equal(after.slab_bytes, before.slab_bytes);
	assert_in_range(after.live_bytes, 0, before.live_bytes + 4096);
	/* the heap's own trim does it too */
	bm_cache_free(c, bm_cache_alloc(c, 0));
	bm_malloc_trim(0);
	bm_stats(&after);
	assert_in_range(after.slab_bytes, 0, before.slab_bytes);
	assert_int_equal(bm_cache_destroy(c), 0);
}

static struct bm_cache *shared;
static void *_Atomic handed[64];

static void *worker(void *arg)
{
	uint64_t r = t_seed_for((uintptr_t)arg + 10);

	for (int i = 0; i < 50000; i++) {
		struct built *b = bm_cache_alloc(shared, 0), *old;

		if (b->magic != 0x1234567890)
			t_fail("not constructed");
		b->rest[50] = (char)i;
		old = atomic_exchange(&handed[t_below(&r, 64)], b);
		if (old)
			bm_cache_free(shared, old);
		if (i % 5000 == 0)
			bm_cache_shrink(shared);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];

	(void)state;
	shared = bm_cache_create("shared", sizeof(struct built), 0,
				 BM_CACHE_PER_NODE, construct);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(bm_cache_destroy(shared), -1);
	assert_int_equal(errno, EBUSY);
	for (int i = 0; i < 64; i++)
		if (handed[i])
			bm_cache_free(shared, handed[i]);
	assert_int_equal(bm_cache_destroy(shared), 0);
}

static void forks(void **state)
{
	struct bm_cache *c = bm_cache_create("fork", 100, 0, 0, NULL);
	void *p = bm_cache_alloc(c, 0);
	pid_t pid;

	(void)state;
	bm_cache_free(c, bm_cache_alloc(c, 0));
	pid = fork();
	if (!pid) {
		t_child(20);
		bm_cache_free(c, p);
		for (int i = 0; i < 1000; i++)
			bm_cache_free(c, bm_cache_alloc(c, 0));
		_exit(bm_cache_destroy(c) != 0);
	}
	t_wait_ok(pid, "fork");
	bm_cache_free(c, p);
	assert_int_equal(bm_cache_destroy(c), 0);
}

/* What destroy says of live objects: the count, and ten addresses. */
static void live(void **state)
{
	char buf[4096] = "", want[64];
	struct bm_cache *c = bm_cache_create("leaky", 48, 0, 0, NULL);
	void *p[25];
	int pfd[2], old = dup(2);

	(void)state;
	for (int i = 0; i < 25; i++)
		p[i] = bm_cache_alloc(c, 0);
	assert_int_equal(pipe(pfd), 0);
	dup2(pfd[1], 2);
	errno = 0;
	assert_int_equal(bm_cache_destroy(c), -1);
	dup2(old, 2);
	assert_int_equal(errno, EBUSY);
	assert_true(read(pfd[0], buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "buddymalloc: cache 'leaky' is destroyed "
				    "with 25 live objects:\n"));
	snprintf(want, sizeof(want), "  object %p\n", p[3]);
	assert_non_null(strstr(buf, want));
	assert_non_null(strstr(buf, "  and 15 more\n"));
	/* it goes on living */
	for (int i = 0; i < 25; i++)
		bm_cache_free(c, p[i]);
	assert_int_equal(bm_cache_destroy(c), 0);
	close(pfd[0]);
	close(pfd[1]);
	close(old);
}

/* An object may be given to realloc as any block. */
static void reallocs(void **state)
{
	struct bm_cache *c = bm_cache_create("realloc", 50000, 0, 0, NULL);
	char *p = bm_cache_alloc(c, 0);

	(void)state;
	t_fill(p, 50000, 1);
	p = realloc(p, 200000);
	assert_int_equal(t_verify_part(p, 50000, 1, 40000), -1);
	free(p);
	p = bm_cache_alloc(c, 0);
	t_fill(p, 50000, 1);
	p = realloc(p, 100);
	free(p);
	assert_int_equal(bm_cache_destroy(c), 0);
}

static void slabinfo(void **state)
{
	struct bm_cache *c = bm_cache_create("my-objects", 104, 0, 0, NULL);
	void *p = bm_cache_alloc(c, 0);
	static char buf[16384];
	int pfd[2];

	(void)state;
	assert_int_equal(pipe(pfd), 0);
	assert_int_equal(bm_stats_print(pfd[1], BM_VIEW_SLABINFO), 0);
	assert_true(read(pfd[0], buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "\nmy-objects "));
	assert_non_null(strstr(buf, "\nkmalloc-64 "));
	close(pfd[0]);
	close(pfd[1]);
	bm_cache_free(c, p);
	bm_cache_destroy(c);
}

/*
 * A handler that interrupts its own thread anywhere: what it frees goes home
 * later, constructed as ever; what it asks for it gets, or is refused.
 */
static struct bm_cache *in_handler;
static struct built *parked[64];
static void *block[64];
static atomic_int calls, served, refusals, wrong;

static void on_signal(int sig)
{
	int i = calls++ % 64, saved = errno;

	(void)sig;
	if (parked[i]) {
		wrong += parked[i]->magic != 0x1234567890;
		bm_cache_free(in_handler, parked[i]);
		bm_put_page(block[i]);
	}
	errno = 0;
	parked[i] = bm_cache_alloc(in_handler, BM_GFP_KERNEL);
	block[i] = parked[i] ? bm_get_free_page(BM_GFP_KERNEL) : NULL;
	if (parked[i])
		served++;
	else if (errno == ENOMEM)
		refusals++;
	else
		wrong++;
	errno = saved;
}

static void handlers(void **state)
{
	struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { 0 };
	struct sigaction sa = { .sa_handler = on_signal };
	double end = t_now() + 2;
	uint64_t r = t_seed_for(7);

	(void)state;
	in_handler = bm_cache_create("handler", sizeof(struct built), 0, 0,
				     construct);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	/* Some tools let few signals through. */
	while (t_now() < end || (served <= 100 && t_now() < end + 60)) {
		struct built *b[100];
		int n = t_below(&r, 100);

		for (int i = 0; i < n; i++) {
			b[i] = bm_cache_alloc(in_handler, 0);
			if (b[i]->magic != 0x1234567890)
				t_fail("not constructed");
		}
		bm_put_pages(bm_get_free_pages(0, 2), 2);
		for (int i = 0; i < n; i++)
			bm_cache_free(in_handler, b[i]);
		if (n == 1)
			bm_cache_shrink(in_handler);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	t_say("%d calls, %d refused", calls, refusals);
	assert_int_equal(wrong, 0);
	assert_true(served > 100);
	for (int i = 0; i < 64; i++)
		if (parked[i]) {
			bm_cache_free(in_handler, parked[i]);
			bm_put_page(block[i]);
		}
	assert_int_equal(bm_cache_destroy(in_handler), 0);
}

CM_MAIN("cache", 120, cmocka_unit_test(sizes), cmocka_unit_test(refused),
	cmocka_unit_test(aligned_and_zeroed), cmocka_unit_test(constructor),
	cmocka_unit_test(bulk), cmocka_unit_test(shrink),
	cmocka_unit_test(threads), cmocka_unit_test(forks),
	cmocka_unit_test(live), cmocka_unit_test(reallocs),
	cmocka_unit_test(slabinfo), cmocka_unit_test(handlers))
