/* SPDX-License-Identifier: MIT */
/*
 * By default found at the latest when the sheaves are emptied.
 * expect: buddymalloc: misaligned free of 0x1 (cache 'mine')
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c = bm_cache_create("mine", 100, 0, 0, NULL);
	char *p = bm_cache_alloc(c, 0);

	bm_cache_free(c, p + 8);
	bm_cache_shrink(c);
	return 0;
}
