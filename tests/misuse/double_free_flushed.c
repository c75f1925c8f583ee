/* SPDX-License-Identifier: MIT */
/*
 * By default a double free that is not found at once is found at the latest
 * when the caches are flushed to their slabs.
 * expect: buddymalloc: double free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60), *q = malloc(60), *r = malloc(60);

	hide(p);
	free(p);
	free(q);
	free(p);
	free(r);
	malloc_trim(0);
	return 0;
}
