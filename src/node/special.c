/* SPDX-License-Identifier: MIT */
/*
 * What:  zones outside of the window: DMA32 and DMA, made when they are first
 *        asked for, and device memory, which the program brings.
 * Door:  special_prepare(), zone_add_memory(), zone_remove_memory(),
 *        nodes_rebuild().
 * Locks: extra_lock (E) for all changes; a zone's own below it.
 * Invariant: a zone is one range of addresses. A node with three ranges of
 *        device memory has three zones of the type, which stand one behind
 *        the other in its lists. An entry of the table keeps its zone and
 *        its type for ever, so an old zonelist never leads to other pages.
 */
#include <string.h>

#include "node/inside.h"
#include "os/numa.h"
#include "os/os.h"
#include "os/place.h"

enum {
	NODE_WINDOWS_MAX = 4,	/* of one type, made for one node */
	REFUSED_NS = 100000000,
};

static struct lock extra_lock;	/* LOCK_GROW */
/* (E) By type: so much address space was refused, and is not asked for before. */
static struct {
	size_t npages;
	uint64_t until;
} refused[NR_ZONE_TYPES];

static struct zone *zone_at(unsigned entry)
{
	unsigned at = nodes.nr_window_zones + entry;

	return at < READ_ONCE(nodes.nr_zones) ? nodes.zones[at] : NULL;
}

/* An entry for a zone of the type, with a zone that has no pages; -1: none. */
static int take_entry(enum zone_type type)
{
	struct zone *zone;
	unsigned i;

	for (i = 0; i < EXTRAS_MAX && (zone = zone_at(i)); i++)
		if (zone->type == type && !extras[i].pages)
			return (int)i;
	if (i == EXTRAS_MAX)
		return -1;
	zone = os_map(align_up(sizeof(*zone), page_bytes()));
	if (!zone)
		return -1;
	zone->type = (uint8_t)type;
	zone->name = zone_type_name(type);
	extras[i].zone = zone;
	nodes.zones[nodes.nr_window_zones + i] = zone;
	store_release(&nodes.nr_zones, nodes.nr_window_zones + i + 1);
	return (int)i;
}

/* Makes a zone of the address space; pages are the caller's to give. */
static struct zone *make_zone(unsigned nid, enum zone_type type, void *addr,
			      size_t bytes)
{
	uint32_t birth = type == ZONE_DMA32 ? 0 : zone_birth();
	struct extra *extra;
	int i;

	if (type != ZONE_DMA32 && !birth)
		return NULL;
	i = take_entry(type);
	extra = i < 0 ? NULL : &extras[i];
	if (!extra || !extra_add(extra, addr, bytes))
		return NULL;
	lock(&extra->zone->lock, LOCK_ZONE);
	extra->zone->alone.nr_zones = 0;
	zone_init(extra->zone, nid, type, extra->first,
		  extra->first + extra->pages);
	extra->zone->birth = birth;
	unlock(&extra->zone->lock, LOCK_ZONE);
	return extra->zone;
}

/* The first of so many bytes in a reservation that is a pageblock too long. */
static void *reserve_aligned(size_t bytes)
{
	size_t block = pageblock_bytes(), before;
	char *p = os_reserve(bytes + block);

	if (!p)
		return NULL;
	before = align_up((uintptr_t)p, block) - (uintptr_t)p;
	if (before)
		os_unmap(p, before);
	if (block - before)
		os_unmap(p + before + bytes, block - before);
	return p + before;
}

static void *reserve(enum zone_type type, size_t bytes)
{
	return type == ZONE_DMA32
		       ? os_reserve_below(bytes, pageblock_bytes(), GIB(4))
		       : reserve_aligned(bytes);
}

/*
 * A gibibyte, shared by the nodes, or what the run takes; where that cannot be
 * had, half and half again as long as the run still fits.
 */
static bool make_window(unsigned nid, enum zone_type type, size_t npages)
{
	size_t least = align_up(npages << topo.page_shift, pageblock_bytes());
	size_t bytes = max_u64(GIB(1) >> log2_ceil(topo.nodes), MIB(64));

	for (bytes = max_u64(bytes, least);; bytes = max_u64(bytes / 2, least)) {
		void *addr = reserve(type, bytes);

		if (addr && make_zone(nid, type, addr, bytes))
			return true;
		if (addr)
			os_unmap(addr, bytes);
		if (bytes <= least || bytes <= MIB(4))
			return false;
	}
}

/*
 * In a fork child: where the parent's locked memory was, there is a hole. What
 * were mapped there would look like a block of the zone that is gone.
 */
