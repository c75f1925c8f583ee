/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (cache 'heap') */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_heap *a = bm_heap_create(BM_NODE_ANY);
	void *p = bm_heap_malloc(a, 100), *q = bm_heap_malloc(a, 100);

	bm_heap_free(a, p);
	bm_heap_free(a, p);
	bm_heap_free(a, q);
	return 0;
}
