/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: size mismatch in free of 0x1: 1 bytes given, large block of 131072 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	char *p = bm_alloc_pages_exact(131072, BM_GFP_KERNEL);

	hide(p);
	bm_free_pages_exact(p, 1);
	return 0;
}
