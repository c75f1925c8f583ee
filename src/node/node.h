/* SPDX-License-Identifier: MIT */
/*
 * What:  a NUMA node: its zones and the order in which they are tried.
 * Door:  node_init(); node_alloc() and node_free() for runs of pages.
 * Locks: those of the zones.
 * Invariant: zone_of() is arithmetic: the window is cut into zones of equal
 *        size, a power of two of pages (the last may be cut short). With one node of 1 TiB and two zone
 *        types, zone_shift is 27 (512 GiB of 4K pages): the page 2^27 + 5 is
 *        in zones[1], Movable.
 * See:   the kernel's pg_data_t and zonelists.
 */
#ifndef BM_NODE_NODE_H
#define BM_NODE_NODE_H

#include "zone/pcp.h"

struct node {
	struct zone zones[NR_ZONE_TYPES];
	struct zone *zonelist[NR_ZONE_TYPES][NR_ZONE_TYPES];	/* (C) */
};

enum { NODES_MAX = 64 };

struct nodes {
	unsigned zone_shift;		/* (C) */
	unsigned nr_nodes;		/* (C) */
	unsigned nr_zones;		/* (C) nodes x zone types */
	struct zone *zones[ZONES_MAX];	/* (C) by place in the window */
};

extern struct nodes nodes __attribute__((visibility("hidden")));

/* Lays the zones into the window; memory for the nodes comes from os_map(). */
bool nodes_init(void);

/*
 * From the zone of the type, else the node's others: see zone_alloc(). Small
 * runs pass through the page lists of the caller's slot (NULL: they do not).
 */
struct page *node_alloc(unsigned nid, enum zone_type type, size_t npages,
			size_t align, struct pcp *pcp, unsigned *kind);
void node_free(struct page *page, struct pcp *pcp);
void node_drain(unsigned nid, struct pcp *pcp);

static always_inline struct zone *zone_of(pfn_t pfn)
{
	return nodes.zones[pfn >> nodes.zone_shift];
}

/* True when the page's descriptor may be read. */
static inline bool pfn_present(pfn_t pfn)
{
	struct zone *zone;

	if (pfn >= window.nr_pages)
		return false;
	zone = zone_of(pfn);
	return zone && pfn >= zone->start && pfn < READ_ONCE(zone->present);
}

#endif
