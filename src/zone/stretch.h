/* SPDX-License-Identifier: MIT */
/*
 * What:  stretches of free blocks, whatever their orders: a run of 75 pages
 *        that was freed may have become blocks of 1, 2, 64 and 8.
 * Door:  stretch_find_locked() for a place where a run fits tightly;
 *        stretch_mark() by buddy.c whenever a block is free, or no more.
 * Locks: the zone's (Z).
 * Invariant: the free map has a bit for each page of the window, set while the
 *        page lies in a free block. So how long the stretch around a block is
 *        is told by a few words of it.
 *        A zone keeps its part from the first search on: most processes have
 *        no zone that was ever searched, and nothing of the map in memory.
 *        Example: of pages 0 to 63 the bits 0x00ff00f0 are set. A block at
 *        page 16 is in the stretch of 8 that ends before page 24.
 * Cost:  a search looks at 16 blocks of a list, of two orders (or, of clean
 *        ones, all larger orders too); 40 instructions each.
 */
#ifndef BM_ZONE_STRETCH_H
#define BM_ZONE_STRETCH_H

#include "zone/zone.h"

void stretch_set(pfn_t pfn, unsigned order, bool free);
static inline void stretch_mark(const struct zone *zone, pfn_t pfn,
				unsigned order, bool free)
{
	if (unlikely(zone->is_mapped))
		stretch_set(pfn, order, free);
}

/* The page is in no free block: a bit tells, where its descriptor is a miss. */
static inline bool stretch_is_used(const struct zone *zone, pfn_t pfn)
{
	return zone->is_mapped &&
	       !(window.free_map[pfn / 64] >> pfn % 64 & 1);
}

/*
 * Where npages free pages begin, at a multiple of align pages, in a stretch
 * around a block of the kinds from first to last. False: in none that a search
 * has seen. The first page need not be a block's.
 */
bool stretch_find_locked(struct zone *zone, size_t npages, size_t align,
			 unsigned first, unsigned last, pfn_t *run);

#endif
