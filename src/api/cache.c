/* SPDX-License-Identifier: MIT */
/*
 * bm_cache_*: the kernel's kmem_cache_*, over slab/named.c.
 */
#include "api/cache.h"

#include <string.h>

enum {
	CACHE_LINE = 64,
	BULK = 32,		/* objects moved in one slow path */
	SHOWN = 10,		/* live objects that a report names */
};

/* Objects are aligned as a multiple of their size is, to a unit at most. */
static bool valid(size_t size, size_t align, unsigned flags)
{
	return size && size <= CACHE_SIZE_MAX && is_pow2(align) &&
	       align <= UNIT_BYTES && align_up(size, align) <= CACHE_SIZE_MAX &&
	       !(flags & ~(unsigned)(BM_CACHE_HWALIGN | BM_CACHE_PER_NODE));
}

static struct bm_cache *new_cache(void)
{
	return large_alloc_from(NID_ANY, GFP_MOVABLE | GFP_ZERO,
				sizeof(struct bm_cache) +
					topo.nodes * sizeof(struct cache_node) +
					percpu.nr_slots *
						sizeof(struct named_slot),
				1, NULL);
}

BM_EXPORT struct bm_cache *bm_cache_create(const char *name, size_t size,
					   size_t align, unsigned flags,
					   void (*ctor)(void *object))
{
	struct bm_cache *cache;
	struct slot *slot;
	uint32_t nr;

	if (flags & BM_CACHE_HWALIGN && align < CACHE_LINE)
		align = CACHE_LINE;
	if (align < sizeof(void *))
		align = is_pow2(align) || !align ? sizeof(void *) : align;
	if (!name || !valid(size, align, flags)) {
		errno = EINVAL;
		return NULL;
	}
	api_start();
	if (api_nested() || !(cache = new_cache()))
		return NULL;
	memcpy(cache->name, name,
	       min_u64(strlen(name), sizeof(cache->name) - 1));
	cache->cache.ctor = ctor;
	cache->cache.first_node = cache->nodes;
	cache->cache.node_stride = sizeof(struct cache_node);
	cache->cache.slots = (struct named_slot *)&cache->nodes[topo.nodes];
	slot = api_enter(&nr);
	if (!slot)
		return NULL;
	named_init(&cache->cache, cache->name,
		   align_up(max_u64(size, 16), align));
	mm_leave_slot(slot);
	return cache;
}

/* Objects for the program: constructed, or cleared if that is asked. */
static void dress(struct bm_cache *cache, void *object, unsigned gfp,
		  bool fresh)
{
	if (cache->cache.ctor) {
		if (fresh)
			cache->cache.ctor(object);
	} else if (gfp & GFP_ZERO) {
		memset(object, 0, cache->cache.size);
	}
}

/* Up to BULK of them in one slow path; how many. *home: whose were wanted. */
static size_t take(struct bm_cache *cache, unsigned gfp, int nid, size_t n,
		   void **objects, unsigned *home)
{
	uint64_t fresh = 0;
	size_t got = 0;
	uint32_t nr;
	struct slot *slot = api_enter(&nr);

	if (!slot)
		return 0;
	if (gfp & GFP_NOGROW)
		seat.inside |= INSIDE_NOGROW;
	*home = nid == NID_ANY ? slot->node : (unsigned)nid;
	for (; got < n && got < BULK; got++) {
		bool new;

		objects[got] = named_alloc(&cache->cache, slot, nr, nid, &new);
		if (!objects[got])
			break;
		fresh |= (uint64_t)new << got;
	}
	mm_leave_slot(slot);
	for (size_t i = 0; i < got; i++)
		dress(cache, objects[i], gfp, fresh >> i & 1);
	return got;
}

/* What the sheaf has needs no slow path; a node of its own does. */
static void *pop_object(struct bm_cache *cache, unsigned gfp, int nid)
{
	void *p = NULL;

	if (topo.nodes == 1 || (nid == NID_ANY && !(gfp & GFP_THISNODE)))
		p = rseq_pop(cache->cache.class);
	if (p)
		dress(cache, p, gfp, false);
	return p;
}

static noinline void *alloc_slow(struct bm_cache *cache, unsigned gfp, int nid)
{
	unsigned home = 0;
	void *p;

	if (api_nested())
		return NULL;
	do {
		if (unlikely(!take(cache, gfp, nid, 1, &p, &home)))
			continue;
		if (likely(!(gfp & GFP_THISNODE) ||
			   page_node(slab_of(p)) == home))
			return p;
		/* To the row of its own node: the next one is another. */
		bm_cache_free(cache, p);
	} while (mm_again(gfp, cache->cache.size));
	return NULL;
}

static void *alloc(struct bm_cache *cache, unsigned gfp, int nid)
{
	void *p;

	if (nid == NID_NONE || !api_gfp(gfp))
		return NULL;
	p = pop_object(cache, gfp, nid);
	return p ? p : alloc_slow(cache, gfp, nid);
}

BM_EXPORT void *bm_cache_alloc(struct bm_cache *cache, unsigned gfp)
{
	void *p;

	if (unlikely(gfp != GFP_NORMAL))
		return alloc(cache, gfp, NID_ANY);
	p = rseq_pop(cache->cache.class);
	return likely(p) ? p : alloc_slow(cache, GFP_NORMAL, NID_ANY);
}

