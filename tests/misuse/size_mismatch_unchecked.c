/* SPDX-License-Identifier: MIT */
/*
 * Without checking, a wrong size is not looked at.
 * conf: check:off
 * expect: goes on
 */
#include "misuse.h"

void bm_free_sized(void *, size_t);

int main(void)
{
	char *p = malloc(60);

	hide(p);
	bm_free_sized(p, 50);
	return goes_on();
}
