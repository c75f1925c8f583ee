/* SPDX-License-Identifier: MIT */
#include "zone/pcp.h"

#include <string.h>

#include "zone/quota.h"

static struct page *pop(struct list *list)
{
	struct page *page = container_of(list->next, struct page, link);

	list_del(&page->link);
	return page;
}

/* Blocks that move under one lock: up to four, and a quarter of the list. */
static unsigned batch(const struct zone *zone, unsigned order)
{
	return (unsigned)max_u64(1, min_u64(4, pcp_high(zone) / 4 >> order));
}

static void refill(struct pcp *pcp, struct zone *zone, unsigned order)
{
	struct list *list = &pcp->blocks[zone->type][order];
	size_t fresh = 0;
	pfn_t last = 0;		/* of what is fresh */

	if (!quota_admits((size_t)1 << order))
		return;

	lock(&zone->lock, LOCK_ZONE);
	for (unsigned i = 0; i < batch(zone, order); i++) {
		struct page *page = zone_take_locked(zone, order);

		if (!page)
			break;
		/* A block that is mixed is treated as dirty from here on. */
		page->flags = zone_cut_locked(zone, page, order,
					      (size_t)1 << order)
				      ? 0
				      : PAGE_DIRTY;
		if (page->flags) {
			zone->reused_pages += (size_t)1 << order;
		} else {
			fresh += (size_t)1 << order;
			last = max_u64(last, pfn_of(page));
		}
		page->type = PAGE_PCP;
		page->order = (uint8_t)order;
		list_add_tail(&page->link, list);
		pcp->count += (size_t)1 << order;
		zone_use_locked(zone, (size_t)1 << order);
	}
	zone->fresh_pages += fresh;
	unlock(&zone->lock, LOCK_ZONE);
	if (fresh)
		huge_fresh(zone, last, (size_t)1 << order);
	zone_took(zone, fresh);
}

/* The blocks that were freed longest ago, up to n of one list. */
static void give_back(struct pcp *pcp, struct zone *zone, unsigned order,
		      unsigned n)
{
	struct list *list = &pcp->blocks[zone->type][order];

	if (list_empty(list))
		return;
	lock(&zone->lock, LOCK_ZONE);
	for (; n && !list_empty(list); n--) {
		struct page *page = container_of(list->prev, struct page, link);
		unsigned kind = page->flags & PAGE_DIRTY ? DIRTY : CLEAN;

		list_del(&page->link);
		page->type = PAGE_NONE;
		pcp->count -= (size_t)1 << order;
		zone->used_pages -= (size_t)1 << order;
		zone_give_locked(zone, pfn_of(page), order, kind);
	}
	unlock(&zone->lock, LOCK_ZONE);
	zone_balance(zone, (size_t)1 << order);
}

struct page *pcp_alloc(struct pcp *pcp, struct zone *zone, unsigned order,
		       unsigned *kind)
{
	struct list *list = &pcp->blocks[zone->type][order];
	struct page *page;

	if (list_empty(list))
		refill(pcp, zone, order);
	if (list_empty(list))
		return NULL;
	page = pop(list);
	pcp->count -= (size_t)1 << order;
	*kind = page->flags & PAGE_DIRTY ? DIRTY : CLEAN;
	page->flags = 0;
	page->npages = 1u << order;
	page_set_type(page, PAGE_LARGE);
	return page;
}

/* Of all lists, the one with the largest blocks. */
static void shorten(struct pcp *pcp, struct zone *zones)
{
	for (unsigned order = PCP_ORDERS; order-- > 0;)
		for (unsigned type = 0; type < PCP_ZONES; type++)
			if (!list_empty(&pcp->blocks[type][order])) {
				give_back(pcp, &zones[type], order,
					  batch(&zones[type], order));
				return;
			}
}

void pcp_free(struct pcp *pcp, struct zone *zone, struct page *page,
	      unsigned order)
{
	page->order = (uint8_t)order;
	page->flags = PAGE_DIRTY | PAGE_FREED;
	page_set_type(page, PAGE_PCP);
	list_add(&page->link, &pcp->blocks[zone->type][order]);
	pcp->count += (size_t)1 << order;
	if (pcp->count > pcp_high(zone))
		shorten(pcp, zone - zone->type);
}

static struct page *take_run(struct pcp *pcp, unsigned i)
{
	struct page *page = pcp->runs[i];

	pcp->run_pages -= page->npages;
	pcp->nr_runs--;
	memmove(pcp->runs + i, pcp->runs + i + 1,
		(pcp->nr_runs - i) * sizeof(*pcp->runs));
	return page;
}

static void give_back_oldest(struct pcp *pcp, struct zone *zone)
{
	zone_free(zone, take_run(pcp, 0));
}

enum { MISS_DROPS = 2 };

struct page *pcp_alloc_run(struct pcp *pcp, struct zone *zone, size_t npages)
{
	/* Of these none waits, and they tell nothing about the others. */
	if (npages > pcp_high_runs(zone))
		return NULL;
	for (unsigned i = pcp->nr_runs; i-- > 0;)
		if (pcp->runs[i]->npages == npages) {
			struct page *page = take_run(pcp, i);

			page->flags = 0;
			page_set_type(page, PAGE_LARGE);
			return page;
		}
	for (int i = 0; i < MISS_DROPS && pcp->nr_runs; i++)
		give_back_oldest(pcp, zone);
	return NULL;
}

void pcp_free_run(struct pcp *pcp, struct zone *zone, struct page *page)
{
	size_t high = pcp_high_runs(zone);

	if (page->npages > high) {
		zone_free(zone, page);
		return;
	}
	while (pcp->nr_runs == PCP_RUNS || pcp->run_pages + page->npages > high)
		give_back_oldest(pcp, zone);
	page->flags = PAGE_DIRTY | PAGE_FREED;
	page_set_type(page, PAGE_PCP_RUN);
	pcp->runs[pcp->nr_runs++] = page;
	pcp->run_pages += page->npages;
}

void pcp_drain(struct pcp *pcp, struct zone *zones)
{
	for (unsigned type = 0; type < PCP_ZONES; type++)
		for (unsigned order = 0; order < PCP_ORDERS; order++)
			give_back(pcp, &zones[type], order, UINT32_MAX);
	while (pcp->nr_runs)
		give_back_oldest(pcp, &zones[ZONE_MOVABLE]);
}
