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
						sizeof(struct magazine),
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
	cache->cache.per_node = flags & BM_CACHE_PER_NODE;
	cache->cache.first_node = cache->nodes;
	cache->cache.node_stride = sizeof(struct cache_node);
	cache->cache.magazines = (struct magazine *)&cache->nodes[topo.nodes];
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

static void *alloc(struct bm_cache *cache, unsigned gfp, int nid)
{
	unsigned home = 0;
	void *p;

	if (nid == NID_NONE || !api_gfp(gfp) || api_nested())
		return NULL;
	while (unlikely(!take(cache, gfp, nid, 1, &p, &home)))
		if (!mm_again(gfp, cache->cache.size))
			return NULL;
	if (likely(!(gfp & GFP_THISNODE) || page_node(slab_of(p)) == home))
		return p;
	bm_cache_free(cache, p);
	errno = ENOMEM;
	return NULL;
}

BM_EXPORT void *bm_cache_alloc(struct bm_cache *cache, unsigned gfp)
{
	return alloc(cache, gfp, NID_ANY);
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

/* Ends the process unless p is memory of the cache. */
static void check(const struct bm_cache *cache, const void *p)
{
	const struct cache *owner;

	api_start();
	if (!is_named(p))
		fatal("invalid free of %p: not an object of cache '%s'", p,
		      cache->name);
	owner = cache_of(p);
	if (owner != &cache->cache)
		fatal("invalid free of %p: object of cache '%s', not '%s'", p,
		      owner->name, cache->name);
}

BM_EXPORT void bm_cache_free(struct bm_cache *cache, void *object)
{
	if (!object)
		return;
	check(cache, object);
	free_slow(object);
}

BM_EXPORT void bm_cache_free_bulk(struct bm_cache *cache, size_t n,
				  void **objects)
{
	while (n) {
		size_t some = min_u64(n, BULK);
		uint32_t nr;
		struct slot *slot;

		for (size_t i = 0; i < some; i++)
			check(cache, objects[i]);
		slot = seat.inside ? NULL : api_enter(&nr);
		for (size_t i = 0; i < some; i++)
			if (slot)
				named_free(objects[i], slot, nr);
			else
				free_slow(objects[i]);
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

/* All slots stand still: their magazines are emptied too. */
BM_EXPORT size_t bm_cache_shrink(struct bm_cache *cache)
{
	size_t before;

	if (!mm_enter())
		return 0;
	percpu_stop();
	named_flush(&cache->cache, NULL);
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
 * Nobody uses the cache any more, so its magazines may be emptied without the
 * locks of their slots. With live objects it stays as it is.
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
		named_flush(&cache->cache, &slot->pcp);
		n = cache_live(&cache->cache, live, SHOWN);
	}
	if (known && !n) {
		named_exit(&cache->cache);
		cache_release(&cache->cache, &slot->pcp);
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
