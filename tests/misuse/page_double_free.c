/* SPDX-License-Identifier: MIT */
/*
 * Larger than any class of slabs.
 * expect: buddymalloc: double free of 0x1 (large block)
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_page *page = bm_alloc_pages(BM_GFP_KERNEL, 5);

	hide(page);
	bm_free_pages(page, 5);
	bm_free_pages(page, 5);
	return 0;
}
