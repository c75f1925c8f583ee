/* SPDX-License-Identifier: MIT */
/*
 * More caches than there are classes for.
 * expect: buddymalloc: invalid free of 0x1: object of cache 'a', not 'b'
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *a, *b;
	int i;

	for (i = 0; i < 80; i++)
		bm_cache_create("mine", 100, 0, 0, NULL);
	a = bm_cache_create("a", 100, 0, 0, NULL);
	b = bm_cache_create("b", 100, 0, 0, NULL);
	bm_cache_free(b, bm_cache_alloc(a, 0));
	return 0;
}
