/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not the start of a block */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	char *p = malloc(100);

	hide(p);
	bm_put_page((char *)((unsigned long)p & ~(sysconf(_SC_PAGESIZE) - 1)));
	return 0;
}
