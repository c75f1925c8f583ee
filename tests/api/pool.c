/* SPDX-License-Identifier: MIT */
/*
 * Pools: what the reserve does when allocation fails, waiting, resize, each
 * kind of pool; the handler and the shrinkers for when memory runs out.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

static atomic_bool dry;
static atomic_int out;

static void *alloc(unsigned gfp, void *arg)
{
	(void)gfp;
	assert_ptr_equal(arg, &out);
	if (dry)
		return NULL;
	out++;
	return malloc(77);
}

static void release(void *p, void *arg)
{
	assert_ptr_equal(arg, &out);
	out--;
	free(p);
}

static void reserve(void **state)
{
	struct bm_pool *pool = bm_pool_create(5, alloc, release, &out);
	void *p[6];

	(void)state;
	assert_int_equal(out, 5);
	assert_int_equal(bm_pool_reserve(pool), 5);
	p[5] = bm_pool_alloc(pool, 0);
	assert_int_equal(bm_pool_reserve(pool), 5);
	dry = true;
	for (int i = 0; i < 5; i++)
		assert_non_null(p[i] = bm_pool_alloc(pool, BM_GFP_NOGROW));
	errno = 0;
	assert_null(bm_pool_alloc(pool, BM_GFP_NOGROW));
	assert_int_equal(errno, ENOMEM);
	for (int i = 0; i < 6; i++) {
		bm_pool_free(p[i], pool);
		assert_int_equal(bm_pool_reserve(pool), i < 5 ? i + 1 : 5);
	}
	assert_int_equal(out, 5);
	assert_int_equal(bm_pool_resize(pool, 2), 0);
	assert_int_equal(out, 2);
	assert_int_equal(bm_pool_resize(pool, 4), -1);
	assert_int_equal(errno, ENOMEM);
	dry = false;
	assert_int_equal(bm_pool_resize(pool, 9), 0);
	assert_int_equal(out, 9);
	assert_int_equal(bm_pool_resize(pool, 0), -1);
	bm_pool_free(NULL, pool);
	bm_pool_destroy(pool);
	bm_pool_destroy(NULL);
	assert_int_equal(out, 0);
	dry = true;
	assert_null(bm_pool_create(1, alloc, release, &out));
	dry = false;
	assert_null(bm_pool_create(0, alloc, release, &out));
	assert_null(bm_pool_create(1, NULL, release, &out));
}

static struct bm_pool *pool;

static void *giver(void *p)
{
	usleep(50000);
	bm_pool_free(p, pool);
	return NULL;
}

/* With nothing in the reserve an allocation waits for somebody to free. */
static void waits(void **state)
{
	pthread_t t;
	void *p;

	(void)state;
	pool = bm_pool_create(1, alloc, release, &out);
	dry = true;
	p = bm_pool_alloc(pool, 0);
	pthread_create(&t, NULL, giver, p);
	p = bm_pool_alloc(pool, 0);
	assert_non_null(p);
	pthread_join(t, NULL);
	dry = false;
	bm_pool_free(p, pool);
	bm_pool_destroy(pool);
	assert_int_equal(out, 0);
}

static void kinds(void **state)
{
	struct bm_cache *c = bm_cache_create("pooled", 200, 0, 0, NULL);
	struct bm_pool *k[3];
	size_t bytes[3] = { 200, 3000, (size_t)sysconf(_SC_PAGESIZE) * 4 };

	(void)state;
	k[0] = bm_pool_create_cache(3, c);
	k[1] = bm_pool_create_kmalloc(3, 3000);
	k[2] = bm_pool_create_pages(3, 2);
	for (int i = 0; i < 3; i++) {
		char *p[10];

		assert_non_null(k[i]);
		assert_int_equal(bm_pool_reserve(k[i]), 3);
		for (int j = 0; j < 10; j++) {
			p[j] = bm_pool_alloc(k[i], BM_GFP_ZERO);
			assert_int_equal(t_first_nonzero(p[j], bytes[i]), -1);
			memset(p[j], j, bytes[i]);
		}
		for (int j = 0; j < 10; j++)
			bm_pool_free(p[j], k[i]);
		bm_pool_destroy(k[i]);
	}
	assert_int_equal(bm_cache_destroy(c), 0);
}

