/* SPDX-License-Identifier: MIT */
/*
 * conf: foo:bar
 * expect: buddymalloc: BUDDYMALLOC_CONF: unknown key 'foo', ignored
 * expect: goes on
 */
#include "misuse.h"

int main(void)
{
	return goes_on();
}
