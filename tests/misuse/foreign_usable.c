/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid malloc_usable_size of 0x1: not memory of this heap */
#include "misuse.h"

static char mine[1000];

int main(void)
{
	char *p = mine + 16;

	hide(p);
	return malloc_usable_size(p) == 5;
}
