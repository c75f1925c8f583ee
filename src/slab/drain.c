/* SPDX-License-Identifier: MIT */
/*
 * Walks over every sheaf there is, to empty it or to count: with all slots
 * stopped, or of one cache that nobody uses.
 */
#include "slab/pool.h"
#include "slab/sheaf.h"

/*
 * What a place leads to. Where it is to be taken the place is empty before the
 * sheaf is: a child of _Fork, which has a copy of any moment, may lose a sheaf
 * but must not find one that is in the pool, or has other objects by now.
 */
static uint32_t top_at(uint32_t *at, bool take)
{
	uint32_t top = READ_ONCE(*at);

	if (top && take) {
		WRITE_ONCE(*at, 0);
		smp_mb();
	}
	return top;
}

typedef void sheaf_fn(struct cache *cache, uint32_t top, void *arg);

/* Calls fn for every sheaf of a chain. */
static void each_of_chain(struct cache *cache, sheaf_fn *fn, void *arg,
			  uint32_t top)
{
	while (top) {
		uint32_t next = sheaf_of(top)->link;

		fn(cache, top, arg);
		top = next;
	}
}

/* Of one slot: in its rows, own and strangers', and its spare. */
static void each_in_slot(struct cache *cache, sheaf_fn *fn, void *arg,
			 struct slot *slot, bool take)
{
	/* An owner xor-ed with another is below the next power of two. */
	unsigned groups = 1u << log2_ceil(topo.nodes << owner_hint_bits());

	for (unsigned i = 0; i <= groups; i++) {
		uint32_t *at = i == groups
				       ? &class_in(slot, cache)->spare
				       : slot_row(slot->nr, i << CLASS_BITS |
							    cache->class);
		uint32_t top = top_at(at, take);

		if (top)
			fn(cache, top, arg);
	}
}

/* Calls fn for every sheaf of a cache, in a slot or a barn, and takes it. */
static void each_of_cache(struct cache *cache, sheaf_fn *fn, void *arg,
			  bool in_slots, bool take)
{
	unsigned owners = topo.nodes << owner_hint_bits();

	for (uint32_t nr = 0; in_slots && nr < percpu.max_active; nr++)
		if (percpu.slots[nr].active)
			each_in_slot(cache, fn, arg, &percpu.slots[nr], take);
	for (unsigned owner = 0; owner < owners; owner++) {
		struct barn *barn = barn_of(cache, owner);

		if (take)
			WRITE_ONCE(barn->nr, 0);
		each_of_chain(cache, fn, arg, top_at(&barn->full, take));
	}
}

static void each_sheaf(sheaf_fn *fn, void *arg, bool in_slots, bool take)
{
	for (unsigned class = 1; class < CLASS_NAMED; class++) {
		struct cache *cache = cache_of_class(class);

		if (cache)
			each_of_cache(cache, fn, arg, in_slots, take);
	}
}

static void drain_one(struct cache *cache, uint32_t top, void *pcp)
{
	(void)cache;
	sheaf_empty(top, pcp);
}

void sheaves_drain(bool rows)
{
	each_sheaf(drain_one, NULL, rows, true);
}

void sheaves_drain_cache(struct cache *cache, struct pcp *pcp, bool rows)
{
	each_of_cache(cache, drain_one, pcp, rows, true);
}

static void add_bytes(struct cache *cache, uint32_t top, void *arg)
{
	*(size_t *)arg += (size_t)sheaf_count(top) * cache->size;
}

size_t sheaves_cached_bytes(void)
{
	size_t bytes = 0;

	each_sheaf(add_bytes, &bytes, true, false);
	return bytes;
}
