/* SPDX-License-Identifier: MIT */
/* realloc: contents kept at every growth and shrink, failure keeps the block. */
#include "../lib/cm.h"

static void null_is_malloc(void **state)
{
	char *p = realloc(NULL, 100);

	(void)state;
	assert_non_null(p);
	memset(p, 1, 100);
	free(p);
}

/* realloc(p, 0) frees p and returns NULL, as glibc does. */
static void zero_frees(void **state)
{
	static const size_t sizes[] = { 1, 100, 5000, 40000, 2 << 20 };
	size_t i, k, before, after;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int rounds = (64 << 20) / (sizes[i] + 64);

		before = t_rss();
		for (k = 0; k < (size_t)(rounds > 200000 ? 200000 : rounds); k++) {
			char *p = malloc(sizes[i]);

			memset(p, 1, sizes[i] > 4096 ? 4096 : sizes[i]);
			assert_null(realloc(p, cm_zero));
		}
		after = t_rss();
		if (after > before + (6 << 20) && t_rss_counts())
			fail_msg("realloc(p, 0) of %zu bytes does not free: RSS %zu -> %zu",
				 sizes[i], before, after);
	}
}

/* A random walk of sizes on one block among neighbours. */
static void walk(size_t max, int steps, unsigned stream)
{
	uint64_t rnd = t_seed_for(stream);
	unsigned char *p = NULL, *q;
	size_t n = 0;
	uint64_t key = 1;
	void *wall[16] = { 0 };
	int i;

	for (i = 0; i < steps; i++) {
		size_t m = t_below(&rnd, 3) ? t_logsize(&rnd, max) : n + t_below(&rnd, n / 2 + 100);
		size_t keep;
		ssize_t bad;

		if (m > max)
			m = max;
		if (!m)
			m = 1;
		keep = m < n ? m : n;
		q = realloc(p, m);
		assert_non_null(q);
		CM_ALIGNED(q, 16);
		assert_true(malloc_usable_size(q) >= m);
		bad = t_verify_part(q, n, key, keep);
		if (bad >= 0)
			fail_msg("realloc %zu -> %zu: byte %zd is wrong", n, m, bad);
		p = q;
		n = m;
		key = t_rand(&rnd);
		t_fill(p, n, key);
		if (t_below(&rnd, 4) == 0) {	/* something in the way of growing */
			free(wall[i % 16]);
			wall[i % 16] = malloc(t_logsize(&rnd, max / 4 + 1));
		}
	}
	free(p);
	for (i = 0; i < 16; i++)
		free(wall[i]);
}

static void walk_small(void **state)
{
	(void)state;
	walk(256, 50000, 1);
	walk(4096, 30000, 2);
	walk(60000, 10000, 3);
}

static void walk_large(void **state)
{
	(void)state;
	walk(2 << 20, 1500, 4);
	walk(64 << 20, 150, 5);
}

/* Every byte, at each doubling from 1 byte to 64 MiB and back. */
static void doubling(void **state)
{
	unsigned char *p = malloc(1);
	size_t n, i;

	(void)state;
	p[0] = 0x5a;
	for (n = 1; n < 64 << 20; n <<= 1) {
		p = realloc(p, 2 * n);
		assert_non_null(p);
		assert_int_equal(p[0], 0x5a);
		for (i = 1; i < n; i <<= 1)
			assert_int_equal(p[i], (i * 7) & 0xff ? (i * 7) & 0xff : 1);
		p[n] = (n * 7) & 0xff ? (n * 7) & 0xff : 1;
		p[2 * n - 1] = p[2 * n - 1];	/* writable to the end */
	}
	for (; n > 1; n >>= 1) {
		p = realloc(p, n);
		assert_non_null(p);
		for (i = 1; i < n; i <<= 1)
			assert_int_equal(p[i], (i * 7) & 0xff ? (i * 7) & 0xff : 1);
	}
	free(p);
}

/* Very large and touched sparsely: growth must not copy what was never there. */
static void gigabytes(void **state)
{
	size_t step = 16 << 20, n = 256 << 20, max = (size_t)1536 << 20, i;
	char *p;

	(void)state;
	if (t_ram_free() < (size_t)4 << 30) {
		skip();
		return;
	}
	p = malloc(n);
	assert_non_null(p);
	for (i = 0; i < n; i += step)
		memset(p + i, (int)(i / step) + 1, 100);
	while (n < max) {
		size_t m = n + (256 << 20);

		p = realloc(p, m);
		assert_non_null(p);
		for (i = n; i < m; i += step)
			memset(p + i, (int)(i / step) + 1, 100);
		n = m;
		for (i = 0; i < n; i += step)
			assert_int_equal((unsigned char)p[i + 99], i / step + 1);
	}
	p = realloc(p, 100 << 20);
	for (i = 0; i + 100 <= (size_t)100 << 20; i += step)
		assert_int_equal((unsigned char)p[i + 99], i / step + 1);
	free(p);
}

static void failure_keeps(void **state)
{
	static const size_t sizes[] = { 1, 64, 3000, 50000, 3 << 20 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *p = malloc(sizes[i]);

		t_fill(p, sizes[i], i);
		errno = 0;
		assert_null(realloc(p, cm_huge));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(realloc(p, (size_t)1 << 60));
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(t_verify(p, sizes[i], i), -1);
		free(p);
	}
}

/* What realloc shrank from a large block comes back as memory. */
static void shrink_gives_back(void **state)
{
	enum { N = 16 };
	char *p[N];
	size_t full, small;
	int i;

	(void)state;
	for (i = 0; i < N; i++) {
		p[i] = malloc(8 << 20);
		memset(p[i], i, 8 << 20);
	}
	full = t_rss();
	for (i = 0; i < N; i++) {
		p[i] = realloc(p[i], 100000);
		assert_int_equal(p[i][99999], i);
	}
	malloc_trim(0);
	small = t_rss();
	if (small + (80 << 20) > full && t_rss_counts())
		fail_msg("128 MiB shrunk to 1.6 MiB: RSS %zu -> %zu", full, small);
	for (i = 0; i < N; i++)
		free(p[i]);
}

/* memalign blocks through realloc keep their contents (not their alignment) */
static void of_aligned(void **state)
{
	size_t a;

	(void)state;
	for (a = 16; a <= 4 << 20; a <<= 1) {
		char *p = memalign(a, 1000);

		CM_ALIGNED(p, a);
		t_fill(p, 1000, a);
		p = realloc(p, 100000);
		assert_int_equal(t_verify_part(p, 1000, a, 1000), -1);
		t_fill(p, 100000, a);
		p = realloc(p, 500);
		assert_int_equal(t_verify_part(p, 100000, a, 500), -1);
		free(p);
	}
}

CM_MAIN("api/realloc", 90,
	cmocka_unit_test(null_is_malloc),
	cmocka_unit_test(zero_frees),
	cmocka_unit_test(walk_small),
	cmocka_unit_test(walk_large),
	cmocka_unit_test(doubling),
	cmocka_unit_test(gigabytes),
	cmocka_unit_test(failure_keeps),
	cmocka_unit_test(shrink_gives_back),
	cmocka_unit_test(of_aligned))
