/* SPDX-License-Identifier: MIT */
/*
 * What:  strays: free pages that the kernel put on another node when this one
 *        was full. They are given back, and faulted again at home.
 * Door:  zone_drop_strays(), now and then after a node was short of memory.
 * Locks: the zone's to take its dirty blocks out and to put each back; none
 *        while the kernel is asked. What is out looks used for that time.
 * Cost:  a call asks for 32 pages of each block: a block that came by one
 *        growth was touched in one go, so strays lie side by side.
 */
#include "os/numa.h"
#include "os/os.h"
#include "zone/backing.h"

enum { SAMPLES = 32 };

static bool is_stray(const struct page *page, unsigned node)
{
	size_t pages = (size_t)1 << page->order;
	size_t n = min_u64(pages, SAMPLES);
	void *at[SAMPLES];
	int on[SAMPLES];

	for (size_t i = 0; i < n; i++)
		at[i] = pfn_address(pfn_of(page) + i * pages / n);
	if (!os_page_nodes(at, n, on))
		return false;
	for (size_t i = 0; i < n; i++)
		if (on[i] >= 0 && on[i] != (int)node)
			return true;
	return false;
}

static void take_dirty(struct zone *zone, struct list *blocks)
{
	lock(&zone->lock, LOCK_ZONE);
	while (zone->free_pages[DIRTY]) {
		struct page *page = zone_take_dirty_locked(zone, zone->max_order);

		page->type = PAGE_PCP;
		list_add_tail(&page->link, blocks);
	}
	unlock(&zone->lock, LOCK_ZONE);
}

size_t zone_drop_strays(struct zone *zone, unsigned node)
{
	struct list blocks;
	size_t dropped = 0;
	bool huge = false;

	if (!zone_purges(zone))
		return 0;
	list_init(&blocks);
	take_dirty(zone, &blocks);
	while (!list_empty(&blocks)) {
		struct page *page = container_of(blocks.next, struct page, link);
		size_t pages = (size_t)1 << page->order;
		unsigned kind = DIRTY;

		list_del(&page->link);
		if (is_stray(page, node) &&
		    os_purge(page_address(page), pages << topo.page_shift))
			kind = CLEAN;
		huge |= kind == CLEAN && pfn_of(page) < READ_ONCE(zone->huge.to);
		zone_put_back(zone, page, kind);
		dropped += kind == CLEAN ? pages : 0;
	}
	if (huge)
		huge_strayed(zone);
	return dropped;
}
