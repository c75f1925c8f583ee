/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator, whole: add, pick, split, merge, cut. The caller holds
 * the zone's lock; see zone.h for the invariant and worked examples.
 */
#include "zone/zone.h"

#include "base/print.h"
#include "zone/stretch.h"

static unsigned kind_of(const struct page *page, unsigned order)
{
	if (page->free.mixed & 1u << order)
		return MIXED;
	return page->flags & PAGE_DIRTY ? DIRTY : CLEAN;
}

static void set_kind(struct page *page, unsigned order, unsigned kind)
{
	page->flags = (uint8_t)(PAGE_FREED | (kind == DIRTY ? PAGE_DIRTY : 0));
	page->free.mixed = 0;
	page->free.dirty = kind == DIRTY ? 1u << order : 0;
}

static void add(struct zone *zone, struct page *page, unsigned order)
{
	unsigned kind = kind_of(page, order);
	struct free_area *area = &zone->free_area[order];

	page->type = PAGE_FREE;
	page->epoch = zone->epoch;
	page->order = (uint8_t)order;
	list_add(&page->link, &area->blocks[kind]);
	area->nr[kind]++;
	zone->nonempty[kind] |= 1u << order;
	zone->free_pages[DIRTY] += page->free.dirty;
	zone->free_pages[CLEAN] += ((size_t)1 << order) - page->free.dirty;
	stretch_mark(zone, pfn_of(page), order, true);
}

void zone_pick_locked(struct zone *zone, struct page *page)
{
	unsigned order = page->order, kind = kind_of(page, order);
	struct free_area *area = &zone->free_area[order];

	DEBUG_ON(page->type != PAGE_FREE);
	list_del(&page->link);
	if (!--area->nr[kind])
		zone->nonempty[kind] &= ~(1u << order);
	zone->free_pages[DIRTY] -= page->free.dirty;
	zone->free_pages[CLEAN] -= ((size_t)1 << order) - page->free.dirty;
	page->type = PAGE_NONE;
	stretch_mark(zone, pfn_of(page), order, false);
}

/* Parts a block of the order from its upper half, which is returned. */
static struct page *halve(struct page *page, unsigned order)
{
	unsigned kind = kind_of(page, order);
	struct page *upper = page_at(pfn_of(page) + ((pfn_t)1 << (order - 1)));

	if (kind == MIXED) {
		page->free.mixed &= ~(1u << order);
		page->free.dirty -= upper->free.dirty;
	} else {
		set_kind(page, order - 1, kind);
		set_kind(upper, order - 1, kind);
	}
	upper->type = PAGE_NONE;
	return upper;
}

/* Joins two halves of the order; the upper keeps its descriptor if they differ. */
static void join(struct page *lower, struct page *upper, unsigned order)
{
	unsigned kind = kind_of(lower, order);

	lower->free.dirty += upper->free.dirty;
	upper->type = PAGE_NONE;
	if (kind == MIXED || kind != kind_of(upper, order)) {
		lower->free.mixed |= 1u << (order + 1);
		upper->type = PAGE_PART;
	}
}

static struct page *pick_first(struct zone *zone, unsigned order, unsigned kind)
{
	struct page *page = container_of(
		zone->free_area[order].blocks[kind].next, struct page, link);

	zone_pick_locked(zone, page);
	return page;
}

/* The half of a block that is better used up; the other stays free. */
static struct page *split(struct zone *zone, struct page *page, unsigned order)
{
	struct page *upper = halve(page, order), *keep = page;

	if (kind_of(page, order - 1) == CLEAN &&
	    kind_of(upper, order - 1) != CLEAN)
		keep = upper;
	add(zone, keep == page ? upper : page, order - 1);
	return keep;
}

struct page *zone_take_locked(struct zone *zone, unsigned order)
{
	static const unsigned char preference[] = { DIRTY, MIXED, CLEAN };

	/* Dirty first: a fault costs ten times a resident page's clearing. */
	for (unsigned i = 0; i < ARRAY_SIZE(preference); i++) {
		unsigned kind = preference[i], from;
		uint32_t orders = zone->nonempty[kind] >> order << order;
		struct page *page;

		if (!orders)
			continue;
		from = (unsigned)__builtin_ctz(orders);
		page = pick_first(zone, from, kind);
		while (from > order)
			page = split(zone, page, from--);
		page->order = (uint8_t)order;
		return page;
	}
	return NULL;
}

