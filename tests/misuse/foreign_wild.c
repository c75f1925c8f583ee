/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not memory of this heap */
#include "misuse.h"

int main(void)
{
	char *p = (char *)0x123456789ab0;

	hide(p);
	free(p);
	return 0;
}
