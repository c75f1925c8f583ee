/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator, whole: add, remove, split, merge. The caller holds the
 * zone's lock; see zone.h for the invariant and a worked example.
 */
#include "zone/zone.h"

#include "base/print.h"

static void add(struct zone *zone, struct page *page, unsigned order,
		unsigned kind)
{
	struct free_area *area = &zone->free_area[order];

	page->type = PAGE_FREE;
	page->order = (uint8_t)order;
	page->flags = (uint8_t)(PAGE_FREED | (kind == DIRTY ? PAGE_DIRTY : 0));
	list_add(&page->link, &area->blocks[kind]);
	area->nr[kind]++;
	zone->nonempty[kind] |= 1u << order;
	zone->free_pages[kind] += (size_t)1 << order;
}

void zone_pick_locked(struct zone *zone, struct page *page)
{
	unsigned kind = page->flags & PAGE_DIRTY ? DIRTY : CLEAN;
	struct free_area *area = &zone->free_area[page->order];

	DEBUG_ON(page->type != PAGE_FREE);
	list_del(&page->link);
	if (!--area->nr[kind])
		zone->nonempty[kind] &= ~(1u << page->order);
	zone->free_pages[kind] -= (size_t)1 << page->order;
	page->type = PAGE_NONE;
}

/* Halves a block until it has the order; the upper halves stay free. */
static void split(struct zone *zone, struct page *page, unsigned from,
		  unsigned to, unsigned kind)
{
	while (from > to) {
		from--;
		add(zone, page_at(pfn_of(page) + ((pfn_t)1 << from)), from,
		    kind);
	}
}

struct page *zone_take_locked(struct zone *zone, unsigned order)
{
	/* Dirty first: a fault costs ten times a resident page's clearing. */
	for (unsigned kind = DIRTY + 1; kind-- > CLEAN;) {
		uint32_t orders = zone->nonempty[kind] >> order << order;
		unsigned from;
		struct page *page;

		if (!orders)
			continue;
		from = (unsigned)__builtin_ctz(orders);
		page = container_of(zone->free_area[from].blocks[kind].next,
				    struct page, link);
		zone_pick_locked(zone, page);
		split(zone, page, from, order, kind);
		page->order = (uint8_t)order;
		return page;
	}
	return NULL;
}

void zone_give_locked(struct zone *zone, pfn_t pfn, unsigned order,
		      unsigned kind)
{
	while (order < zone->max_order) {
		pfn_t buddy = pfn ^ ((pfn_t)1 << order);
		struct page *page;

		if (buddy < zone->start ||
		    buddy + ((pfn_t)1 << order) > zone->present)
			break;
		page = page_at(buddy);
		if (page->type != PAGE_FREE || page->order != order ||
		    !(page->flags & PAGE_DIRTY) != (kind == CLEAN))
			break;
		zone_pick_locked(zone, page);
		page_at(pfn)->type = PAGE_NONE;
		pfn &= ~((pfn_t)1 << order);
		order++;
	}
	add(zone, page_at(pfn), order, kind);
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
		page_at(from)->flags |= PAGE_FREED;
		zone_give_locked(zone, from, order, kind);
		from += (pfn_t)1 << order;
	}
}
