/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (size class 32768) */
#include "misuse.h"

int main(void)
{
	char *p = malloc(32768);

	hide(p);
	free(p);
	free(p);
	return 0;
}
