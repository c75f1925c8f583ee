/* SPDX-License-Identifier: MIT */
/*
 * Inside the reserved window, far from what the heap has taken yet: no fault.
 * expect: buddymalloc: invalid free of 0x1: not memory of this heap
 */
#include "misuse.h"

int main(void)
{
	char *p = malloc(100);

	hide(p);
	p += (size_t)2 << 30;
	hide(p);
	free(p);
	return 0;
}
