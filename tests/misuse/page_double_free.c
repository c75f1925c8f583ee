/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (large block) */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_page *page = bm_alloc_pages(BM_GFP_KERNEL, 3);

	hide(page);
	bm_free_pages(page, 3);
	bm_free_pages(page, 3);
	return 0;
}