BM_EXPORT void *bm_cache_alloc_node(struct bm_cache *cache, unsigned gfp,
				    int node)
{
	return alloc(cache, gfp, api_nid(node));
}

BM_EXPORT size_t bm_cache_alloc_bulk(struct bm_cache *cache, unsigned gfp,
				     size_t n, void **objects)
{
	size_t got = 0, more;
	unsigned home;

	if (!api_gfp(gfp) || api_nested())
		return 0;
	while (got < n) {
		objects[got] = pop_object(cache, gfp, NID_ANY);
		if (objects[got]) {
			got++;
			continue;
		}
		more = take(cache, gfp, NID_ANY, n - got, objects + got,
			    &home);
		got += more;
		if (!more && !mm_again(gfp, cache->cache.size)) {
			bm_cache_free_bulk(cache, got, objects);
			errno = ENOMEM;
			return 0;
		}
	}
	return n;
}

static cold void refuse(const struct bm_cache *cache, const void *p)
{
	api_start();
	if (!is_named(p))
		fatal("invalid free of %p: not an object of cache '%s'", p,
		      cache->name);
	fatal("invalid free of %p: object of cache '%s', not '%s'", p,
	      cache_of(p)->name, cache->name);
}

/*
 * The map entry of an object of the cache; anything else ends the process. A
 * class is one cache's, but for the one of those that have none.
 */
static always_inline unsigned check(const struct bm_cache *cache, const void *p)
{
	unsigned entry = likely(window_owns(p)) ? *map_entry(p) : 0;

	if (unlikely((entry & CLASS_MASK) != cache->cache.class) ||
	    unlikely(cache->cache.class == CLASS_NAMED &&
		     cache_of(p) != &cache->cache))
		refuse(cache, p);
	return entry;
}

BM_EXPORT void bm_cache_free(struct bm_cache *cache, void *object)
{
	if (unlikely(!object))
		return;
	if (unlikely(!rseq_push(object, check(cache, object))))
		free_slow(object);
}

BM_EXPORT void bm_cache_free_bulk(struct bm_cache *cache, size_t n,
				  void **objects)
{
	while (n) {
		size_t some = min_u64(n, BULK);
		uint32_t nr;
		struct slot *slot = NULL;

		for (size_t i = 0; i < some; i++)
			check(cache, objects[i]);
		for (size_t i = 0; i < some; i++) {
			unsigned entry = *map_entry(objects[i]);

			if (rseq_push(objects[i], entry))
				continue;
			if (!slot && !seat.inside)
				slot = api_enter(&nr);
			if (slot)
				named_free(objects[i], entry, slot, nr);
			else
				free_slow(objects[i]);
		}
		if (slot)
			mm_leave_slot(slot);
		objects += some;
		n -= some;
	}
}

BM_EXPORT size_t bm_cache_size(const struct bm_cache *cache)
{
	return cache->cache.size;
}

/* All slots stand still: their sheaves are emptied too. */
BM_EXPORT size_t bm_cache_shrink(struct bm_cache *cache)
{
	size_t before;
	bool rows;

	if (!mm_enter())
		return 0;
	rows = percpu_stop();
	if (cache->cache.class != CLASS_NAMED)
		sheaves_drain_cache(&cache->cache, NULL, rows);
	before = cache_count(&cache->cache).slabs;
	cache_shrink(&cache->cache, NULL);
	before -= cache_count(&cache->cache).slabs;
	percpu_start(mm_diverted());
	mm_leave();
	return before * (page_bytes() << cache->cache.order);
}

static void report(const struct bm_cache *cache, void **live, size_t n)
{
	warn("cache '%s' is destroyed with %zu live objects:", cache->name, n);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		warn("  object %p", live[i]);
	if (n > SHOWN)
		warn("  and %zu more", n - SHOWN);
}

/*
 * Nobody uses the cache any more, so its sheaves may be taken from other CPUs'
 * rows without a fence, and from their slots without the locks. With live
 * objects it stays as it is.
 */
BM_EXPORT int bm_cache_destroy(struct bm_cache *cache)
{
	void *live[SHOWN];
	struct slot *slot;
	bool known;
	uint32_t nr;
	size_t n = 0;

	if (!cache)
		return 0;
	slot = api_enter(&nr);
	if (!slot)
		return -1;
	known = named_known(&cache->cache);
	if (known) {
		if (cache->cache.class != CLASS_NAMED)
			sheaves_drain_cache(&cache->cache, &slot->pcp, true);
		n = cache_live(&cache->cache, live, SHOWN);
	}
	if (known && !n) {
		cache_release(&cache->cache, &slot->pcp);
		named_exit(&cache->cache);
	}
	mm_leave_slot(slot);
	if (!known)
		fatal("invalid destroy of %p: not a cache", (void *)cache);
	if (n) {
		report(cache, live, n);
		errno = EBUSY;
		return -1;
	}
	trace_mute();
	free_slow(cache);
	trace_unmute();
	return 0;
}
