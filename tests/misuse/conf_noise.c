/* SPDX-License-Identifier: MIT */
/*
 * Empty items are nothing; an item that is wrong does not hide the next one.
 * conf: ,,bar:1,check:on,
 * expect: buddymalloc: BUDDYMALLOC_CONF: unknown key 'bar', ignored
 * expect: buddymalloc: double free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60), *q = malloc(60);

	hide(p);
	free(p);
	free(q);
	free(p);
	return 0;
}
