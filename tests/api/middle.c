/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 16 to 300 KiB in haste, so that those of 32 to 128 KiB turn from
 * runs of pages to objects of slabs, and back at each trim: their contents
 * stay, calloc's are zero, and any thread may free any kind.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

#include <pthread.h>

enum { N = 100, OPS = 30000 };

struct block {
	char *p;
	size_t n;
	uint64_t key;
};

static unsigned objects;	/* seen: a run has whole pages, and no more */

static void check(const struct block *b, size_t upto)
{
	if (b->p)
		assert_int_equal(t_verify_part(b->p, b->n, b->key, upto), -1);
}

static size_t some_size(uint64_t *r)
{
	return t_below(r, 8) ? 32769 + t_below(r, 98304)
			     : 16384 + t_below(r, 290000);
}

static void *make(size_t n, unsigned how)
{
	char *p;

	switch (how) {
	case 0:
		p = calloc(1, n);
		assert_int_equal(t_first_nonzero(p, n), -1);
		return p;
	case 1:
		p = memalign(4096, n);
		CM_ALIGNED(p, 4096);
		return p;
	default:
		return malloc(n);
	}
}

static void replace(struct block *b, uint64_t *r)
{
	size_t n = some_size(r);

	check(b, b->n);
	if (b->p && t_below(r, 4) == 0) {
		b->p = realloc(b->p, n);
		check(b, n);
	} else {
		free(b->p);
		b->p = make(n, (unsigned)t_below(r, 4));
	}
	assert_non_null(b->p);
	assert_true(malloc_usable_size(b->p) >= n);
	b->n = n;
	b->key = t_below(r, UINT64_MAX);
	t_fill(b->p, n, b->key);
	objects += n > 32768 && n <= 131072 &&
		   malloc_usable_size(b->p) >= n + 8192;
}

/* Nobody touches these: they come as fast as they can. */
static void hasten(uint64_t *r)
{
	for (int i = 0; i < 2000; i++)
		free(malloc(some_size(r)));
}

static void model(void **state)
{
	static struct block b[N];
	uint64_t r = t_seed_for(1);

	(void)state;
	for (int op = 0; op < OPS; op++) {
		if (op % 4000 == 2000)
			hasten(&r);
		if (op % 4000 == 3999)
			malloc_trim(0);
		replace(&b[t_below(&r, N)], &r);
	}
	for (int i = 0; i < N; i++) {
		check(&b[i], b[i].n);
		free(b[i].p);
	}
	printf("%u objects\n", objects);
}

/* What krealloc grows into is zero, whichever kind it was and becomes. */
static void zeroed_tails(void **state)
{
	uint64_t r = t_seed_for(2);

	(void)state;
	for (int round = 0; round < 2000; round++) {
		if (round == 1000)
			hasten(&r);
		size_t n = 32769 + t_below(&r, 90000), have;
		char *p = bm_kzalloc(n, BM_GFP_KERNEL);

		have = bm_usable_size(p);
		assert_int_equal(t_first_nonzero(p, have), -1);
		memset(p, 0xcc, n);
		p = bm_krealloc(p, have + 1, BM_GFP_ZERO);
		assert_int_equal(t_first_nonzero(p + n, have + 1 - n), -1);
		memset(p, 0xcc, bm_usable_size(p));
		bm_kfree(p);
	}
}

/* Whichever kind it is, vfree takes it, and half of it is enough when it shrinks. */
static void doors(void **state)
{
	uint64_t r = t_seed_for(6);

	(void)state;
	for (int round = 0; round < 2; round++) {
		char *p = bm_kmalloc(70000, BM_GFP_KERNEL);

		p[69999] = 1;
		bm_vfree(bm_vrealloc(p, 90000));
		p = realloc(malloc(131072), 66000);
		assert_in_range(malloc_usable_size(p), 66000,
				sysconf(_SC_PAGESIZE) > 16384 ? 131072 : 98304);
		bm_vfree(p);
		hasten(&r);
	}
}

static void *given[64];	/* between the threads */

static void *swap(void *arg)
{
	uint64_t r = t_seed_for((unsigned)(uintptr_t)arg);

	for (int op = 0; op < OPS; op++) {
		size_t n = some_size(&r);
		char *p = malloc(n);

		p[0] = p[n - 1] = 1;
		free(__atomic_exchange_n(&given[t_below(&r, 64)], p,
					 __ATOMIC_ACQ_REL));
	}
	return NULL;
}

static void strangers(void **state)
{
	pthread_t thread[3];

	(void)state;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, swap, (void *)(i + 3)), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 64; i++)
		free(given[i]);
}

CM_MAIN("api/middle", 90,
	cmocka_unit_test(model),
	cmocka_unit_test(zeroed_tails),
	cmocka_unit_test(doors),
	cmocka_unit_test(strangers))
