/* SPDX-License-Identifier: MIT */
/*
 * Found when others were freed in between: with check:on at once.
 * conf: check:on
 * expect: buddymalloc: double free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60), *q = malloc(60), *r = malloc(60);

	hide(p);
	free(p);
	free(q);
	free(r);
	free(p);
	return 0;
}
