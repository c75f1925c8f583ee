/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: size mismatch in free of 0x1: 4096 bytes given, size class 16384 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	char *p = bm_get_free_pages(BM_GFP_KERNEL, 2);

	hide(p);
	bm_free_pages_exact(p, 4096);
	return 0;
}
