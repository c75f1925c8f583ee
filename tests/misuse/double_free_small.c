/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (size class 64) */
#include "misuse.h"

int main(void)
{
	char *p = malloc(60);

	hide(p);
	free(p);
	free(p);
	return 0;
}
