/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid destroy of 0x1: not a cache */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c = bm_cache_create("mine", 100, 0, 0, NULL);

	hide(c);
	bm_cache_destroy(c);
	bm_cache_destroy(c);
	return 0;
}
