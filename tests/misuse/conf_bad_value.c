/* SPDX-License-Identifier: MIT */
/*
 * conf: rseq:x
 * expect: buddymalloc: BUDDYMALLOC_CONF: bad value 'x' for 'rseq' (auto|off|fake), ignored
 * expect: goes on
 */
#include "misuse.h"

int main(void)
{
	return goes_on();
}
