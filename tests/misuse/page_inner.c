/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not the start of a block */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	char *p = bm_get_free_pages(BM_GFP_KERNEL, 3);
	struct bm_page *page = bm_virt_to_page(p + sysconf(_SC_PAGESIZE));

	bm_free_page(page);
	return 0;
}
