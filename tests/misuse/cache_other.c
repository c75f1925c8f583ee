/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: object of cache 'a', not 'b' */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *a = bm_cache_create("a", 100, 0, 0, NULL);
	struct bm_cache *b = bm_cache_create("b", 100, 0, 0, NULL);

	bm_cache_free(b, bm_cache_alloc(a, 0));
	return 0;
}
