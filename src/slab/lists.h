/* SPDX-License-Identifier: MIT */
/*
 * What:  a slab's bits and its place on the partial lists: what slab.c and
 *        sparse.c share. Nobody else includes it.
 * Locks: the cache_node's list_lock.
 */
#ifndef BM_SLAB_LISTS_H
#define BM_SLAB_LISTS_H

#include "slab/slab.h"

/* Behind the slab's own descriptor, a bit for each object: word w of them. */
static always_inline uint64_t *bits_of(struct page *slab, unsigned w)
{
	return page_word(slab, sizeof(*slab) / 8 + w);
}

static inline unsigned bit_words(const struct cache *cache)
{
	return (cache->objects + 63u) / 64;
}

/* What a slab that has gone in part remembers, behind its bits. All (L). */
struct hollow {
	uint16_t pages;		/* that went back */
	uint16_t seen;		/* objects at home at the last look */
};

static inline struct hollow *hollow_of(const struct cache *cache,
				       struct page *slab)
{
	return (struct hollow *)bits_of(slab, bit_words(cache));
}

static inline unsigned hollow_pages(const struct cache *cache,
				    struct page *slab)
{
	return slab->flags & PAGE_HOLLOW ? hollow_of(cache, slab)->pages : 0;
}

static inline unsigned at_home(const struct cache *cache, const struct page *slab)
{
	return slab->slab.nr_free + cache->objects - slab->slab.fresh;
}

/* 101 of 400 at home: bin 1; none: SLAB_FULL. No division: each free is here. */
static inline unsigned bin_of(const struct cache *cache, const struct page *slab)
{
	unsigned home = at_home(cache, slab), quarter = cache->objects / 4u;

	if (!home)
		return SLAB_FULL;
	return (home > quarter) + (home > 2 * quarter) + (home > 3 * quarter);
}

static inline void unlist(const struct cache_node *node, struct page *slab)
{
	if (slab->slab.bin != SLAB_FULL || node->keeps_full)
		list_del(&slab->link);
}

static inline void enlist(struct cache_node *node, struct page *slab, unsigned bin)
{
	if (bin != SLAB_FULL || node->keeps_full)
		list_add(&slab->link, &node->partial[bin]);
	slab->slab.bin = (uint8_t)bin;
}

static inline void set_bin(struct cache_node *node, struct page *slab, unsigned bin)
{
	if (slab->slab.bin == bin)
		return;
	unlist(node, slab);
	enlist(node, slab, bin);
}

static inline bool is_home(struct page *slab, unsigned nr)
{
	return nr >= READ_ONCE(slab->slab.fresh) ||
	       READ_ONCE(*bits_of(slab, nr / 64)) & 1ull << nr % 64;
}

/* The node of the slab that p lies in. */
static inline unsigned home_of(const void *p)
{
	return topo.nodes == 1
		       ? 0
		       : owner_node(entry_owner(READ_ONCE(*map_entry(p))));
}

/* From now on any of its pages may have memory again. */
static inline void hollow_end(const struct cache *cache, struct page *slab)
{
	struct hollow *hollow = hollow_of(cache, slab);
	struct zone *zone = zone_of(pfn_of(slab));

	__atomic_sub_fetch(&cache_node(cache, zone->node)->hollow,
			   hollow->pages, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&zone->resident->hollow, hollow->pages,
			   __ATOMIC_RELAXED);
	hollow->pages = hollow->seen = 0;
	slab->flags &= (uint8_t)~PAGE_HOLLOW;
}

/* Slabs that are on no list any more go back to their zone. */
void free_slabs(struct cache *cache, struct list *slabs, struct pcp *pcp);

#endif
