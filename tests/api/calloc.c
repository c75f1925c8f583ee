/* SPDX-License-Identifier: MIT */
/* calloc and reallocarray: zero whatever was there before; overflow is ENOMEM. */
#include "../lib/cm.h"

/* Dirty blocks of the size, free them, and look for the dirt in calloc's. */
static void zeroed(size_t n, int live)
{
	void *p[64];
	int i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < live; i++) {
			p[i] = malloc(n);
			assert_non_null(p[i]);
			memset(p[i], 0xa5, malloc_usable_size(p[i]));
		}
		for (i = 0; i < live; i++)
			free(p[i]);
		for (i = 0; i < live; i++) {
			p[i] = i & 1 ? calloc(n, 1) : calloc(1, n);
			assert_non_null(p[i]);
			CM_ALIGNED(p[i], 16);
			if (t_first_nonzero(p[i], n) >= 0)
				fail_msg("calloc of %zu: byte %zd is not zero", n,
					 t_first_nonzero(p[i], n));
			memset(p[i], 0x5a, n);
		}
		for (i = 0; i < live; i++)
			free(p[i]);
	}
}

static void zero_small(void **state)
{
	size_t n;

	(void)state;
	for (n = 1; n <= 40000; n = n < 1100 ? n + 1 : n + n / 9)
		zeroed(n, 64);
}

static void zero_large(void **state)
{
	size_t n;

	(void)state;
	for (n = 32760; n <= 24 << 20; n += n / 3)
		zeroed(n, 3);
	zeroed(80 << 20, 1);
}

/* Sizes mixed, so that pages wander between classes and orders. */
static void zero_mixed(void **state)
{
	enum { N = 300 };
	static struct { unsigned char *p; size_t n; } b[N];
	uint64_t rnd = t_seed_for(1);
	int k;

	(void)state;
	for (k = 0; k < 40000; k++) {
		int i = t_below(&rnd, N);

		if (b[i].p) {
			memset(b[i].p, 0xff, b[i].n);
			free(b[i].p);
			b[i].p = NULL;
			continue;
		}
		b[i].n = t_logsize(&rnd, k % 64 ? 8192 : 2 << 20);
		b[i].p = t_below(&rnd, 4) ? calloc(1, b[i].n) : memset(malloc(b[i].n), 0, b[i].n);
		if (t_first_nonzero(b[i].p, b[i].n) >= 0)
			fail_msg("calloc of %zu: byte %zd is not zero", b[i].n,
				 t_first_nonzero(b[i].p, b[i].n));
	}
	for (k = 0; k < N; k++)
		free(b[k].p);
}

static void trimmed(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		zeroed(3000, 64);
		zeroed(300000, 8);
		malloc_trim(0);
	}
}

static void overflow(void **state)
{
	static const size_t pair[][2] = {
		{ SIZE_MAX, 2 }, { 2, SIZE_MAX }, { SIZE_MAX / 2, 3 }, { (size_t)1 << 32, (size_t)1 << 32 },
		{ ((size_t)1 << 33) + 1, (size_t)1 << 31 }, { SIZE_MAX / 16 + 1, 16 }, { SIZE_MAX, SIZE_MAX },
	};
	volatile size_t a, b;
	size_t i;
	char *keep = malloc(100);

	(void)state;
	memset(keep, 7, 100);
	for (i = 0; i < sizeof(pair) / sizeof(pair[0]); i++) {
		a = pair[i][0];
		b = pair[i][1];
		errno = 0;
		assert_null(calloc(a, b));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(reallocarray(NULL, a, b));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(reallocarray(keep, a, b));
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(keep[99], 7);
	}
	free(keep);
}

static void array(void **state)
{
	int *p = reallocarray(NULL, 100, sizeof(int)), i;

	(void)state;
	for (i = 0; i < 100; i++)
		p[i] = i;
	p = reallocarray(p, 100000, sizeof(int));
	assert_non_null(p);
	for (i = 0; i < 100; i++)
		assert_int_equal(p[i], i);
	assert_true(malloc_usable_size(p) >= 100000 * sizeof(int));
	assert_null(reallocarray(p, cm_zero, 8));	/* as realloc(p, 0) */
}

CM_MAIN("api/calloc", 90,
	cmocka_unit_test(zero_small),
	cmocka_unit_test(zero_large),
	cmocka_unit_test(zero_mixed),
	cmocka_unit_test(trimmed),
	cmocka_unit_test(overflow),
	cmocka_unit_test(array))
