/* SPDX-License-Identifier: MIT */
/*
 * What:  size classes: 16-byte steps to 128, then four a doubling to 128 KiB,
 *        and from 1 to 32 KiB one more just above each power of two: buffers
 *        are powers of two and a header, a page of a database 4,096 bytes and
 *        one. Up to 32 KiB a block is always an object; of the middle classes
 *        above only where blocks of them come and go fast (slab/middle.h).
 * Door:  class_of() for the fast path, class_bytes() for everybody else.
 * Invariant: class 0 is no class. Waste is at most 15 bytes up to 128, and at
 *        most 1/5 above.
 *        Example: 900 bytes are of class size 1,024, 4,360 of 4,608.
 * Cost:  one table look-up (clz arithmetic cost 13 % of a malloc).
 */
#ifndef BM_SLAB_CLASS_H
#define BM_SLAB_CLASS_H

#include "base/bits.h"

enum {
	NR_SMALL = 46,		/* 1..45, to SMALL_MAX */
	NR_CLASSES = 54,	/* 46..53 are middle ones, to MIDDLE_MAX */
	/* NR_CLASSES to 126 are a named cache's each, while it lives; */
	CLASS_NAMED = 127,	/* all others' (slab/named.h) */
	CLASS_MASK = 127,	/* of a map entry: its CLASS_BITS */
	SMALL_MAX = 32768,
	MIDDLE_MAX = 131072,
	FINE_MAX = 1024,	/* looked up by 16 bytes, above by 128 */
};

extern const uint32_t class_sizes[NR_CLASSES]
	__attribute__((visibility("hidden")));
extern uint8_t class_fine[FINE_MAX / 16]
	__attribute__((visibility("hidden")));
extern uint8_t class_coarse[SMALL_MAX / 128]
	__attribute__((visibility("hidden")));

void classes_init(void);

static inline size_t class_bytes(unsigned class)
{
	return class_sizes[class];
}

/* The class of 1 <= size <= SMALL_MAX. */
static always_inline unsigned class_of(size_t size)
{
	return size <= FINE_MAX ? class_fine[(size - 1) / 16]
				: class_coarse[(size - 1) / 128];
}

static inline bool class_is_middle(unsigned class)
{
	return class >= NR_SMALL && class < NR_CLASSES;
}

/* The class of SMALL_MAX < size <= MIDDLE_MAX: four a doubling. */
static inline unsigned class_of_middle(size_t size)
{
	unsigned log = log2_floor(size - 1);

	return NR_SMALL + (log - log2_floor(SMALL_MAX)) * 4 +
	       ((size - 1) >> (log - 2) & 3);
}

#endif
