/* SPDX-License-Identifier: MIT */
/*
 * By default found at the latest when the caches are flushed.
 * expect: buddymalloc: misaligned free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60);

	hide(p);
	free(p + 8);
	malloc_trim(0);
	return 0;
}
