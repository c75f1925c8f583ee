/* SPDX-License-Identifier: MIT */
/*
 * What:  whether a node's memory suffices for growth, so that a run comes from
 *        the next node in the list before the kernel takes it from there.
 * Locks: none. The figures are hints: threads that ask at once may each ask
 *        the kernel, and no more than that.
 * Why:   a page of the node's part of the window that the kernel puts on
 *        another node counts as local ever after. Better to take an address
 *        of the other node, which is known to lie there.
 */
#include "node/inside.h"

#include "conf/conf.h"
#include "os/nodemem.h"
#include "os/os.h"

enum {
	ASK_NS = 100000000,
	REFRESH_NS = 1000000000,
	LOOK_NS = 20000000,	/* at least between two looks for strays */
	LOOK_SHARE = 20,	/* and so many times what the last one took */
	CALM_NS = 2000000000,	/* so long after the last shortage */
};

/*
 * What stays for the kernel and for others: 1/64, at most 256 MiB, and the
 * node's share of what the kernel keeps free, half as much again, since it
 * takes pages of the next node long before it has to. (4 nodes of 512 MiB keep
 * 25 MiB each where there are huge pages.)
 */
static size_t reserve(unsigned nid)
{
	static size_t min_free;	/* (A) */
	size_t mib = READ_ONCE(topo.node_bytes[nid]) >> 20, share;

	if (!READ_ONCE(min_free))
		WRITE_ONCE(min_free, os_min_free() | 1);
	share = READ_ONCE(min_free) / (topo.ram_bytes >> 20 | 1) * mib;
	return (min_u64(MIB(mib) / 64, MIB(256)) + share * 3 / 2) >>
	       topo.page_shift;
}

/* Nodes that came later, and what a changed cpuset allows. */
static void refresh(uint64_t now)
{
	static uint64_t last;	/* (A) */
	uint64_t was = READ_ONCE(last);

	if (!was)
		WRITE_ONCE(last, now);
	else if (now - was > REFRESH_NS &&
		 __atomic_compare_exchange_n(&last, &was, now, false,
					     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		nodes_refresh();
}

/* Pages of the last growth that hold no memory yet will want some. */
static size_t promised(const struct zone *zone)
{
	size_t step = (READ_ONCE(zone->present) - zone->start) / 64 +
		      ((size_t)1 << topo.pageblock_order);

	return min_u64(step, READ_ONCE(zone->free_pages[CLEAN]));
}

static void ask(struct node *node, unsigned nid, uint64_t now)
{
	size_t free;

	refresh(now);
	WRITE_ONCE(node->room.asked, now);
	WRITE_ONCE(node->room.grown, 0);
	free = os_node_free(conf_sysfs(), READ_ONCE(topo.node_id[nid])) >>
	       topo.page_shift;
	for (unsigned type = 0; type < WINDOW_ZONES; type++)
		free -= min_u64(free, promised(&node->zones[type]));
	WRITE_ONCE(node->room.free, free);
}

bool node_has_room(unsigned nid, size_t npages)
{
	struct node *node = node_of(nid);
	size_t grown = READ_ONCE(node->room.grown), free;
	uint64_t now;

	/* Else the pages lie anywhere, and the node's memory says nothing. */
	if (conf.numa != NUMA_LOCAL)
		return true;
	now = os_now();

	if (now - READ_ONCE(node->room.asked) > ASK_NS ||
	    grown > MIB(64) >> topo.page_shift) {
		ask(node, nid, now);
		grown = 0;
	}
	free = READ_ONCE(node->room.free);
	if (free < reserve(nid) || free - reserve(nid) < grown ||
	    free - reserve(nid) - grown < npages) {
		WRITE_ONCE(node->room.short_at, now);
		return false;
	}
	__atomic_add_fetch(&node->room.grown, npages, __ATOMIC_RELAXED);
	return true;
}

void node_call_home(unsigned nid)
{
	struct node *node = node_of(nid);
	uint64_t short_at = READ_ONCE(node->room.short_at), was, now;

	if (likely(!short_at))
		return;
	now = os_now();
	was = READ_ONCE(node->room.look_at);
	if (now < was ||
	    !__atomic_compare_exchange_n(&node->room.look_at, &was,
					 now + CALM_NS, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	if (now - short_at > CALM_NS)
		WRITE_ONCE(node->room.short_at, 0);
	for (unsigned type = 0; type < WINDOW_ZONES; type++)
		if (node->zones[type].placement == PLACE_NODE)
			zone_drop_strays(&node->zones[type],
					 READ_ONCE(topo.node_id[nid]));
	was = os_now();
	WRITE_ONCE(node->room.look_at,
		   was + max_u64(LOOK_NS, LOOK_SHARE * (was - now)));
}
