/* SPDX-License-Identifier: MIT */
/*
 * What:  the two short paths: malloc and free of a small block.
 * Door:  malloc_fast(), free_fast(); inlined into every entry point.
 * Locks: none: one restartable sequence each.
 * Cost:  see bench/instructions.sh; the test behind each is the only branch
 *        that is usually not taken.
 * See:   os/rseq.h for the sequences; malloc/slow.c for what is behind them.
 */
#ifndef BM_MALLOC_FAST_H
#define BM_MALLOC_FAST_H

#include "malloc/mm.h"

static always_inline void *malloc_fast(size_t size)
{
	unsigned class;
	void *p;

	/* size 0 wraps round and goes the slow way, to the first class */
	if (likely(size - 1 < FINE_MAX))
		class = class_fine[(size - 1) / 16];
	else if (likely(size - 1 < SMALL_MAX))
		class = class_coarse[(size - 1) / 128];
	else
		return malloc_slow(size);
	p = rseq_pop(class);
	return likely(p) ? p : malloc_slow(size);
}

/* False: not done; free_slow() knows what p is. */
static always_inline bool free_try(void *p)
{
	size_t unit = ((uintptr_t)p - window.base) >> UNIT_SHIFT;

	/* A large block's entry is 0: row 0 of a group, for which no top is there. */
	return likely(unit < window.nr_units) &&
	       likely(rseq_push(p, window.map[unit]));
}

static always_inline void free_fast(void *p)
{
	if (unlikely(!free_try(p)))
		free_slow(p);
}

/* Under check:on every push fails, so the size is looked at in the slow way. */
static always_inline void free_sized_fast(void *p, size_t size, bool aligned)
{
	if (unlikely(!free_try(p)))
		free_sized_slow(p, size, aligned);
}

#endif
