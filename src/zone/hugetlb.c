/* SPDX-License-Identifier: MIT */
#include "zone/hugetlb.h"

#include "os/numa.h"
#include "os/os.h"
#include "topo/sysfs.h"
#include "zone/backing.h"

static size_t held;	/* (A) pages of all zones */

size_t hugetlb_pages(void)
{
	return READ_ONCE(held);
}

/* The zone's node, if others have pools too and its own is to be used. */
static int node_of_pool(const struct zone *zone)
{
	return zone->placement == PLACE_NODE
		       ? (int)READ_ONCE(topo.node_id[zone->node])
		       : -1;
}

/*
 * Made elsewhere, then put in place: until it is there, nothing is lost. False,
 * and *hole: what was in place is gone and could not be mended.
 */
static bool fill(struct zone *zone, pfn_t pfn, size_t npages, bool *hole)
{
	size_t bytes = npages << topo.page_shift;
	int node = node_of_pool(zone);
	void *p = os_hugetlb_map(bytes, pageblock_bytes());

	if (!p)
		return false;
	if ((node < 0 || os_bind_node(p, bytes, (unsigned)node)) &&
	    os_populate(p, bytes)) {
		if (os_put(p, pfn_address(pfn), bytes))
			return true;
		*hole = !os_refresh(pfn_address(pfn), bytes);
	}
	os_unmap(p, bytes);
	return false;
}

bool hugetlb_commit(struct zone *zone, pfn_t from, pfn_t to)
{
	size_t block = (size_t)1 << topo.pageblock_order, n, spare;
	size_t has = READ_ONCE(held) >> topo.pageblock_order;
	bool hole = false;

	if (zone->type >= WINDOW_ZONES || from != zone->pool_to ||
	    from & (block - 1))
		return true;
	spare = sysfs_hugetlb_spare(pageblock_bytes(), node_of_pool(zone));
	spare = spare > has ? (spare - has) / 2 : 0;
	n = min_u64((to - from) >> topo.pageblock_order, spare);
	while (n && !hole &&
	       !fill(zone, from, n << topo.pageblock_order, &hole))
		n /= 2;
	n <<= topo.pageblock_order;
	WRITE_ONCE(zone->pool_to, from + n);
	__atomic_add_fetch(&held, n, __ATOMIC_RELAXED);
	return !hole;
}

void hugetlb_shrunk(struct zone *zone)
{
	if (zone->pool_to <= zone->present)
		return;
	__atomic_sub_fetch(&held, zone->pool_to - zone->present,
			   __ATOMIC_RELAXED);
	WRITE_ONCE(zone->pool_to, zone->present);
}
