/* SPDX-License-Identifier: MIT */
/*
 * A program that limits its own address space, or locks all of it, means what
 * it uses. So the unused part of the window goes back first; what is kept lets
 * the heap grow into half of what the limit leaves.
 */
#include "malloc/mm.h"
#include "os/os.h"
#include "vma/call.h"

static size_t unused_bytes(void)
{
	size_t pages = 0;

	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *zone = nodes.zones[i];

		pages += zone->end - READ_ONCE(zone->present) + zone->start -
			 zone->origin;
	}
	return pages << topo.page_shift;
}

/* limit: the coming RLIMIT_AS; 0: none, keep a little. */
void mm_give_address_space(size_t limit)
{
	size_t used, unused, keep = MIB(64);
	struct slot *slot;
	uint32_t nr;

	if (!mm_enter())
		return;
	if (percpu_switch.started) {
		vma_serve_stop();
		slot = slot_enter(&nr);
		percpu_cut();
		nodes_cut();
		if (limit) {
			used = os_address_space_used();
			unused = unused_bytes();
			used -= min_u64(used,
					unused + (unused >> PAGE_DESC_SHIFT));
			keep = limit > used ? (limit - used) / 2 : 0;
		}
		for (unsigned i = 0; i < nodes.nr_zones; i++)
			zone_cut(nodes.zones[i],
				 (keep / nodes.nr_zones) >> topo.page_shift);
		slot_exit(slot);
	}
	mm_leave();
}
