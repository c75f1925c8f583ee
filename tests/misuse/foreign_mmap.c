/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of 0x1: not memory of this heap */
#include "misuse.h"
#include <sys/mman.h>

int main(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	hide(p);
	free(p);
	return 0;
}
