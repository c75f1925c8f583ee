/* SPDX-License-Identifier: MIT */
/*
 * What:  per-CPU page lists: blocks of small orders in front of the zones, so
 *        that a slab or a small run comes and goes without a zone's lock.
 *        And a few runs of other lengths, as they were freed: a program that
 *        has a buffer of 70,000 bytes again and again gets the same one.
 * Door:  pcp_alloc(), pcp_free(), pcp_drain(). One struct pcp per slot.
 * Locks: the slot's (S); the zone's is taken once a batch.
 * Invariant: a block on a list is PAGE_PCP, its order and dirtiness in its
 *        descriptor; its zone counts it as used. A free that makes count
 *        more than high gives back a batch of the largest blocks.
 *        All blocks are of the CPU's own node, of its zones in the window.
 *        Runs are of Movable, dirty, and handed out again for exactly their
 *        length. When one is wanted that is not there, the two that have
 *        waited longest go to the zone: where lengths do not come again, none
 *        waits for long.
 * See:   the kernel's per-CPU pagesets, with their batch and high.
 */
#ifndef BM_ZONE_PCP_H
#define BM_ZONE_PCP_H

#include "zone/zone.h"

enum {
	PCP_ORDERS = 6,		/* 4 KiB to 128 KiB with 4K pages */
	PCP_RUNS = 16,
};

enum {
	PCP_ZONES = WINDOW_ZONES,
};

struct pcp {
	struct list blocks[PCP_ZONES][PCP_ORDERS];	/* (S) */
	size_t count;					/* (S) their pages */
	struct page *runs[PCP_RUNS];			/* (S) the oldest first */
	unsigned nr_runs;				/* (S) */
	size_t run_pages;				/* (S) */
	unsigned nid;					/* (C) the CPU's node */
};

/* Pages that a slot may hold: 128 KiB, and up to 512 where the zone is large. */
static inline size_t pcp_high(const struct zone *zone)
{
	return min_u64(KIB(512) >> topo.page_shift,
		       max_u64(KIB(128) >> topo.page_shift,
			       READ_ONCE(zone->used_pages) / 32));
}

/*
 * Pages of runs that a slot may hold: a sixteenth of what is in use, 256 KiB
 * to 2 MiB; where there are many CPUs less, so that all hold 16 MiB or an
 * eighth.
 */
static inline size_t pcp_high_runs(const struct zone *zone)
{
	size_t used = READ_ONCE(zone->used_pages);
	size_t most = min_u64(MIB(2) >> topo.page_shift,
			      max_u64(KIB(256) >> topo.page_shift, used / 16));

	return min_u64(most, max_u64(MIB(16) >> topo.page_shift, used / 8) /
				     max_u64(1, topo.cpus));
}

/* The order of a run that the lists serve, or PCP_ORDERS. */
static inline unsigned pcp_order(size_t npages)
{
	unsigned order = log2_ceil(npages);

	return is_pow2(npages) && order < PCP_ORDERS ? order : PCP_ORDERS;
}

/* As zone_alloc(): a PAGE_LARGE run of 1 << order pages, or NULL. */
struct page *pcp_alloc(struct pcp *pcp, struct zone *zone, unsigned order,
		       unsigned *kind);
void pcp_free(struct pcp *pcp, struct zone *zone, struct page *page,
	      unsigned order);
/* The same for runs of other lengths, of the node's Movable zone. */
struct page *pcp_alloc_run(struct pcp *pcp, struct zone *zone, size_t npages);
void pcp_free_run(struct pcp *pcp, struct zone *zone, struct page *page);
/* Forgets the blocks, of which a fork child knows not where they are. */
static inline void pcp_reset(struct pcp *pcp)
{
	unsigned nid = pcp->nid;

	*pcp = (struct pcp){ .nid = nid };
}

/* Every block goes back to its zone: zones[type]. */
void pcp_drain(struct pcp *pcp, struct zone *zones);

#endif
