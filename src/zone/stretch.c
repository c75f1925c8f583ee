/* SPDX-License-Identifier: MIT */
#include "zone/stretch.h"

#include <string.h>

/* 64 pages and more are whole words, since a block is aligned to its size. */
void stretch_set(pfn_t pfn, unsigned order, bool free)
{
	uint64_t *word = &window.free_map[pfn / 64], bits;

	if (order >= 6) {
		memset(word, free ? 0xff : 0, (size_t)1 << order >> 3);
		return;
	}
	bits = (((uint64_t)1 << (1u << order)) - 1) << pfn % 64;
	*word = free ? *word | bits : *word & ~bits;
}

static cold void map_free_blocks(struct zone *zone)
{
	zone->is_mapped = true;
	for (unsigned order = 0; order <= zone->max_order; order++)
		for (unsigned kind = 0; kind < NR_KINDS; kind++) {
			struct list *list =
				&zone->free_area[order].blocks[kind];

			for (struct list *l = list->next; l && l != list;
			     l = l->next)
				stretch_set(pfn_of(container_of(
						    l, struct page, link)),
					    order, true);
		}
}

/* Free pages from pfn on, or enough of them: none of the next zone's. */
static size_t free_from(const struct zone *zone, pfn_t pfn, size_t most)
{
	size_t n = 0;

	most = min_u64(most, zone->present - pfn);
	while (n < most) {
		unsigned bit = (pfn + n) % 64;
		uint64_t used = ~window.free_map[(pfn + n) / 64] >> bit;

		if (used)
			return n + (unsigned)__builtin_ctzll(used);
		n += 64 - bit;
	}
	return n;
}

/* The same in front of pfn. A zone begins and ends with a word of the map. */
static size_t free_before(const struct zone *zone, pfn_t pfn, size_t most)
{
	size_t n = 0;

	most = min_u64(most, pfn - zone->start);
	while (n < most) {
		unsigned bits = (pfn - n - 1) % 64 + 1;
		uint64_t used = ~window.free_map[(pfn - n - 1) / 64]
				<< (64 - bits);

		if (used)
			return n + (unsigned)__builtin_clzll(used);
		n += bits;
	}
	return n;
}

/* The stretch around a block, or as much of it as is enough. */
struct stretch {
	pfn_t from;
	size_t length;
};

static struct stretch around(const struct zone *zone, pfn_t pfn, size_t enough)
{
	size_t before = free_before(zone, pfn, enough);
	struct stretch s = { pfn, free_from(zone, pfn, enough) };

	/* Where a stretch begins a block does; if it goes on, perhaps not. */
	if (before < enough)
		s.from -= before;
	else if (s.length < enough)
		s.from = pfn_of(zone_block_locked(
			zone, pfn - (enough - s.length), 0));
	s.length = min_u64(s.length + (pfn - s.from), enough);
	return s;
}

enum { STRETCHES = 16 };	/* looked at in each list */

/* A sixteenth too long: the search ends. A quarter: it ends with this list. */
static bool is_tight(size_t length, size_t npages, unsigned part)
{
	return length <= npages + npages / part;
}

/* The tightest so far. */
struct best {
	size_t length;
	pfn_t run;
};

static void search(const struct zone *zone, const struct list *list,
		   size_t npages, size_t align, struct best *best)
{
	const struct list *l = list->next;

	for (int n = 0; n < STRETCHES && l != list &&
			!is_tight(best->length, npages, 16);
	     n++, l = l->next) {
		struct stretch s = around(
			zone, pfn_of(container_of(l, struct page, link)),
			2 * (npages + align));
		pfn_t run = align_up(s.from, align), end = s.from + s.length;

		if (run + npages <= end && end - run < best->length) {
			best->length = end - run;
			best->run = run;
		}
	}
}

/*
 * Before a larger block is broken, blocks of the two orders that a stretch of
 * npages must contain (75: 64 or 32) are looked at with their neighbours.
 */
bool stretch_find_locked(struct zone *zone, size_t npages, size_t align,
			 unsigned first, unsigned last, pfn_t *run)
{
	unsigned most = log2_floor(npages), order = most ? most - 1 : 0;
	struct best best = { SIZE_MAX, 0 };

	/* A zone that was recovered has lost some; extra zones have no map. */
	if (most > zone->max_order || zone->epoch ||
	    zone->type >= WINDOW_ZONES)
		return false;
	/* Of clean ones the smallest that is long enough, if none is tight. */
	if (first == CLEAN && zone->nonempty[CLEAN] >> most)
		most = log2_floor(zone->nonempty[CLEAN]);
	for (; order <= most && !is_tight(best.length, npages, 4); order++)
		for (unsigned k = first;
		     k <= last && !is_tight(best.length, npages, 4); k++) {
			if (!(zone->nonempty[k] >> order & 1))
				continue;
			if (!zone->is_mapped)
				map_free_blocks(zone);
			search(zone, &zone->free_area[order].blocks[k], npages,
			       align, &best);
		}
	*run = best.run;
	return best.length != SIZE_MAX;
}
