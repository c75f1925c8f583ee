/* SPDX-License-Identifier: MIT */
/*
 * What:  zonelists: for each node and each type that is asked for, all zones
 *        that may serve, by distance of their nodes and then by type.
 * Locks: (E) for building; readers take none. There are two sets of lists,
 *        and the one that is not read is written. A reader that sleeps while
 *        both are written may read a mixture: each place that counts holds a
 *        zone that may serve all the same, and at worst it misses one.
 * Example: nodes 0 and 1, one DMA32 window on node 0. What node 1 tries for
 *        Movable: Movable 1, Normal 1, Movable 0, Normal 0, DMA32 0; the
 *        first two are its own. For Normal it is Normal 1, Movable 1, Normal
 *        0, Movable 0: slabs need map entries, so they stay in the window.
 *        (Those in Movable ask with GFP_WINDOW.)
 * See:   the kernel's build_zonelists().
 */
#include <string.h>

#include "node/inside.h"

enum { SETS = 2 };

/* What may serve a type, in this order; the list ends with a repetition. */
static const uint8_t serve[NR_ZONE_TYPES][3] = {
	[ZONE_NORMAL] = { ZONE_NORMAL, ZONE_MOVABLE, ZONE_MOVABLE },
	[ZONE_MOVABLE] = { ZONE_MOVABLE, ZONE_NORMAL, ZONE_DMA32 },
	[ZONE_DMA32] = { ZONE_DMA32, ZONE_DMA32, ZONE_DMA32 },
	[ZONE_DMA] = { ZONE_DMA, ZONE_DMA, ZONE_DMA },
	[ZONE_DEVICE] = { ZONE_DEVICE, ZONE_DEVICE, ZONE_DEVICE },
};

/* A list can hold every zone that there may ever be. */
static size_t list_bytes(void)
{
	return align_up(sizeof(struct zonelist) + topo.nodes * WINDOW_ZONES +
				EXTRAS_MAX,
			8);
}

size_t zonelists_bytes(void)
{
	return SETS * NR_ZONE_TYPES * list_bytes();
}

static struct zonelist *list_at(const struct node *node, unsigned set,
				enum zone_type want)
{
	return (struct zonelist *)(node->lists +
				   (set * NR_ZONE_TYPES + want) *
					   list_bytes());
}

const struct zonelist *zonelist_of(const struct node *node,
				   enum zone_type want)
{
	return list_at(node, load_acquire(&node->lists_at), want);
}

/*
 * A node without memory, or whose memory we may not use, has a part of the
 * window all the same, for when that changes.
 */
static bool usable(unsigned nid)
{
	uint64_t allowed = READ_ONCE(topo.allowed);

	return topo.nodes == 1 || !allowed || allowed >> nid & 1;
}

/* A list that is being made: n zones so far. */
static unsigned add(struct zonelist *list, unsigned n, unsigned at)
{
	const struct zone *zone = nodes.zones[at];

	if (zone->end <= zone->start || zone_gone(zone))
		return n;
	WRITE_ONCE(list->zones[n], (uint8_t)at);
	return n + 1;
}

static unsigned add_node(struct zonelist *list, unsigned n, unsigned nid,
			 enum zone_type want)
{
	for (unsigned i = 0; i < 3; i++) {
		unsigned type = serve[want][i], at;

		if (i && type == serve[want][i - 1])
			break;
		if (type < WINDOW_ZONES) {
			at = nid * WINDOW_ZONES + type;
			if (usable(nid))
				n = add(list, n, at);
			continue;
		}
		for (at = nodes.nr_window_zones; at < nodes.nr_zones; at++)
			if (nodes.zones[at]->type == type &&
			    nodes.zones[at]->node == nid)
				n = add(list, n, at);
	}
	return n;
}

static void build(const struct node *node, unsigned nid, unsigned set,
		  enum zone_type want)
{
	struct zonelist *list = list_at(node, set, want);
	uint64_t left = UINT64_MAX >> (64 - topo.nodes);
	unsigned at = nid, n = add_node(list, 0, nid, want);

	store_release(&list->nr_local, (uint8_t)n);
	left &= ~((uint64_t)1 << nid);
	/* All of a node that has no memory of its own leans on one other. */
	if (!usable(nid) && topo_home(nid) != nid)
		at = topo_home(nid);
	else if (left)
		at = topo_nearest(nid, left);
	for (; left; at = topo_nearest(nid, left)) {
		n = add_node(list, n, at, want);
		left &= ~((uint64_t)1 << at);
	}
	store_release(&list->nr, (uint8_t)n);
}

void zonelists_build(void)
{
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct node *node = node_of(nid);
		unsigned set = !node->lists_at;

		for (unsigned want = 0; want < NR_ZONE_TYPES; want++)
			build(node, nid, set, want);
		store_release(&node->lists_at, set);
	}
}
