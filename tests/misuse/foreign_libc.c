/* SPDX-License-Identifier: MIT */
/*
 * foreign:libc: what libc's own malloc gave goes back to it.
 * conf: foreign:libc
 * expect: goes on
 */
#include "misuse.h"

void *__libc_malloc(size_t);

int main(void)
{
	char *p = __libc_malloc(100), *q = __libc_malloc(1 << 20);
	int i;

	hide(p);
	memset(p, 7, 100);
	p = realloc(p, 5000);
	hide(p);
	for (i = 0; i < 100; i++)
		if (p[i] != 7)
			return 1;
	free(p);
	free(q);
	for (i = 0; i < 1000; i++) {
		p = __libc_malloc(1000);
		hide(p);
		free(p);
	}
	return goes_on();
}
