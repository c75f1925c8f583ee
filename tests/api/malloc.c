/* SPDX-License-Identifier: MIT */
/* malloc and free: alignment, malloc(0), limits, errno, usable size, waste. */
#include "../lib/cm.h"

static void alignment(void **state)
{
	size_t n;

	(void)state;
	for (n = 0; n <= 70000; n += n < 2100 ? 1 : 97) {
		char *p = malloc(n), *q = malloc(n);

		assert_non_null(p);
		assert_non_null(q);
		assert_ptr_not_equal(p, q);
		CM_ALIGNED(p, 16);
		CM_ALIGNED(q, 16);
		memset(p, 1, n);
		memset(q, 2, n);
		if (n) {
			assert_int_equal(p[0], 1);
			assert_int_equal(p[n - 1], 1);
		}
		free(p);
		free(q);
	}
}

/* Every malloc(0) is a block of its own. */
static void zero_is_unique(void **state)
{
	enum { N = 3000 };
	static void *p[N];
	int i, j;

	(void)state;
	for (i = 0; i < N; i++) {
		p[i] = i % 3 == 0 ? malloc(cm_zero) : i % 3 == 1 ? calloc(cm_zero, 8)
								 : realloc(NULL, cm_zero);
		assert_non_null(p[i]);
		CM_ALIGNED(p[i], 16);
		for (j = 0; j < i; j++)
			assert_ptr_not_equal(p[i], p[j]);
	}
	for (i = 0; i < N; i++)
		free(p[i]);
}

static void too_large(void **state)
{
	size_t sizes[] = { cm_huge, cm_huge + 1, SIZE_MAX, SIZE_MAX - 15,
			   SIZE_MAX - 4096, SIZE_MAX / 2 + 4096, (size_t)PTRDIFF_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *p;

		errno = 0;
		assert_null(malloc(sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(calloc(1, sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(aligned_alloc(64, sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(memalign(64, sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(valloc(sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(pvalloc(sizes[i]));
		assert_int_equal(errno, ENOMEM);
		p = (void *)1;
		assert_int_equal(posix_memalign(&p, 64, sizes[i]), ENOMEM);
		assert_ptr_equal(p, (void *)1);	/* left alone at failure */
		errno = 0;
		assert_null(realloc(NULL, sizes[i]));
		assert_int_equal(errno, ENOMEM);
	}
}

/* More than any machine has, less than PTRDIFF_MAX: a NULL, and life goes on. */
static void too_large_for_here(void **state)
{
	size_t n;

	(void)state;
	for (n = (size_t)1 << 46; n && n <= (size_t)1 << 62; n <<= 1) {
		void *p;

		errno = 0;
		p = malloc(n);
		if (p) {	/* as much as the machine promises */
			free(p);
			continue;
		}
		assert_int_equal(errno, ENOMEM);
		p = malloc(100);
		assert_non_null(p);
		free(p);
	}
}

static void errno_kept(void **state)
{
	static const size_t sizes[] = { 0, 1, 16, 100, 1000, 5000, 32768, 32769, 100000,
					1 << 20, 5 << 20, 40 << 20 };
	size_t i, round;

	(void)state;
	for (round = 0; round < 3; round++)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			char *p = malloc(sizes[i]);

			assert_non_null(p);
			memset(p, 1, sizes[i]);
			errno = 1234;
			free(p);
			assert_int_equal(errno, 1234);
		}
	errno = 1234;
	free(NULL);
	assert_int_equal(errno, 1234);
	/* many at once, so that caches overflow into the slow path */
	{
		enum { N = 20000 };
		static void *p[N];

		for (i = 0; i < N; i++) {
			p[i] = malloc(1 + i % 3000);
			assert_non_null(p[i]);
		}
		errno = 1234;
		for (i = 0; i < N; i++) {
			free(p[i]);
			assert_int_equal(errno, 1234);
		}
	}
}

/* A success leaves errno as it was, as glibc does. */
static void errno_of_success(void **state)
{
	void *p;

	(void)state;
	errno = 1234;
	p = malloc(100);
	assert_int_equal(errno, 1234);
	p = realloc(p, 200);
	assert_int_equal(errno, 1234);
	free(p);
	p = calloc(3, 100);
	assert_int_equal(errno, 1234);
	free(p);
}

static void usable(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(malloc_usable_size(NULL), 0);
	for (n = 0; n < 200000; n = n < 3000 ? n + 1 : n + n / 50) {
		unsigned char *p = malloc(n);
		size_t u = malloc_usable_size(p), i;
		unsigned char *others[4];

		assert_true(u >= n);
		t_fill(p, u, n);
		for (i = 0; i < 4; i++) {
			others[i] = malloc(n);
			t_fill(others[i], malloc_usable_size(others[i]), ~n - i);
		}
		assert_int_equal(t_verify(p, u, n), -1);
		for (i = 0; i < 4; i++) {
			assert_int_equal(t_verify(others[i], malloc_usable_size(others[i]),
						  ~n - i), -1);
			free(others[i]);
		}
		assert_int_equal(malloc_usable_size(p), u);	/* stable for life */
		free(p);
	}
}

/*
 * At most 15 bytes up to 128, a fifth of the block above, and less than a page for large
 * blocks: a 5 MiB block does not hold 8.
 */
static void waste(void **state)
{
	size_t n, page = sysconf(_SC_PAGESIZE);

	(void)state;
	if (!t_ours()) {
		skip();
		return;
	}
	for (n = 1; n <= 32768; n++) {
		void *p = malloc(n);
		size_t w = malloc_usable_size(p) - n;

		if (n <= 128 ? w > 15 : w * 5 > n + w)
			fail_msg("%zu bytes: %zu wasted", n, w);
		free(p);
	}
	for (n = 32769; n < 64 << 20; n += n / 7) {
		void *p = malloc(n);
		size_t w = malloc_usable_size(p) - n;

		if (w >= page && (n > 131072 ? w * 8 > n : w * 5 > n + w))
			fail_msg("%zu bytes: %zu wasted", n, w);
		if (n > 1 << 20 && w >= page)
			fail_msg("%zu bytes: %zu wasted", n, w);
		free(p);
	}
}

/* Blocks that live at once never overlap: 20,000 of all sizes. */
static void no_overlap(void **state)
{
	enum { N = 20000 };
	static struct { unsigned char *p; size_t n; } b[N];
	uint64_t rnd = t_seed_for(1);
	int i, round;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < N; i++) {
			if (round && t_below(&rnd, 2))
				continue;
			if (b[i].p) {
				assert_int_equal(t_verify(b[i].p, b[i].n, (uintptr_t)b[i].p ^ i), -1);
				free(b[i].p);
			}
			b[i].n = t_logsize(&rnd, 16384);
			b[i].p = malloc(b[i].n);
			assert_non_null(b[i].p);
			t_fill(b[i].p, b[i].n, (uintptr_t)b[i].p ^ i);
		}
		for (i = 0; i < N; i++)
			assert_int_equal(t_verify(b[i].p, b[i].n, (uintptr_t)b[i].p ^ i), -1);
	}
	for (i = 0; i < N; i++)
		free(b[i].p);
}

CM_MAIN("api/malloc", 60,
	cmocka_unit_test(alignment),
	cmocka_unit_test(zero_is_unique),
	cmocka_unit_test(too_large),
	cmocka_unit_test(too_large_for_here),
	cmocka_unit_test(errno_kept),
	cmocka_unit_test(errno_of_success),
	cmocka_unit_test(usable),
	cmocka_unit_test(waste),
	cmocka_unit_test(no_overlap))
