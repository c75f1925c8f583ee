/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not an object of cache 'a' */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *a = bm_cache_create("a", 100, 0, 0, NULL);

	bm_cache_free(a, malloc(100));
	return 0;
}
