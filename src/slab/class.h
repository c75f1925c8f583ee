/* SPDX-License-Identifier: MIT */
/*
 * What:  size classes: 16-byte steps to 128, then four a doubling to 32 KiB,
 *        and from 1 KiB on one more just above each power of two: buffers are
 *        powers of two and a header, a page of a database 4,096 bytes and one.
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
	NR_CLASSES = 46,	/* 1..45 */
	CLASS_NAMED = 127,	/* a slab of a cache of its own (slab/named.h) */
	CLASS_MASK = 127,	/* of a map entry: its CLASS_BITS */
	SMALL_MAX = 32768,
	FINE_MAX = 1024,	/* looked up by 16 bytes, above by 128 */
};

extern const uint16_t class_sizes[NR_CLASSES]
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

#endif
