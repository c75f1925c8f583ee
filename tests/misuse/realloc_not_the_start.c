/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid realloc of 0x1: not the start of a block */
#include "misuse.h"

int main(void)
{
	char *p = malloc(1 << 20);

	hide(p);
	p = realloc(p + 65536, 3 << 20);
	hide(p);
	return 0;
}
