/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not memory of the heap 0x1 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_heap *a = bm_heap_create(BM_NODE_ANY);
	struct bm_heap *b = bm_heap_create(BM_NODE_ANY);

	bm_heap_free(b, bm_heap_malloc(a, 100));
	return 0;
}
