/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid realloc of 0x1: not memory of this heap */
#include "misuse.h"

static char mine[1000];

int main(void)
{
	char *p = mine + 16;

	hide(p);
	p = realloc(p, 2000);
	hide(p);
	return 0;
}
