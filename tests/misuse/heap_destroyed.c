/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (large block) */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_heap *a = bm_heap_create(BM_NODE_ANY);
	char *p = bm_heap_malloc(a, 100000);

	hide(p);
	bm_heap_destroy(a);
	free(p);
	return 0;
}
