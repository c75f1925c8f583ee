/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (cache 'mine') */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	struct bm_cache *c = bm_cache_create("mine", 100, 0, 0, NULL);
	void *p = bm_cache_alloc(c, 0);

	hide(p);
	bm_cache_free(c, p);
	free(p);
	return 0;
}
