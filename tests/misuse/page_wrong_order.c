/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: wrong order in free of 0x1: 2 given, block of 8 pages */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_page *page = bm_alloc_pages(BM_GFP_KERNEL, 3);

	hide(page);
	bm_free_pages(page, 2);
	return 0;
}