static size_t dirty_of_first(const struct zone *zone, unsigned kind)
{
	unsigned order;

	if (!zone->nonempty[kind])
		return 0;
	order = log2_floor(zone->nonempty[kind]);
	return container_of(zone->free_area[order].blocks[kind].next,
			    struct page, link)->free.dirty;
}

/* The descriptors that upper halves of a mixed block have kept. */
static void forget_parts(struct page *page, unsigned order)
{
	while (kind_of(page, order) == MIXED) {
		struct page *upper = halve(page, order--);

		forget_parts(upper, order);
	}
}

/*
 * Few blocks, few calls: of a mixed one, down to where half of it is dirty,
 * but no part of a pageblock: a part of a huge page gives nothing back.
 */
cold struct page *zone_take_dirty_locked(struct zone *zone, unsigned max_order)
{
	unsigned kind = dirty_of_first(zone, DIRTY) >=
					dirty_of_first(zone, MIXED)
				? DIRTY
				: MIXED;
	unsigned order = log2_floor(zone->nonempty[kind]);
	struct page *page = pick_first(zone, order, kind);

	while (order > topo.pageblock_order &&
	       (order > max_order ||
		page->free.dirty < ((size_t)1 << order) / 2)) {
		struct page *upper = halve(page, order--), *less = upper;

		if (upper->free.dirty > page->free.dirty) {
			less = page;
			page = upper;
		}
		add(zone, less, order);
	}
	forget_parts(page, order);
	page->order = (uint8_t)order;
	return page;
}

void zone_give_locked(struct zone *zone, pfn_t pfn, unsigned order,
		      unsigned kind)
{
	set_kind(page_at(pfn), order, kind);
	for (; order < zone->max_order; order++) {
		pfn_t size = (pfn_t)1 << order, buddy = pfn ^ size;
		struct page *page;

		if (buddy < zone->start || buddy + size > zone->present ||
		    stretch_is_used(zone, buddy))
			break;
		page = page_at(buddy);
		if (!page_is_free(zone, page) || page->order != order)
			break;
		zone_pick_locked(zone, page);
		page_at(pfn)->type = PAGE_NONE;
		join(page_at(pfn & ~size), page_at(pfn | size), order);
		pfn &= ~size;
	}
	add(zone, page_at(pfn), order);
}

bool zone_cut_locked(struct zone *zone, struct page *page, unsigned order,
		     size_t npages)
{
	size_t size = (size_t)1 << order, half = size / 2;
	struct page *upper;
	bool clean;

	page->type = PAGE_NONE;
	if (npages == size && kind_of(page, order) != MIXED)
		return kind_of(page, order) == CLEAN;
	upper = halve(page, order);
	if (npages <= half) {
		add(zone, upper, order - 1);
		return zone_cut_locked(zone, page, order - 1, npages);
	}
	clean = zone_cut_locked(zone, page, order - 1, half);
	return zone_cut_locked(zone, upper, order - 1, npages - half) && clean;
}

struct page *zone_block_locked(const struct zone *zone, pfn_t pfn,
			       unsigned order)
{
	for (; order <= zone->max_order; order++) {
		pfn_t head = align_down(pfn, (pfn_t)1 << order);
		struct page *page;

		if (head < zone->start || stretch_is_used(zone, head))
			break;
		page = page_at(head);
		if (page_is_free(zone, page) && page->order >= order)
			return page;
	}
	return NULL;
}

void zone_part_locked(struct zone *zone, struct page *page, pfn_t pfn)
{
	unsigned order = page->order;
	pfn_t head = pfn_of(page);

	if (head == pfn)
		return;
	zone_pick_locked(zone, page);
	while (head < pfn) {
		struct page *upper = halve(page, order--), *other = upper;

		if (pfn - head >= (pfn_t)1 << order) {
			head += (pfn_t)1 << order;
			other = page;
			page = upper;
		}
		add(zone, other, order);
	}
	add(zone, page, order);
}

/*
 * [5, 16) goes back as 5 (order 0), 6-7 (order 1), 8-15 (order 3): at each
 * step the largest block that starts here, aligned, and fits.
 */
void zone_give_range_locked(struct zone *zone, pfn_t from, pfn_t to,
			    unsigned kind)
{
	while (from < to) {
		unsigned order = log2_floor(to - from);

		if (from)
			order = (unsigned)min_u64(order, __builtin_ctzll(from));
		order = (unsigned)min_u64(order, zone->max_order);
		zone_give_locked(zone, from, order, kind);
		from += (pfn_t)1 << order;
	}
}
