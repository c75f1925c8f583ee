/* SPDX-License-Identifier: MIT */
/*
 * conf: check:on
 * expect: buddymalloc: size mismatch in free of 0x1: 32 bytes given, size class 64
 */
#include "misuse.h"

void bm_free_sized(void *, size_t);

int main(void)
{
	char *p = malloc(60);

	hide(p);
	bm_free_sized(p, 32);
	return 0;
}
