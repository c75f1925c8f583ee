/* SPDX-License-Identifier: MIT */
/*
 * free after realloc has moved the block.
 * conf: check:on
 * expect: buddymalloc: double free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60), *q;

	hide(p);
	q = realloc(p, 6000);
	hide(q);
	free(p);
	return 0;
}
