/* SPDX-License-Identifier: MIT */
/*
 * Heaps of one's own: contents, ownership, threads, and that destroying one
 * gives everything back and touches no other.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

enum { N = 1000 };

static int order_of(int i)
{
	return i % 18;
}

static void churn(struct bm_heap *heap, unsigned seed, int rounds)
{
	static _Thread_local char *p[N];
	static _Thread_local size_t size[N];
	uint64_t r = t_seed_for(seed);

	memset(p, 0, sizeof(p));
	for (int round = 0; round < rounds; round++) {
		int i = t_below(&r, N);
		size_t n = t_logsize(&r, 200000);

		switch (t_below(&r, 5)) {
		case 0:
			p[i] = bm_heap_realloc(heap, p[i], n);
			if (size[i])
				T_CHECK(t_verify_part(p[i], size[i], i,
						n < size[i] ? n : size[i]) == -1);
			break;
		case 1:
			bm_heap_free(heap, p[i]);
			p[i] = bm_heap_calloc(heap, 1, n);
			T_CHECK(t_first_nonzero(p[i], n) == -1);
			break;
		case 2:
			bm_heap_free(heap, p[i]);
			p[i] = bm_heap_aligned_alloc(heap, (size_t)1 << order_of(i), n);
			CM_ALIGNED(p[i], (size_t)1 << order_of(i));
			break;
		case 3:
			if (size[i])
				T_CHECK(t_verify(p[i], size[i], i) == -1);
			bm_heap_free(heap, p[i]);
			p[i] = NULL;
			size[i] = 0;
			continue;
		default:
			bm_heap_free(heap, p[i]);
			p[i] = bm_heap_malloc(heap, n);
		}
		T_CHECK(p[i] && bm_heap_owns(heap, p[i]));
		T_CHECK(bm_heap_usable_size(heap, p[i]) >= n);
		size[i] = n;
		t_fill(p[i], n, i);
	}
	memset(size, 0, sizeof(size));	/* the rest is live */
}

static void contents(void **state)
{
	struct bm_heap *heap = bm_heap_create(BM_NODE_ANY);

	(void)state;
	churn(heap, 1, 20000);
	assert_true(bm_heap_bytes(heap) > 0);
	bm_heap_destroy(heap);
	bm_heap_destroy(NULL);
	assert_null(bm_heap_create(1000));
}

/* Live blocks or not: all pages are back, again and again. */
static void destroys(void **state)
{
	struct bm_stats before, after;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct bm_heap *heap = bm_heap_create(BM_NODE_ANY);

		if (i == 3)
			bm_stats(&before);
		churn(heap, i, 3000);
		bm_heap_destroy(heap);
	}
	bm_malloc_trim(0);
	bm_stats(&after);
	assert_in_range(after.slab_bytes, 0, before.slab_bytes + (1 << 20));
	assert_in_range(after.large_bytes, 0, before.large_bytes + 65536);
	assert_in_range(after.live_bytes, 0, before.live_bytes + (1 << 20));
}

static void two(void **state)
{
	struct bm_heap *a = bm_heap_create(BM_NODE_ANY);
	struct bm_heap *b = bm_heap_create(bm_node_of(a));
	static char *p[400], *q[400], *m[400];
	int x;

	(void)state;
	for (int i = 0; i < 400; i++) {
		size_t n = 10 + i * 200;

		t_fill(p[i] = bm_heap_malloc(a, n), n, i);
		t_fill(q[i] = bm_heap_malloc(b, n), n, i + 1000);
		t_fill(m[i] = malloc(n), n, i + 2000);
		assert_true(bm_heap_owns(a, p[i]));
		assert_false(bm_heap_owns(b, p[i]));
		assert_false(bm_heap_owns(a, m[i]));
	}
	assert_false(bm_heap_owns(a, &x));
	assert_false(bm_heap_owns(a, NULL));
	bm_heap_destroy(a);
	for (int i = 0; i < 400; i++)
		memset(malloc(10 + i * 200), 0xff, 10 + i * 200);
	for (int i = 0; i < 400; i++) {
		size_t n = 10 + i * 200;

		assert_int_equal(t_verify(q[i], n, i + 1000), -1);
		assert_int_equal(t_verify(m[i], n, i + 2000), -1);
		/* free() knows where a block belongs */
		if (i % 2)
			free(q[i]);
		else
			bm_heap_free(b, q[i]);
		free(m[i]);
	}
	/* realloc() may take a block out of its heap, but never loses it */
	p[0] = bm_heap_malloc(b, 100000);
	t_fill(p[0], 100000, 5);
	p[0] = realloc(p[0], 3 << 20);
	assert_int_equal(t_verify_part(p[0], 100000, 5, 99000), -1);
	bm_heap_destroy(b);
}

static struct bm_heap *shared;

static void *worker(void *arg)
{
	churn(shared, (uintptr_t)arg, 10000);
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];
	pid_t pid;

	(void)state;
	shared = bm_heap_create(BM_NODE_ANY);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, (void *)(i + 50));
	for (int i = 0; i < 10; i++) {
		pid = fork();
		if (!pid) {
			t_child(30);
			churn(shared, 99, 200);
			bm_heap_destroy(shared);
			_exit(0);
		}
		t_wait_ok(pid, "fork");
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	bm_heap_destroy(shared);
}

static void refused(void **state)
{
	struct bm_heap *heap = bm_heap_create(BM_NODE_ANY);

	(void)state;
	errno = 0;
	assert_null(bm_heap_malloc(heap, cm_huge));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(bm_heap_calloc(heap, cm_huge, 2));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(bm_heap_aligned_alloc(heap, 3, 2));
	assert_int_equal(errno, EINVAL);
	assert_non_null(bm_heap_malloc(heap, 0));
	assert_null(bm_heap_realloc(heap, bm_heap_malloc(heap, 9), 0));
	bm_heap_destroy(heap);
}

CM_MAIN("heap", 120, cmocka_unit_test(contents), cmocka_unit_test(destroys),
	cmocka_unit_test(two), cmocka_unit_test(threads),
	cmocka_unit_test(refused))
