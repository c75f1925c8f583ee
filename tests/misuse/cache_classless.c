/* SPDX-License-Identifier: MIT */
/*
 * More caches than there are classes for: of the last each object goes home.
 * expect: buddymalloc: double free of 0x1 (cache 'last')
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c;
	void *p, *q;
	int i;

	for (i = 0; i < 80; i++)
		bm_cache_create("mine", 100, 0, 0, NULL);
	c = bm_cache_create("last", 100, 0, 0, NULL);
	p = bm_cache_alloc(c, 0);
	q = bm_cache_alloc(c, 0);
	bm_cache_free(c, p);
	bm_cache_free(c, q);
	bm_cache_free(c, p);
	return 0;
}
