/* SPDX-License-Identifier: MIT */
#include "slab/named.h"

#include <string.h>

#include "base/print.h"
#include "slab/sheaf.h"

static struct {
	struct lock lock;
	struct list caches;	/* (R) */
} registry;

/* One that nobody has, for a cache that can have one. */
static unsigned free_class(const struct cache *cache)
{
	unsigned class = NR_CLASSES;

	if (!cache->slots ||
	    (percpu.home_mode == PERCPU_RSEQ && !percpu.can_fence))
		return CLASS_NAMED;
	while (class < CLASS_NAMED && cache_of_class(class))
		class++;
	return class;
}

void named_init(struct cache *cache, const char *name, size_t size)
{
	unsigned class;

	cache_init_geometry(cache, size);
	cache->name = name;
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		cache_node(cache, nid)->keeps_full = true;
	lock(&registry.lock, LOCK_LIST);
	class = free_class(cache);
	cache->class = (uint8_t)class;
	if (class != CLASS_NAMED)
		store_release(&named_caches[class - NR_CLASSES], cache);
	list_add_tail(&cache->named, &registry.caches);
	unlock(&registry.lock, LOCK_LIST);
}

void named_exit(struct cache *cache)
{
	lock(&registry.lock, LOCK_LIST);
	list_del(&cache->named);
	if (cache->class != CLASS_NAMED)
		WRITE_ONCE(named_caches[cache->class - NR_CLASSES], NULL);
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

static void *take_from_sheaf(struct cache *cache, struct slot *slot,
			     uint32_t nr, bool *fresh)
{
	for (bool again = false;; again = true) {
		void *p = rseq_pop(cache->class);
		enum sheaf_result r;

		if (p)
			return p;
		r = cache_alloc(cache, slot, nr, again, &p, fresh);
		if (r != SHEAF_RETRY)
			return r == SHEAF_DONE ? p : NULL;
	}
}

void *named_alloc(struct cache *cache, struct slot *slot, uint32_t nr, int nid,
		  bool *fresh)
{
	unsigned from = nid == NID_ANY ? slot->node : (unsigned)nid;
	void *p;

	*fresh = false;
	if (!cache->ctor)
		fresh = NULL;
	if (cache->class != CLASS_NAMED && from == slot->node)
		return take_from_sheaf(cache, slot, nr, fresh);
	return slab_take(cache, owner_of(from, nr), &slot->pcp, &p, 1, fresh)
		       ? p
		       : NULL;
}

void named_free(void *p, unsigned entry, struct slot *slot, uint32_t nr)
{
	bool again = false;

	if ((entry & CLASS_MASK) == CLASS_NAMED) {
		slab_put(cache_of(p), &slot->pcp, &p, 1);
		return;
	}
	while (cache_free(p, entry, slot, nr, again) == SHEAF_RETRY &&
	       !rseq_push(p, entry))
		again = true;
}

static void shrink(struct cache *cache, void *arg)
{
	size_t *most = arg;

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

static void forget_spares(struct cache *cache, void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < percpu.max_active; i++)
		cache->slots[i].class.spare = 0;
}

static void each_with_class(void (*fn)(struct cache *cache, void *arg))
{
	for (unsigned class = NR_CLASSES; class < CLASS_NAMED; class++)
		if (cache_of_class(class))
			fn(cache_of_class(class), NULL);
}

void named_child(void)
{
	each_with_class(forget_spares);
}

static void recover(struct cache *cache, void *arg)
{
	(void)arg;
	cache_recover(cache);
}

/* The table is right at any moment, the list only outside of its lock. */
void named_recover(void)
{
	if (registry.lock.word)
		memset(&registry, 0, sizeof(registry));
	named_each(recover, NULL);
	each_with_class(recover);
	each_with_class(forget_spares);
}

bool named_row(unsigned i, struct named_row *row)
{
	struct list *l;

	lock(&registry.lock, LOCK_LIST);
	for (l = first(); i && l != &registry.caches; l = l->next)
		i--;
	if (l != &registry.caches) {
		struct cache *cache = container_of(l, struct cache, named);
		bool sheaves = cache->class != CLASS_NAMED;

		memset(row, 0, sizeof(*row));
		memcpy(row->name, cache->name,
		       min_u64(strlen(cache->name), sizeof(row->name) - 1));
		row->size = cache->size;
		row->objects = cache->objects;
		row->sheaf = sheaves ? cache->max_sheaf : 0;
		row->barn = sheaves ? cache->max_barn : 0;
		row->order = cache->order;
		row->count = cache_count(cache);
	}
	unlock(&registry.lock, LOCK_LIST);
	return l != &registry.caches;
}
