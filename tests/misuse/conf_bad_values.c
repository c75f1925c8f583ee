/* SPDX-License-Identifier: MIT */
/*
 * conf: foreign:x,stats:yes,check:2,debug:on
 * expect: buddymalloc: BUDDYMALLOC_CONF: bad value 'x' for 'foreign' (abort|libc|ignore), ignored
 * expect: buddymalloc: BUDDYMALLOC_CONF: bad value 'yes' for 'stats' (off|exit|json|views), ignored
 * expect: buddymalloc: BUDDYMALLOC_CONF: bad value '2' for 'check' (off|on), ignored
 * expect: buddymalloc: BUDDYMALLOC_CONF: bad value 'on' for 'debug' (off|boot), ignored
 * expect: goes on
 */
#include "misuse.h"

int main(void)
{
	return goes_on();
}
