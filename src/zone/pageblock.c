/* SPDX-License-Identifier: MIT */
/*
 * What serves in which pageblock: slabs of small blocks, which never move, and
 * middle and large blocks, which go back as whole huge pages, lie apart by
 * their zones. A walk over a zone tells whether that holds.
 */
#include "zone/backing.h"

enum use { UNUSED = 0, BY_SLABS = 1, BY_BLOCKS = 2 };

/* Page lists hold what the zone is for; locked and brought memory stays put. */
static unsigned use_of(const struct zone *zone, const struct page *page)
{
	switch (load_acquire(&page->type)) {
	case PAGE_FREE:
		return UNUSED;
	case PAGE_LARGE:
		return zone->type < ZONE_DMA ? BY_BLOCKS : BY_SLABS;
	default:
		return zone->type == ZONE_NORMAL ? BY_SLABS : BY_BLOCKS;
	}
}

static void count(struct pageblocks *out, unsigned uses, size_t blocks)
{
	out->nr[uses] += blocks;
}

void zone_pageblocks(struct zone *zone, struct pageblocks *out)
{
	unsigned shift = topo.pageblock_order, uses = 0;
	pfn_t pfn = zone->start;

	*out = (struct pageblocks){ .nr = { 0 } };
	lock(&zone->lock, LOCK_ZONE);
	/* A child of _Fork cannot tell old descriptors from new ones. */
	while (!zone->epoch && pfn < zone->present) {
		const struct page *page = page_at(pfn);
		pfn_t end = min_u64(pfn + page_block_pages(page),
				    zone->present);
		pfn_t blocks = (end >> shift) - (pfn >> shift);

		uses |= use_of(zone, page);
		if (blocks) {
			count(out, uses, 1);
			count(out, use_of(zone, page), blocks - 1);
			uses = end & ((1u << shift) - 1) ? use_of(zone, page)
							 : UNUSED;
		}
		pfn = end;
	}
	if (pfn & ((1u << shift) - 1))
		count(out, uses, 1);
	unlock(&zone->lock, LOCK_ZONE);
}
