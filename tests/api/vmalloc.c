/* SPDX-License-Identifier: MIT */
/* Blocks of whole pages: alignment, zeros, growth in every direction. */
#include "../lib/cm.h"
#include "buddymalloc.h"

static void sizes(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	for (size_t n = 0; n < 20 << 20; n += n / 5 + 1) {
		char *p = bm_vmalloc(n);

		CM_ALIGNED(p, page);
		assert_int_equal(bm_usable_size(p) % page, 0);
		assert_true(bm_usable_size(p) >= n);
		memset(p, 0xee, n);
		bm_vfree(p);
		p = bm_vzalloc(n);
		assert_int_equal(t_first_nonzero(p, n), -1);
		free(p);
	}
	bm_vfree(NULL);
	errno = 0;
	assert_null(bm_vmalloc(cm_huge));
	assert_int_equal(errno, ENOMEM);
}

static void reallocs(void **state)
{
	uint64_t r = t_seed_for(5);
	char *p = NULL, *q;
	size_t have = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		size_t n = t_logsize(&r, 8 << 20);

		q = i % 10 ? NULL : bm_vmalloc(5000);	/* in the way */
		p = bm_vrealloc(p, n);
		assert_non_null(p);
		if (have)
			assert_int_equal(t_verify_part(p, have, i - 1,
						       n < have ? n : have),
					 -1);
		t_fill(p, n, i);
		have = n;
		bm_vfree(q);
	}
	errno = 0;
	assert_null(bm_vrealloc(p, cm_huge));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(t_verify(p, have, 1999), -1);
	assert_null(bm_vrealloc(p, 0));
}

CM_MAIN("vmalloc", 60, cmocka_unit_test(sizes), cmocka_unit_test(reallocs))
