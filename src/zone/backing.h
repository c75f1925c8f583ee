/* SPDX-License-Identifier: MIT */
/*
 * What:  what stands behind a zone's pages, by its type: how they become
 *        usable, on which node, and whether they can be given back one by one.
 * Door:  zone_commit() for growth, zone_place() after a mapping was renewed.
 * Locks: zone_commit() is called under grow_lock, zone_place() under none of
 *        the zone's; both make system calls.
 * Invariant: memory policy is only ever a preference, and only where there are
 *        several nodes, the option numa wants it, and the growing thread has
 *        none of its own: numactl, cpusets and set_mempolicy win.
 *        The pages of a zone with a birth belong to the process that made it:
 *        a fork child has them not (DMA), or shares them (DEVICE). There the
 *        zone is gone: nothing comes from it, what is freed is left alone.
 *        Example: a parent makes a DMA zone, birth 1, and the word is 1. A
 *        child finds the word wiped: 0 is not 1. Its own zones get birth 2.
 */
#ifndef BM_ZONE_BACKING_H
#define BM_ZONE_BACKING_H

#include "page/extra.h"
#include "zone/zone.h"

/* (A) Wiped in a fork child; NULL: no zone has a birth. */
extern uint32_t *zone_era __attribute__((visibility("hidden")));

static inline bool zone_gone(const struct zone *zone)
{
	return unlikely(zone->birth) && zone->birth != READ_ONCE(*zone_era);
}

/* The birth for a new zone; 0: the kernel cannot wipe the word. */
uint32_t zone_birth(void);

/* Dropping a page's memory makes it read as zeros again, and harms nobody. */
static inline bool zone_purges(const struct zone *zone)
{
	return likely(zone->type < ZONE_DMA &&
		      READ_ONCE(zone->pool_to) <= zone->start);
}

/*
 * Zones grow and shrink by 2 MiB, locked memory by what is asked for: 64 KiB.
 * A pageblock may be much more (32 MiB with pages of 16 KiB), and what is
 * present and unused stands in core dumps and in the overcommit charge.
 */
static inline pfn_t zone_step(const struct zone *zone)
{
	size_t bytes = zone->type == ZONE_DMA
			       ? (size_t)1 << UNIT_SHIFT
			       : min_u64(MIB(2), pageblock_bytes());

	return bytes >> topo.page_shift;
}

/*
 * Pageblocks by what lies in them: nothing, slabs (or what may not move), large
 * blocks, both. Takes the zone's lock for a walk: for views.
 */
struct pageblocks {
	size_t nr[4];
};
enum { BLOCKS_FREE, BLOCKS_UNMOVABLE, BLOCKS_MOVABLE, BLOCKS_MIXED };
void zone_pageblocks(struct zone *zone, struct pageblocks *out);

const char *zone_type_name(enum zone_type type);
const char *placement_name(enum placement placement);

/* Makes [from, to) usable. False: refused, and all is as it was. */
bool zone_commit(struct zone *zone, pfn_t from, pfn_t to);
/* Tells the kernel on which node the pages are to be. */
void zone_place(struct zone *zone, pfn_t from, pfn_t to);

#endif
