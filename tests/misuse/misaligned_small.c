/* SPDX-License-Identifier: MIT */
/*
 * conf: check:on
 * expect: buddymalloc: misaligned free of 0x1 (size class 64)
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60);

	hide(p);
	free(p + 16);
	return 0;
}
