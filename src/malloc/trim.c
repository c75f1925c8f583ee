/* SPDX-License-Identifier: MIT */
/*
 * What:  memory goes back because the program says so: malloc_trim and
 *        bm_reclaim empty every CPU's cache, every barn and every empty slab,
 *        and purge free pages; bm_compact chooses the slabs to be drained.
 * Door:  mm_drain(), mm_trim(), mm_reclaim(), mm_compact(), mm_move().
 * Locks: mm_drain() stops all slots; the rest is done with one.
 */
#include "malloc/mm.h"
#include "os/os.h"
#include "slab/middle.h"
#include "vma/call.h"

static uint64_t drains;		/* (all slots stopped) */
static uint64_t moved_bytes;	/* (A) */

uint64_t mm_drains(void)
{
	return READ_ONCE(drains);
}

uint64_t mm_moved_bytes(void)
{
	return READ_ONCE(moved_bytes);
}

static void plan(struct cache *cache, void *bytes)
{
	*(size_t *)bytes += cache_plan(cache);
}

/* planned: where the bytes go that a new plan promises; NULL: none is made. */
static void drain(size_t *planned)
{
	bool rows;

	/* Between fork's prepare and its end: the sheaves stay as they are. */
	if (percpu_stopped_here())
		return;
	middle_reset();
	rows = percpu_stop();
	drains++;
	/* Pages first become large blocks again: few calls then, and no stall. */
	WRITE_ONCE(balance.hold, 1);
	sheaves_drain(rows);
	caches_shrink();
	named_shrink();
	for (uint32_t i = 0; i < percpu.max_active; i++)
		if (percpu.slots[i].active)
			node_drain(&percpu.slots[i].pcp);
	WRITE_ONCE(balance.hold, 0);
	for (unsigned class = 1; planned && class < NR_CLASSES; class++)
		plan(&caches[class], planned);
	if (planned)
		named_each(plan, planned);
	percpu_start(mm_diverted());
}

void mm_drain(void)
{
	drain(NULL);
}

/* A pageblock at a time: others of this slot wait for no more than that. */
static void collapse(struct zone *zone)
{
	pfn_t at = zone->start;
	bool more = true;

	while (more) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);

		more = huge_collapse(zone, &at);
		slot_exit(slot);
	}
}

size_t mm_compact(void)
{
	size_t bytes = 0;

	if (!mm_enter())
		return 0;
	if (percpu_switch.started) {
		drain(&bytes);
		for (unsigned i = 0; i < nodes.nr_zones; i++)
			collapse(nodes.zones[i]);
	}
	mm_leave();
	return bytes;
}

void *mm_move(void *p)
{
	void *to = NULL;
	struct cache *cache;
	struct slot *slot;
	uint32_t nr;

	slot = mm_enter_slot(&nr);
	if (slot) {
		cache = slab_of(p)->slab.cache;
		to = slab_move(cache, &slot->pcp, p);
		if (to)
			__atomic_add_fetch(&moved_bytes, cache->size,
					   __ATOMIC_RELAXED);
		mm_leave_slot(slot);
	}
	return to;
}

static size_t purge(int nid, size_t npages)
{
	size_t done = 0;
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);

	for (unsigned i = 0; i < nodes.nr_zones && done < npages; i++)
		if (nid == NID_ANY || nodes.zones[i]->node == nid)
			done += zone_reclaim(nodes.zones[i], 0, npages - done);
	slot_exit(slot);
	return done;
}

static size_t thin(int nid, size_t npages)
{
	size_t done;
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);

	done = caches_thin(nid, npages);
	slot_exit(slot);
	return done;
}

size_t mm_reclaim(int nid, size_t npages, bool deep)
{
	size_t done = 0;

	if (!mm_enter())
		return 0;
	if (percpu_switch.started) {
		if (deep)
			mm_drain();
		done = purge(nid, npages);
		if (deep && done < npages)
			done += thin(nid, npages - done);
	}
	mm_leave();
	return done;
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
			pages += zone_reclaim(nodes.zones[i], 0, SIZE_MAX);
		}
		pages += caches_thin(NID_ANY, SIZE_MAX);
		for (unsigned i = 0; i < nodes.nr_zones; i++)
			zone_shrink(nodes.zones[i]);
		slot_exit(slot);
		pages += vma_release();
	}
	mm_leave();
	return pages != 0;
}
