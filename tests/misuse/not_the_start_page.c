/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not the start of a block */
#include "misuse.h"

int main(void)
{
	char *p = malloc(1 << 20);

	hide(p);
	free(p + 65536 * 2);
	return 0;
}
