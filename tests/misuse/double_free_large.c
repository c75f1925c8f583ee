/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (large block) */
#include "misuse.h"

int main(void)
{
	char *p = malloc(1 << 20);

	hide(p);
	free(p);
	free(p);
	return 0;
}
