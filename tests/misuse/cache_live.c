/* SPDX-License-Identifier: MIT */
/*
 * expect: buddymalloc: cache 'mine' is destroyed with 2 live objects:
 * expect: buddymalloc:   object 0x1
 * expect: buddymalloc:   object 0x1
 * expect: goes on
 */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c = bm_cache_create("mine", 100, 0, 0, NULL);
	void *p = bm_cache_alloc(c, 0), *q = bm_cache_alloc(c, 0);

	if (!p || !q || bm_cache_destroy(c) != -1)
		return 1;
	return goes_on();
}