/* ---- when memory runs out: a limit of address space stands for it ---- */

static void *kept[4];
static atomic_int scans, handled, in_handler;
static size_t asked;

static size_t count(void *arg)
{
	(void)arg;
	return kept[0] != NULL;
}

static size_t scan(size_t nr, void *arg)
{
	(void)arg;
	scans++;
	assert_int_equal(nr, 1);
	/* what fails in here must not come back here */
	assert_null(malloc((size_t)1 << 46));
	free(kept[0]);
	kept[0] = NULL;
	return 1;
}

static int handler(size_t bytes, void *arg)
{
	assert_ptr_equal(arg, &asked);
	assert_int_equal(in_handler++, 0);
	asked = bytes;
	handled++;
	free(malloc(100));
	in_handler--;
	return handled < 3;
}

static void oom(void **state)
{
	struct bm_stats heap;
	size_t too_much;
	struct bm_cache *c = bm_cache_create("dry", 100, 0, 0, NULL);
	int id;

	(void)state;
	/* All that there may ever be; for more than that nobody is asked. */
	bm_stats(&heap);
	too_much = heap.reserved_bytes;
	errno = 0;
	assert_null(malloc(too_much));
	assert_int_equal(errno, ENOMEM);
	kept[0] = malloc(1000);
	id = bm_register_shrinker(count, scan, NULL);
	assert_in_range(id, 0, 1000);
	assert_null(malloc(too_much));
	assert_int_equal(scans, 1);
	assert_null(kept[0]);
	bm_set_oom_handler(handler, &asked);
	errno = 0;
	assert_null(malloc(too_much));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(handled, 3);
	assert_int_equal(asked, too_much);
	assert_null(calloc(2, too_much / 2));
	assert_int_equal(handled, 4);
	assert_null(bm_kmalloc(too_much, 0));
	assert_int_equal(handled, 5);
	/* flags that mean another plan: nobody is asked */
	assert_null(bm_kmalloc(too_much, BM_GFP_NOGROW));
	assert_null(bm_alloc_pages_exact(too_much, BM_GFP_THISNODE));
	assert_int_equal(handled, 5);
	bm_set_oom_handler(NULL, NULL);
	assert_null(malloc(too_much));
	assert_int_equal(handled, 5);
	kept[0] = malloc(1000);
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	assert_int_equal(scans, 2);
	assert_int_equal(bm_unregister_shrinker(id), 0);
	assert_int_equal(bm_unregister_shrinker(id), -1);
	assert_int_equal(bm_unregister_shrinker(-1), -1);
	assert_int_equal(bm_unregister_shrinker(1000), -1);
	kept[0] = malloc(1000);
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	assert_int_equal(scans, 2);
	free(kept[0]);
	kept[0] = NULL;
	assert_int_equal(bm_register_shrinker(NULL, scan, NULL), -1);
	assert_int_equal(errno, EINVAL);
	bm_cache_destroy(c);
}

/* The handler gives a small window's memory back: what failed succeeds. */
static char *hoard[200];
static int hoarded;

static int give_some(size_t bytes, void *arg)
{
	(void)bytes;
	(void)arg;
	if (!hoarded)
		return 0;
	free(hoard[--hoarded]);
	return 1;
}

static void retry(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct bm_stats s;
		size_t step;
		char *p;

		t_child(60);
		bm_stats(&s);
		/* blocks of a 64th of what the window holds, until it is full */
		step = s.reserved_bytes / 64;
		while (hoarded < 200 &&
		       (hoard[hoarded] = malloc(step)))
			hoarded++;
		T_CHECK(hoarded > 10 && hoarded < 200, "%d", hoarded);
		T_CHECK(!malloc(step));
		bm_set_oom_handler(give_some, NULL);
		p = malloc(step);
		T_CHECK(p);
		free(p);
		p = malloc(3 * step);
		T_CHECK(p);
		p = bm_kmalloc(step, BM_GFP_NOFAIL);
		T_CHECK(p);
		_exit(0);
	}
	t_wait_ok(pid, "retry");
}

CM_MAIN("pool", 120, cmocka_unit_test(reserve), cmocka_unit_test(waits),
	cmocka_unit_test(kinds), cmocka_unit_test(oom),
	cmocka_unit_test(retry))
