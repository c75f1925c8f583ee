/* SPDX-License-Identifier: MIT */
/*
 * By default found at the latest when the sheaves are emptied.
 * expect: buddymalloc: double free of 0x1 (cache 'mine')
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c = bm_cache_create("mine", 100, 0, 0, NULL);
	void *p = bm_cache_alloc(c, 0), *q = bm_cache_alloc(c, 0);

	bm_cache_free(c, p);
	bm_cache_shrink(c);
	bm_cache_free(c, p);
	bm_cache_free(c, q);
	bm_cache_shrink(c);
	return 0;
}
