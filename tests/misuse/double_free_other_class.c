/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: double free of 0x1 (size class 1024) */
#include "misuse.h"

int main(void)
{
	char *p = malloc(1000);

	hide(p);
	free(p);
	free(p);
	return 0;
}
