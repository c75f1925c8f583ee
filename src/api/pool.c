/* SPDX-License-Identifier: MIT */
/*
 * What:  pools: at least so many elements are kept back, so that a program
 *        that must go on can, one element at a time, when memory has run out.
 * Locks: pool->lock (P), of the level LIST, in a slow path. The program's
 *        functions are called outside of it.
 * Invariant: an element that is freed goes to the reserve first while that is
 *        short. So as long as elements come back, nobody waits for ever.
 * See:   the kernel's mempool.
 */
#include "api/cache.h"

#include <string.h>

#include "os/os.h"

enum { NAP_NS = 1000000 };

struct bm_pool {
	struct lock lock;
	size_t min;		/* (P) */
	size_t nr;		/* (P) elements in the reserve */
	void **reserve;		/* (P) room for min */
	bm_pool_alloc_fn *alloc;	/* (C) */
	bm_pool_free_fn *free;		/* (C) */
	void *arg;			/* (C) */
	size_t bytes;	/* (C) of an element; 0: the program's business */
};

/* An element of the reserve, or NULL. */
static void *take(struct bm_pool *pool)
{
	void *p = NULL;
	uint32_t nr;
	struct slot *slot = api_enter(&nr);

	if (!slot)
		return NULL;
	lock(&pool->lock, LOCK_LIST);
	if (pool->nr)
		p = pool->reserve[--pool->nr];
	unlock(&pool->lock, LOCK_LIST);
	mm_leave_slot(slot);
	return p;
}

/* Into the reserve; false: it is full, or cannot be reached now. */
static bool give(struct bm_pool *pool, void *p)
{
	bool done;
	uint32_t nr;
	struct slot *slot;

	if (READ_ONCE(pool->nr) >= READ_ONCE(pool->min))
		return false;
	slot = api_enter(&nr);
	if (!slot)
		return false;
	lock(&pool->lock, LOCK_LIST);
	done = pool->nr < pool->min;
	if (done)
		pool->reserve[pool->nr++] = p;
	unlock(&pool->lock, LOCK_LIST);
	mm_leave_slot(slot);
	return done;
}

static bool fill(struct bm_pool *pool)
{
	while (READ_ONCE(pool->nr) < READ_ONCE(pool->min)) {
		void *p = pool->alloc(GFP_NORMAL, pool->arg);

		if (!p)
			return false;
		if (!give(pool, p))
			pool->free(p, pool->arg);
	}
	return true;
}

BM_EXPORT void bm_pool_destroy(struct bm_pool *pool)
{
	if (!pool)
		return;
	while (pool->nr)
		pool->free(pool->reserve[--pool->nr], pool->arg);
	free_fast(pool->reserve);
	free_fast(pool);
}

BM_EXPORT struct bm_pool *bm_pool_create(size_t min, bm_pool_alloc_fn *alloc,
					 bm_pool_free_fn *free, void *arg)
{
	struct bm_pool *pool;

	if (!min || !alloc || !free || min > PTRDIFF_MAX / sizeof(void *)) {
		errno = EINVAL;
		return NULL;
	}
	if (api_nested())
		return NULL;
	pool = malloc_zeroed(sizeof(*pool));
	if (!pool)
		return NULL;
	pool->reserve = malloc_fast(min * sizeof(void *));
	pool->min = min;
	pool->alloc = alloc;
	pool->free = free;
	pool->arg = arg;
	if (pool->reserve && fill(pool))
		return pool;
	bm_pool_destroy(pool);
	errno = ENOMEM;
	return NULL;
}

BM_EXPORT void *bm_pool_alloc(struct bm_pool *pool, unsigned gfp)
{
	for (;;) {
		/* The pool does the waiting. */
		void *p = pool->alloc(gfp & ~(unsigned)GFP_NOFAIL, pool->arg);

		if (likely(p))
			return p;
		p = take(pool);
		if (p)
			return gfp & GFP_ZERO ? memset(p, 0, pool->bytes) : p;
		if (gfp & GFP_NOGROW || seat.inside) {
			errno = ENOMEM;
			return NULL;
		}
		os_nap(NAP_NS);
	}
}

BM_EXPORT void bm_pool_free(void *element, struct bm_pool *pool)
{
	if (element && !give(pool, element))
		pool->free(element, pool->arg);
}

BM_EXPORT size_t bm_pool_reserve(struct bm_pool *pool)
{
	return READ_ONCE(pool->nr);
}

BM_EXPORT int bm_pool_resize(struct bm_pool *pool, size_t min)
{
	void **new, **old, *surplus = NULL;
	uint32_t nr;
	struct slot *slot;

	if (!min || min > PTRDIFF_MAX / sizeof(void *)) {
		errno = EINVAL;
		return -1;
	}
	while (READ_ONCE(pool->nr) > min && (surplus = take(pool)))
		pool->free(surplus, pool->arg);
	new = api_nested() ? NULL : malloc_fast(min * sizeof(void *));
	slot = new ? api_enter(&nr) : NULL;
	if (!slot)
		return -1;
	lock(&pool->lock, LOCK_LIST);
	old = pool->reserve;
	/* Somebody gave one back since: it stays where it is. */
	if (pool->nr > min) {
		old = new;
	} else {
		memcpy(new, old, pool->nr * sizeof(void *));
		pool->reserve = new;
		pool->min = min;
	}
	unlock(&pool->lock, LOCK_LIST);
	mm_leave_slot(slot);
	free_fast(old);
	if (old == new)
		return bm_pool_resize(pool, min);
	if (fill(pool))
		return 0;
	errno = ENOMEM;
	return -1;
}

static void *alloc_object(unsigned gfp, void *arg)
{
	return bm_cache_alloc(arg, gfp);
}

static void free_object(void *p, void *arg)
{
	bm_cache_free(arg, p);
}

BM_EXPORT struct bm_pool *bm_pool_create_cache(size_t min,
					       struct bm_cache *cache)
{
	struct bm_pool *pool = bm_pool_create(min, alloc_object, free_object,
					      cache);

	/* Constructed objects are not cleared. */
	if (pool && !cache_has_ctor(cache))
		pool->bytes = bm_cache_size(cache);
	return pool;
}

static void *alloc_bytes(unsigned gfp, void *arg)
{
	return bm_kmalloc((uintptr_t)arg, gfp);
}

static void free_bytes(void *p, void *arg)
{
	(void)arg;
	free_fast(p);
}

BM_EXPORT struct bm_pool *bm_pool_create_kmalloc(size_t min, size_t size)
{
	struct bm_pool *pool = bm_pool_create(min, alloc_bytes, free_bytes,
					      (void *)size);

	if (pool)
		pool->bytes = size;
	return pool;
}

static void *alloc_block(unsigned gfp, void *arg)
{
	return bm_get_free_pages(gfp, (unsigned)(uintptr_t)arg);
}

static void free_block(void *p, void *arg)
{
	bm_put_pages(p, (unsigned)(uintptr_t)arg);
}

BM_EXPORT struct bm_pool *bm_pool_create_pages(size_t min, unsigned order)
{
	struct bm_pool *pool = bm_pool_create(min, alloc_block, free_block,
					      (void *)(uintptr_t)order);

	if (pool)
		pool->bytes = page_bytes() << order;
	return pool;
}
