/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not memory of this heap */
#include "misuse.h"

int main(void)
{
	char local[100], *p = local;

	hide(p);
	free(p);
	return 0;
}
