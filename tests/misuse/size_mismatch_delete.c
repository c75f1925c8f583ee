/* SPDX-License-Identifier: MIT */
/*
 * A sized operator delete with the wrong size.
 * conf: check:on
 * expect: buddymalloc: size mismatch in free of 0x1: 200 bytes given, size class 64
 */
#include "misuse.h"

void *_Znwm(size_t);
void _ZdlPvm(void *, size_t);

int main(void)
{
	char *p = _Znwm(60);

	hide(p);
	_ZdlPvm(p, 200);
	return 0;
}
