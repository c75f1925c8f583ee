/* SPDX-License-Identifier: MIT */
/* malloc with flags: zeros, krealloc's tail, refusals, every size. */
#include "../lib/cm.h"
#include "buddymalloc.h"

static void sizes(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3 << 20; n = n < 2000 ? n + 1 : n + n / 7) {
		char *p = bm_kmalloc(n, BM_GFP_KERNEL);

		assert_non_null(p);
		assert_true(bm_usable_size(p) >= n);
		memset(p, 0xee, bm_usable_size(p));
		bm_kfree(p);
		p = bm_kzalloc(n, BM_GFP_KERNEL);
		assert_int_equal(t_first_nonzero(p, bm_usable_size(p)), -1);
		memset(p, 0xee, bm_usable_size(p));
		free(p);
		p = bm_kmalloc(n, BM_GFP_MOVABLE | BM_GFP_ZERO | BM_GFP_NOFAIL);
		assert_int_equal(t_first_nonzero(p, n), -1);
		bm_kfree(p);
	}
	bm_kfree(NULL);
}

static void calloc_overflows(void **state)
{
	char *p = bm_kcalloc(33, 33, BM_GFP_KERNEL);

	(void)state;
	assert_int_equal(t_first_nonzero(p, 33 * 33), -1);
	bm_kfree(p);
	errno = 0;
	assert_null(bm_kcalloc(cm_huge, 2, BM_GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
}

/* With BM_GFP_ZERO all through, what was never written reads as zeros. */
static void krealloc_zeroes(void **state)
{
	uint64_t r = t_seed_for(3);

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t have = t_logsize(&r, 1 << 20), max = have;
		char *p = bm_kzalloc(have, BM_GFP_KERNEL);

		t_fill(p, have, 9);
		for (int i = 0; i < 10; i++) {
			size_t n = t_logsize(&r, 1 << 20);

			p = bm_krealloc(p, n, BM_GFP_ZERO |
					(i & 1 ? BM_GFP_NOFAIL : 0));
			assert_non_null(p);
			if (n < have)
				have = n;
			assert_int_equal(t_first_nonzero(p + have,
				bm_usable_size(p) - have), -1);
			max = n > max ? n : max;
		}
		bm_kfree(p);
	}
	assert_null(bm_krealloc(bm_kmalloc(5, 0), 0, 0));
	bm_kfree(bm_krealloc(NULL, 100, 0));
}

static void krealloc_keeps(void **state)
{
	char *p = bm_kmalloc(100, 0);

	(void)state;
	t_fill(p, 96, 4);
	for (size_t n = 200; n < 4 << 20; n *= 3) {
		p = bm_krealloc(p, n, BM_GFP_KERNEL);
		assert_int_equal(t_verify(p, 96, 4), -1);
	}
	p = bm_krealloc(p, 96, BM_GFP_NOGROW);
	assert_int_equal(t_verify(p, 96, 4), -1);
	bm_kfree(p);
}

static void refused(void **state)
{
	(void)state;
	errno = 0;
	assert_null(bm_kmalloc(10, 7));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_kmalloc(10, 1u << 30));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_kmalloc(cm_huge, BM_GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
	assert_null(bm_kmalloc(cm_huge, BM_GFP_NOFAIL));
}

/* Small ones of free memory only: it ends, and no zone grew. */
static void nogrow(void **state)
{
	struct bm_stats before, after;
	void **chain = NULL, **p;
	size_t n = 0;

	(void)state;
	bm_stats(&before);
	while ((p = bm_kmalloc(3000, BM_GFP_NOGROW))) {
		memset(p, 1, 3000);
		*p = chain;
		chain = p;
		n++;
	}
	bm_stats(&after);
	assert_int_equal(before.grows, after.grows);
	assert_in_range(n, 1, 1000000);
	p = bm_kmalloc(3000, BM_GFP_KERNEL);
	assert_non_null(p);
	bm_kfree(p);
	for (; chain; chain = p) {
		p = *chain;
		bm_kfree(chain);
	}
}

CM_MAIN("kmalloc", 60, cmocka_unit_test(sizes),
	cmocka_unit_test(calloc_overflows), cmocka_unit_test(krealloc_zeroes),
	cmocka_unit_test(krealloc_keeps), cmocka_unit_test(refused),
	cmocka_unit_test(nogrow))
