/* SPDX-License-Identifier: MIT */
/*
 * malloc_trim: every CPU's cache, every barn, every empty slab and every free
 * page goes back. All slots stand still for the first part.
 */
#include "malloc/mm.h"

int mm_trim(void)
{
	size_t pages = 0;
	uint32_t nr;
	struct slot *slot;

	if (!mm_enter())
		return 0;
	if (percpu_switch.started) {
		bool rows = percpu_stop();

		sheaves_drain(rows);
		caches_shrink();
		for (uint32_t i = 0; i < percpu.max_active; i++)
			if (percpu.slots[i].active)
				node_drain(0, &percpu.slots[i].pcp);
		percpu_start(fork_diverted());
		slot = slot_enter(&nr);
		for (unsigned i = 0; i < nodes.nr_zones; i++) {
			zone_forget_peaks(nodes.zones[i]);
			pages += zone_reclaim(nodes.zones[i], 0);
		}
		for (unsigned i = 0; i < nodes.nr_zones; i++)
			zone_shrink(nodes.zones[i]);
		slot_exit(slot);
	}
	mm_leave();
	return pages != 0;
}
