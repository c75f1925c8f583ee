/* SPDX-License-Identifier: MIT */
/*
 * foreign:ignore: free does nothing, the program goes on.
 * conf: foreign:ignore
 * expect: goes on
 */
#include "misuse.h"

static char mine[1000];

int main(void)
{
	char *p = mine + 16, *q;

	hide(p);
	memset(mine, 7, sizeof(mine));
	free(p);
	if (mine[20] != 7)
		return 1;
	q = malloc(100);
	hide(q);
	free(q);
	return goes_on();
}
