/* SPDX-License-Identifier: MIT */
/*
 * What:  a NUMA node: its zones and the order in which all zones are tried.
 * Door:  nodes_init(); node_alloc() and node_free() for runs of pages;
 *        nodes_rebuild() when nodes have changed; zone_add_memory() for
 *        memory that the program brings.
 * Locks: those of the zones; one for changes of the lists and the extra
 *        windows (E, a LOCK_GROW, node/special.c), which readers do not take.
 * Invariant: zone_of() is arithmetic: the window is cut into zones of equal
 *        size, a power of two of pages (the last may be cut short). With one
 *        node of 1 TiB and two zone types in the window, zone_shift is 27
 *        (512 GiB of 4K pages): the page 2^27 + 5 is in zones[1], Movable.
 *        Only pages of extra windows ask a table.
 *        zones[] has the window's zones by place, then one for each extra
 *        window. It only grows, and an entry is never NULL again.
 * See:   the kernel's pg_data_t; zonelist.c, room.c and special.c here.
 */
#ifndef BM_NODE_NODE_H
#define BM_NODE_NODE_H

#include "node/gfp.h"
#include "page/extra.h"
#include "zone/backing.h"
#include "zone/pcp.h"

enum {
	/* The end of a window that is no power of two has places, no zones. */
	ZONES_MAX = 2 * NODES_MAX * WINDOW_ZONES,
};

/*
 * A zonelist: places in nodes.zones[], in the order in which they are tried;
 * the first nr_local are the node's own, all that GFP_THISNODE may take.
 */
struct zonelist {
	uint8_t nr, nr_local;
	uint8_t zones[];
};

struct node {
	struct zone zones[WINDOW_ZONES];
	struct resident resident;	/* of its zones together */
	struct {
		uint64_t asked;		/* (A) when, in nanoseconds */
		size_t free;		/* (A) pages, as the kernel said */
		size_t grown;		/* (A) pages since then */
		uint64_t short_at;	/* (A) when it had too little; 0: never */
		uint64_t look_at;	/* (A) no look for strays before */
	} room;
	uint32_t lists_at;		/* (A) the half of lists[] that counts */
	uint8_t lists[] aligned_to(8);	/* (A) see zonelist.c */
};

struct nodes {
	unsigned zone_shift;		/* (C) */
	unsigned nr_nodes;		/* (C) */
	unsigned nr_window_zones;	/* (C) nodes x types in the window */
	unsigned nr_zones;		/* (A) and those of extra windows */
	struct zone *zones[ZONES_MAX];	/* (A) by place in the window; extra */
};

extern struct nodes nodes __attribute__((visibility("hidden")));
extern struct node *node_data[NODES_MAX] __attribute__((visibility("hidden")));

static inline struct node *node_of(unsigned nid)
{
	return node_data[nid];
}

/* The address space that the nodes of this machine want. */
size_t nodes_window_bytes(void);
/* Lays the zones into the window; memory for the nodes comes from os_map(). */
bool nodes_init(void);
/* Zonelists anew: nodes have come or gone, or memory was added. */
void nodes_rebuild(void);
/* Reads the machine again, for what came or went since. A slot is held. */
void nodes_refresh(void);
/* In a fork child, where pinned memory is not: nothing else may lie there. */
void nodes_child(void);
/* Address space that is kept for extra windows goes back to the process. */
void nodes_cut(void);
/* In a child of _Fork, which may have copied locks that are held. */
void nodes_recover(void);

/*
 * By the zonelist of the node and the flags: see zone_alloc(). Small runs pass
 * through the page lists of the caller's slot (NULL: they do not). NULL: there
 * is none. What the memory holds is told by *kind; GFP_ZERO and GFP_NOFAIL are
 * the caller's to honour.
 */
struct page *node_alloc(unsigned nid, unsigned gfp, size_t npages,
			size_t align, struct pcp *pcp, unsigned *kind);
void node_free(struct page *page, struct pcp *pcp);
/* The page lists of a slot go back to their zones. */
void node_drain(struct pcp *pcp);

/*
 * The program's memory becomes pages of the node's device zone: mapped,
 * readable and writable, addr and bytes multiples of the page size. A fork
 * child may read what lies there, and allocates none of it.
 */
bool zone_add_memory(unsigned nid, void *addr, size_t bytes);
/* False: it was not added so, or a page of it is in use. */
bool zone_remove_memory(void *addr);

static always_inline struct zone *zone_of(pfn_t pfn)
{
	if (unlikely(pfn >= window.nr_pages))
		return extra_of_pfn(pfn)->zone;
	return nodes.zones[pfn >> nodes.zone_shift];
}

static inline unsigned page_node(const struct page *page)
{
	return zone_of(pfn_of(page))->node;
}

/* True when the page's descriptor may be read. */
static inline bool pfn_present(pfn_t pfn)
{
	const struct extra *extra;
	const struct zone *zone;

	if (likely(pfn < window.nr_pages)) {
		zone = zone_of(pfn);
	} else {
		extra = pfn == PFN_NONE ? NULL : extra_of_pfn(pfn);
		zone = extra ? extra->zone : NULL;
	}
	return zone && pfn >= zone->start && pfn < READ_ONCE(zone->present);
}

/* Whether p lies in a present page of an extra window. */
static inline bool extra_owns(const void *p)
{
	return READ_ONCE(nr_extras) && pfn_present(extra_pfn_of(p));
}

#endif
