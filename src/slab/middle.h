/* SPDX-License-Identifier: MIT */
/*
 * What:  of which kind blocks of the middle classes are, 32 to 128 KiB. A run
 *        of pages has no more than it needs, and when it is freed its pages
 *        serve any length: that costs least memory, and 200 to 1,000 ns. An
 *        object of a slab costs 10 to 100 ns; but what is free in a slab
 *        serves one class. So a class has runs until blocks of it come fast.
 * Door:  middle_has_objects(), before each block; middle_note(), with each run;
 *        middle_goes_on(), when there is no object at hand.
 * Locks: none. A block's map entry tells which it is (0: a run), so a class
 *        may turn at any time.
 * Example: 500 blocks of 32 to 128 KiB replaced at random, their ends written:
 *        1,100 ns and 50 MiB with runs, 250 and 40 with objects. But where all
 *        of each block is written, 40 MiB of them: 51 with runs, 64 with
 *        objects, for an eighth less time.
 */
#ifndef BM_SLAB_MIDDLE_H
#define BM_SLAB_MIDDLE_H

#include "base/bits.h"
#include "slab/class.h"

extern uint32_t middle_objects __attribute__((visibility("hidden"))); /* (A) */

static inline bool middle_has_objects(unsigned class)
{
	return READ_ONCE(middle_objects) >> (class - NR_SMALL) & 1;
}

void middle_note(unsigned class);
/* False: it has had objects for some seconds, and has runs from now on. */
bool middle_goes_on(unsigned class);
/* The caches were drained, or there is no memory for slabs: runs again. */
void middle_reset(void);

#endif
