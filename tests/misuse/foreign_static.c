/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not memory of this heap */
#include "misuse.h"

static char mine[1000];

int main(void)
{
	char *p = mine + 16;

	hide(p);
	free(p);
	return 0;
}
