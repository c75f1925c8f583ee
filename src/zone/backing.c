/* SPDX-License-Identifier: MIT */
#include "zone/backing.h"

#include <string.h>

#include "conf/conf.h"
#include "os/numa.h"
#include "os/os.h"
#include "os/place.h"
#include "zone/hugetlb.h"

uint32_t *zone_era;

const char *zone_type_name(enum zone_type type)
{
	static const char *const names[] = {
		[ZONE_NORMAL] = "Normal", [ZONE_MOVABLE] = "Movable",
		[ZONE_DMA32] = "DMA32",	  [ZONE_DMA] = "DMA",
		[ZONE_DEVICE] = "Device",
	};

	return names[type];
}

const char *placement_name(enum placement placement)
{
	static const char *const names[] = {
		[PLACE_DEFAULT] = "default",
		[PLACE_NODE] = "node",
		[PLACE_INTERLEAVE] = "interleave",
		[PLACE_BY_POLICY] = "by policy",
		[PLACE_FIRST_TOUCH] = "first-touch",
	};

	return names[placement];
}

/* Callers hold the lock of node/special.c; others read zone_era only after. */
uint32_t zone_birth(void)
{
	static uint32_t eras;

	if (!zone_era) {
		uint32_t *word = os_map(page_bytes());

		if (!word)
			return 0;
		if (!os_wipe_on_fork(word, page_bytes())) {
			os_unmap(word, page_bytes());
			return 0;
		}
		zone_era = word;
	}
	if (!READ_ONCE(*zone_era))
		WRITE_ONCE(*zone_era, ++eras);
	return *zone_era;
}

size_t zone_lowmem_reserve(const struct zone *zone)
{
	if (zone->type < WINDOW_ZONES)
		return 0;
	return max_u64(MIB(4) >> topo.page_shift,
		       (READ_ONCE(zone->present) - zone->start) / 4);
}

size_t zone_lendable(const struct zone *zone)
{
	size_t free = READ_ONCE(zone->free_pages[CLEAN]) +
		      READ_ONCE(zone->free_pages[DIRTY]);
	size_t kept = zone_lowmem_reserve(zone);

	return free > kept ? free - kept : 0;
}

static bool interleave(void *addr, size_t bytes)
{
	uint64_t mask[OS_NODE_WORDS];

	memset(mask, 0, sizeof(mask));
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		unsigned id = READ_ONCE(topo.node_id[nid]);

		if (READ_ONCE(topo.allowed) >> nid & 1 && id < OS_NODES)
			mask[id / 64] |= (uint64_t)1 << id % 64;
	}
	return os_interleave(addr, bytes, mask);
}

static enum placement place(const struct zone *zone, void *addr, size_t bytes)
{
	uint64_t mask[OS_NODE_WORDS];

	if (topo.nodes == 1 || conf.numa == NUMA_OFF)
		return PLACE_DEFAULT;
	/* Where nothing is told of policy, none is set: the first touch is. */
	if (os_own_policy())
		return os_allowed_nodes(mask) ? PLACE_BY_POLICY
					      : PLACE_FIRST_TOUCH;
	if (conf.numa == NUMA_INTERLEAVE)
		return interleave(addr, bytes) ? PLACE_INTERLEAVE
					       : PLACE_FIRST_TOUCH;
	return os_prefer_node(addr, bytes, READ_ONCE(topo.node_id[zone->node]))
		       ? PLACE_NODE
		       : PLACE_FIRST_TOUCH;
}

void zone_place(struct zone *zone, pfn_t from, pfn_t to)
{
	WRITE_ONCE(zone->placement,
		   (uint8_t)place(zone, pfn_address(from),
				  (to - from) << topo.page_shift));
}

bool zone_commit(struct zone *zone, pfn_t from, pfn_t to)
{
	void *addr = pfn_address(from);
	size_t bytes = (to - from) << topo.page_shift;

	/* It never grows; a zone that is being made looks as if it could. */
	if (zone->type == ZONE_DEVICE ||
	    !pages_commit(zone->start, from, to))
		return false;
	zone_place(zone, from, to);
	/* Locked memory is never handed out unlocked. */
	if (zone->type == ZONE_DMA && !os_pin(addr, bytes)) {
		os_uncommit(addr, bytes);
		return false;
	}
	return conf.hugepages != HUGEPAGES_HUGETLB ||
	       hugetlb_commit(zone, from, to);
}