void nodes_child(void)
{
	if (!zone_era || READ_ONCE(*zone_era))
		return;
	for (unsigned i = 0; i < nr_extras; i++) {
		const struct zone *zone = extras[i].zone;

		if (zone->type == ZONE_DMA && zone_gone(zone))
			os_reserve_at(pfn_address(zone->start),
				      (zone->present - zone->start)
					      << topo.page_shift);
	}
}

/* Present or not yet grown: a zone that may have the run. */
static bool may_serve(const struct zone *zone, size_t npages)
{
	size_t free = READ_ONCE(zone->free_pages[CLEAN]) +
		      READ_ONCE(zone->free_pages[DIRTY]);

	return free >= npages || zone->end - READ_ONCE(zone->present) >= npages;
}

static bool served(unsigned nid, enum zone_type type, size_t npages,
		   unsigned *made)
{
	const struct zone *zone;

	*made = 0;
	for (unsigned i = 0; (zone = zone_at(i)); i++) {
		if (zone->type != type || zone->node != nid || zone_gone(zone))
			continue;
		(*made)++;
		if (may_serve(zone, npages))
			return true;
	}
	return false;
}

void special_prepare(unsigned nid, enum zone_type type, size_t npages)
{
	unsigned made;
	uint64_t now;

	if (npages > GIB(4) >> topo.page_shift ||
	    served(nid, type, npages, &made) || made == NODE_WINDOWS_MAX)
		return;
	lock(&extra_lock, LOCK_GROW);
	now = os_now();
	if (!served(nid, type, npages, &made) && made < NODE_WINDOWS_MAX &&
	    (now >= refused[type].until || npages < refused[type].npages)) {
		nodes_child();
		if (make_window(nid, type, npages)) {
			zonelists_build();
		} else {
			refused[type].npages = npages;
			refused[type].until = now + REFUSED_NS;
		}
	}
	unlock(&extra_lock, LOCK_GROW);
}

bool zone_add_memory(unsigned nid, void *addr, size_t bytes)
{
	struct zone *zone = NULL;

	if (nid >= topo.nodes || !bytes || !addr ||
	    ((uintptr_t)addr | bytes) & (page_bytes() - 1) ||
	    (uintptr_t)addr + bytes < bytes)
		return false;
	lock(&extra_lock, LOCK_GROW);
	nodes_child();
	zone = make_zone(nid, ZONE_DEVICE, addr, bytes);
	if (zone && !pages_describe(zone->start, zone->start, zone->end)) {
		extra_remove(extra_of_pfn(zone->start));
		zone->end = zone->start;
		zone = NULL;
	}
	if (zone) {
		lock(&zone->lock, LOCK_ZONE);
		/* Nobody knows what it holds: dirty, and dirty for ever. */
		zone->present = zone->end;
		zone_give_range_locked(zone, zone->start, zone->end, DIRTY);
		unlock(&zone->lock, LOCK_ZONE);
		zonelists_build();
	}
	unlock(&extra_lock, LOCK_GROW);
	return zone != NULL;
}

/* In a fork child the parent's blocks count for nothing. */
static bool empty(struct zone *zone)
{
	bool unused;

	lock(&zone->lock, LOCK_ZONE);
	if (zone_gone(zone))
		zone->used_pages = 0;
	unused = !zone->used_pages;
	if (unused) {
		memset(zone->free_area, 0, sizeof(zone->free_area));
		memset(zone->nonempty, 0, sizeof(zone->nonempty));
		memset(zone->free_pages, 0, sizeof(zone->free_pages));
		zone->present = zone->end = zone->start;
	}
	unlock(&zone->lock, LOCK_ZONE);
	return unused;
}

bool zone_remove_memory(void *addr)
{
	bool done = false;

	lock(&extra_lock, LOCK_GROW);
	for (unsigned i = 0; i < nr_extras && !done; i++) {
		struct extra *extra = &extras[i];

		if (!extra->bytes || extra->base != (uintptr_t)addr ||
		    extra->zone->type != ZONE_DEVICE)
			continue;
		if (!empty(extra->zone))
			break;
		extra_remove(extra);
		zonelists_build();
		done = true;
	}
	unlock(&extra_lock, LOCK_GROW);
	return done;
}

void nodes_rebuild(void)
{
	lock(&extra_lock, LOCK_GROW);
	zonelists_build();
	unlock(&extra_lock, LOCK_GROW);
}

void nodes_cut(void)
{
	lock(&extra_lock, LOCK_GROW);
	extra_cut();
	unlock(&extra_lock, LOCK_GROW);
}

/*
 * The lock's holder is not here: a window may be half made. It is in no list,
 * so it is never used; the lists are built whole.
 */
void special_recover(void)
{
	if (!extra_lock.word)
		return;
	extra_lock.word = 0;
	zonelists_build();
}
