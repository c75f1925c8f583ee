/* SPDX-License-Identifier: MIT */
#include "slab/named.h"

#include <string.h>

#include "base/print.h"

static struct {
	struct lock lock;
	struct list caches;	/* (R) */
} registry;

void named_init(struct cache *cache, const char *name, size_t size)
{
	cache_init_geometry(cache, size);
	cache->class = CLASS_NAMED;
	cache->max_sheaf = (uint8_t)min_u64(
		MAGAZINE_OBJECTS, max_u64(2, MAGAZINE_BUDGET / size));
	cache->name = name;
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		cache_node(cache, nid)->keeps_full = true;
	lock(&registry.lock, LOCK_LIST);
	list_add_tail(&cache->named, &registry.caches);
	unlock(&registry.lock, LOCK_LIST);
}

void named_exit(struct cache *cache)
{
	lock(&registry.lock, LOCK_LIST);
	list_del(&cache->named);
	unlock(&registry.lock, LOCK_LIST);
}

static struct list *first(void)
{
	struct list *l = registry.caches.next;

	return l ? l : &registry.caches;
}

bool named_known(const struct cache *cache)
{
	struct list *l;

	lock(&registry.lock, LOCK_LIST);
	for (l = first(); l != &registry.caches; l = l->next)
		if (l == &cache->named)
			break;
	unlock(&registry.lock, LOCK_LIST);
	return l != &registry.caches;
}

void named_each(void (*fn)(struct cache *cache, void *arg), void *arg)
{
	for (struct list *l = first(); l != &registry.caches; l = l->next)
		fn(container_of(l, struct cache, named), arg);
}

/* NULL: every call goes to a slab. */
static struct magazine *magazine_of(const struct cache *cache, uint32_t nr)
{
	return cache->magazines && percpu.mode != PERCPU_DIRECT
		       ? &cache->magazines[nr]
		       : NULL;
}

/* Half a magazine of objects that were out before; a fresh one is kept apart. */
static void *refill(struct cache *cache, struct slot *slot,
		    struct magazine *magazine, bool *fresh)
{
	unsigned want = cache->max_sheaf / 2u, owner = owner_of(slot->node, 0);
	void *p = NULL;

	if (!cache->ctor) {
		magazine->nr = slab_take(cache, owner, &slot->pcp,
					 magazine->objects, want, NULL);
		return magazine->nr ? magazine->objects[--magazine->nr] : NULL;
	}
	while (magazine->nr < want && !*fresh &&
	       slab_take(cache, owner, &slot->pcp, &p, 1, fresh))
		magazine->objects[magazine->nr++] = p;
	return magazine->nr ? magazine->objects[--magazine->nr] : NULL;
}

void *named_alloc(struct cache *cache, struct slot *slot, uint32_t nr, int nid,
		  bool *fresh)
{
	unsigned from = nid == NID_ANY ? slot->node : (unsigned)nid;
	bool own = nid == NID_ANY || topo.nodes == 1 ||
		   (cache->per_node && from == slot->node);
	struct magazine *magazine = own ? magazine_of(cache, nr) : NULL;
	void *p;

	*fresh = false;
	if (likely(magazine)) {
		if (likely(magazine->nr))
			return magazine->objects[--magazine->nr];
		return refill(cache, slot, magazine, fresh);
	}
	if (!slab_take(cache, owner_of(from, 0), &slot->pcp, &p, 1, fresh))
		return NULL;
	*fresh = *fresh && cache->ctor;
	return p;
}

void named_free(void *p, struct slot *slot, uint32_t nr)
{
	struct cache *cache = cache_of(p);
	struct magazine *magazine = magazine_of(cache, nr);
	unsigned half = cache->max_sheaf / 2u;

	slab_check(cache, p);
	if (unlikely(!magazine) ||
	    (cache->per_node && page_node(slab_of(p)) != slot->node)) {
		slab_put(cache, &slot->pcp, &p, 1);
		return;
	}
	if (magazine->nr && magazine->objects[magazine->nr - 1] == p)
		fatal("double free of %p (cache '%s')", p, cache->name);
	/* Those at the bottom have waited longest. */
	if (unlikely(magazine->nr == cache->max_sheaf)) {
		slab_put(cache, &slot->pcp, magazine->objects, half);
		magazine->nr -= half;
		memmove(magazine->objects, magazine->objects + half,
			magazine->nr * sizeof(p));
	}
	magazine->objects[magazine->nr++] = p;
}

void named_flush(struct cache *cache, struct pcp *pcp)
{
	for (uint32_t i = 0; cache->magazines && i < percpu.max_active; i++) {
		struct magazine *magazine = &cache->magazines[i];

		if (magazine->nr)
			slab_put(cache, pcp, magazine->objects, magazine->nr);
		magazine->nr = 0;
	}
}

static void shrink(struct cache *cache, void *arg)
{
	size_t *most = arg;

	named_flush(cache, NULL);
	cache_shrink(cache, NULL);
	for (unsigned nid = 0; nid < topo.nodes && *most; nid++)
		*most -= min_u64(*most, cache_thin(cache, nid, THIN_ALL, *most));
}

void named_shrink(void)
{
	/* All slots stand still: a few milliseconds. The frees do the rest. */
	size_t most = MIB(8) >> topo.page_shift;

	named_each(shrink, &most);
}

/* Magazines were copied at any moment: they are left alone. */
static void recover(struct cache *cache, void *arg)
{
	(void)arg;
	cache_recover(cache);
	for (uint32_t i = 0; cache->magazines && i < percpu.max_active; i++)
		cache->magazines[i].nr = 0;
}

void named_recover(void)
{
	if (registry.lock.word)
		memset(&registry, 0, sizeof(registry));
	named_each(recover, NULL);
}

bool named_row(unsigned i, struct named_row *row)
{
	struct list *l;

	lock(&registry.lock, LOCK_LIST);
	for (l = first(); i && l != &registry.caches; l = l->next)
		i--;
	if (l != &registry.caches) {
		struct cache *cache = container_of(l, struct cache, named);

		memset(row, 0, sizeof(*row));
		memcpy(row->name, cache->name,
		       min_u64(strlen(cache->name), sizeof(row->name) - 1));
		row->size = cache->size;
		row->objects = cache->objects;
		row->magazine = cache->magazines ? cache->max_sheaf : 0;
		row->order = cache->order;
		row->count = cache_count(cache);
	}
	unlock(&registry.lock, LOCK_LIST);
	return l != &registry.caches;
}

static void add_bytes(struct cache *cache, void *arg)
{
	for (uint32_t i = 0; cache->magazines && i < percpu.max_active; i++)
		*(size_t *)arg += (size_t)cache->magazines[i].nr * cache->size;
}

size_t named_cached_bytes(void)
{
	size_t bytes = 0;

	named_each(add_bytes, &bytes);
	return bytes;
}
