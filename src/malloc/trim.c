/* SPDX-License-Identifier: MIT */
/*
 * malloc_trim: every CPU's cache, every barn, every empty slab and every free
 * page goes back. All slots stand still for the first part.
 */
#include "malloc/mm.h"
#include "os/os.h"
#include "vma/call.h"

void mm_drain(void)
{
	bool rows;

	/* Between fork's prepare and its end: the sheaves stay as they are. */
	if (percpu_stopped_here())
		return;
	rows = percpu_stop();
	/* Pages first become large blocks again: few calls then, and no stall. */
	WRITE_ONCE(balance.hold, 1);
	sheaves_drain(rows);
	caches_shrink();
	named_shrink();
	for (uint32_t i = 0; i < percpu.max_active; i++)
		if (percpu.slots[i].active)
			node_drain(&percpu.slots[i].pcp);
	WRITE_ONCE(balance.hold, 0);
	percpu_start(fork_diverted());
}

int mm_trim(void)
{
	size_t pages = 0;
	uint32_t nr;
	struct slot *slot;

	if (!mm_enter())
		return 0;
	if (percpu_switch.started) {
		mm_drain();
		slot = slot_enter(&nr);
		for (unsigned i = 0; i < nodes.nr_zones; i++) {
			resident_forget_peaks(nodes.zones[i]->resident);
			pages += zone_reclaim(nodes.zones[i], 0);
		}
		for (unsigned i = 0; i < nodes.nr_zones; i++)
			zone_shrink(nodes.zones[i]);
		slot_exit(slot);
		pages += vma_release();
	}
	mm_leave();
	return pages != 0;
}
