/* SPDX-License-Identifier: MIT */
#include "slab/slab.h"

#include <string.h>

#include "base/print.h"
#include "os/os.h"

struct cache caches[NR_CLASSES];

/* A bit for each object, behind the slab's own descriptor. */
static uint64_t *bits_of(struct page *slab)
{
	return (uint64_t *)((char *)slab + sizeof(*slab));
}

static unsigned at_home(const struct cache *cache, const struct page *slab)
{
	return slab->slab.nr_free + cache->objects - slab->slab.fresh;
}

/* 101 of 400 at home: bin 1; none: SLAB_FULL. No division: each free is here. */
static unsigned bin_of(const struct cache *cache, const struct page *slab)
{
	unsigned home = at_home(cache, slab), quarter = cache->objects / 4u;

	if (!home)
		return SLAB_FULL;
	return (home > quarter) + (home > 2 * quarter) + (home > 3 * quarter);
}

static void set_bin(struct cache_node *node, struct page *slab, unsigned bin)
{
	if (slab->slab.bin == bin)
		return;
	if (slab->slab.bin != SLAB_FULL)
		list_del(&slab->link);
	if (bin != SLAB_FULL)
		list_add(&slab->link, &node->partial[bin]);
	slab->slab.bin = (uint8_t)bin;
}

static void set_entries(struct cache *cache, struct page *slab, unsigned entry)
{
	uint16_t *map = map_entry(page_address(slab));
	unsigned units = (1u << cache->order) >> (UNIT_SHIFT - topo.page_shift);

	for (unsigned i = 0; i < units; i++)
		WRITE_ONCE(map[i], (uint16_t)entry);
}

/* No list lock is held: pages may need a system call. */
static struct page *new_slab(struct cache *cache, unsigned hint,
			     struct pcp *pcp)
{
	unsigned unit = 1u << (UNIT_SHIFT - topo.page_shift), kind;
	size_t npages = (size_t)1 << cache->order;
	struct page *slab = node_alloc(0, ZONE_NORMAL, npages, npages, pcp,
				       &kind);

	if (!slab)
		return NULL;
	/* Smaller blocks may have begun here before: old descriptors. */
	memset(bits_of(slab), 0, (cache->objects + 63u) / 64 * 8);
	slab->order = cache->order;
	page_set_type(slab, PAGE_SLAB);
	slab->epoch = cache->node->epoch;
	slab->slab.cache = cache;
	slab->slab.nr_free = slab->slab.fresh = slab->slab.hint = 0;
	slab->slab.bin = SLAB_FULL;
	slab->slab.zeroed = kind == CLEAN;
	for (unsigned i = unit; i < npages; i += unit) {
		struct page *page = page_at(pfn_of(slab) + i);

		page->type = PAGE_SLAB_UNIT;
		page->unit.back = i;
	}
	set_entries(cache, slab, hint << CLASS_BITS | cache->class);
	return slab;
}

/*
 * Every object is at home again. The bits go back to zero, and the type of
 * each descriptor with them, which the buddies rely on.
 */
static void free_slab(struct cache *cache, struct page *slab,
		      struct pcp *pcp)
{
	unsigned unit = 1u << (UNIT_SHIFT - topo.page_shift);
	size_t npages = (size_t)1 << cache->order;

	set_entries(cache, slab, 0);
	memset(bits_of(slab), 0, (slab->slab.fresh + 63) / 64 * 8);
	for (unsigned i = unit; i < npages; i += unit)
		page_at(pfn_of(slab) + i)->type = PAGE_NONE;
	slab->flags = 0;
	slab->npages = (uint32_t)npages;
	page_set_type(slab, PAGE_LARGE);
	node_free(slab, pcp);
}

static void free_slabs(struct cache *cache, struct list *slabs,
		       struct pcp *pcp)
{
	while (!list_empty(slabs)) {
		struct page *slab = container_of(slabs->next, struct page,
						 link);

		list_del(&slab->link);
		free_slab(cache, slab, pcp);
	}
}

static char *object(const struct cache *cache, struct page *slab, unsigned nr)
{
	return (char *)page_address(slab) + (size_t)nr * cache->size;
}

/* Objects of one slab, lowest address first; returns how many. */
static unsigned take_from(struct cache *cache, struct page *slab, void **slots,
			  unsigned n, bool *zeroed)
{
	uint64_t *bits = bits_of(slab);
	unsigned words = (slab->slab.fresh + 63u) / 64, w = slab->slab.hint;
	unsigned got = 0;

	while (got < n && slab->slab.nr_free) {
		uint64_t word;

		DEBUG_ON(w >= words);
		word = bits[w];
		for (; word && got < n; word &= word - 1, got++)
			slots[n - 1 - got] = object(cache, slab,
				w * 64 + (unsigned)__builtin_ctzll(word));
		slab->slab.nr_free -=
			(uint16_t)__builtin_popcountll(bits[w] & ~word);
		bits[w] = word;
		if (!word)
			w++;
	}
	slab->slab.hint = (uint16_t)w;
	(void)words;
	if (zeroed)
		*zeroed = !got && slab->slab.zeroed;
	for (; got < n && slab->slab.fresh < cache->objects; got++)
		slots[n - 1 - got] = object(cache, slab, slab->slab.fresh++);
	return got;
}

static struct page *first_partial(struct cache_node *node)
{
	for (unsigned bin = 0; bin < SLAB_BINS; bin++)
		if (!list_empty(&node->partial[bin]))
			return container_of(node->partial[bin].next,
					    struct page, link);
	return NULL;
}

unsigned slab_take(struct cache *cache, unsigned hint, struct pcp *pcp,
		   void **slots, unsigned n, bool *zeroed)
{
	struct cache_node *node = cache->node;
	unsigned got = 0, entry = hint << CLASS_BITS | cache->class;

	lock(&node->list_lock, LOCK_LIST);
	while (got < n) {
		struct page *slab = first_partial(node);
		bool empty;

		if (!slab) {
			if (got)
				break;
			unlock(&node->list_lock, LOCK_LIST);
			slab = new_slab(cache, hint, pcp);
			if (!slab)
				return 0;
			lock(&node->list_lock, LOCK_LIST);
			node->nr_slabs++;
			node->nr_empty++;
		}
		empty = slab->slab.nr_free == slab->slab.fresh;
		if (*map_entry(page_address(slab)) != entry)
			set_entries(cache, slab, entry);
		got += take_from(cache, slab, slots, n - got, zeroed);
		node->nr_empty -= empty;
		set_bin(node, slab, bin_of(cache, slab));
	}
	node->nr_out += got;
	unlock(&node->list_lock, LOCK_LIST);
	if (got < n)
		memmove(slots, slots + (n - got), got * sizeof(*slots));
	return got;
}

/* The number of p in its slab; fatal when p is not where an object starts. */
static unsigned number(const struct cache *cache, struct page *slab, void *p)
{
	size_t offset = (size_t)((char *)p - (char *)page_address(slab));
	unsigned nr = (unsigned)(offset * cache->reciprocal >>
				 RECIPROCAL_SHIFT);

	if (unlikely(nr * (size_t)cache->size != offset))
		fatal("misaligned free of %p (size class %u)", p, cache->size);
	return nr;
}

void slab_put(struct cache *cache, struct pcp *pcp, void **slots, unsigned n)
{
	struct cache_node *node = cache->node;
	struct list surplus;
	unsigned home = 0;

	list_init(&surplus);
	lock(&node->list_lock, LOCK_LIST);
	for (unsigned i = 0; i < n; i++) {
		struct page *slab = slab_of(slots[i]);
		unsigned nr = number(cache, slab, slots[i]), w = nr / 64;
		uint64_t bit = 1ull << nr % 64, *word = &bits_of(slab)[w];

		if (unlikely(slab->epoch != node->epoch))
			continue;
		if (unlikely(nr >= slab->slab.fresh || *word & bit))
			fatal("double free of %p (size class %u)", slots[i],
			      cache->size);
		*word |= bit;
		home++;
		if (!slab->slab.nr_free++ || w < slab->slab.hint)
			slab->slab.hint = (uint16_t)w;
		if (slab->slab.nr_free == slab->slab.fresh) {
			/* One is kept: the next sheaf may want it back. */
			if (node->nr_empty) {
				set_bin(node, slab, SLAB_FULL);
				list_add(&slab->link, &surplus);
				node->nr_slabs--;
				continue;
			}
			node->nr_empty++;
		}
		set_bin(node, slab, bin_of(cache, slab));
	}
	node->nr_out -= home;
	unlock(&node->list_lock, LOCK_LIST);
	free_slabs(cache, &surplus, pcp);
}

void caches_shrink(void)
{
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache *cache = &caches[class];
		struct cache_node *node = cache->node;
		struct list surplus, *l, *next;

		list_init(&surplus);
		lock(&node->list_lock, LOCK_LIST);
		l = node->nr_empty ? node->partial[SLAB_BINS - 1].next : NULL;
		for (; l && l != &node->partial[SLAB_BINS - 1]; l = next) {
			struct page *slab = container_of(l, struct page, link);

			next = l->next;
			if (slab->slab.nr_free != slab->slab.fresh)
				continue;
			set_bin(node, slab, SLAB_FULL);
			list_add(&slab->link, &surplus);
			node->nr_empty--;
			node->nr_slabs--;
		}
		unlock(&node->list_lock, LOCK_LIST);
		free_slabs(cache, &surplus, NULL);
	}
}

void caches_recover(void)
{
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache_node *node = caches[class].node;

		if (node->list_lock.word) {
			memset(node->partial, 0, sizeof(node->partial));
			node->nr_slabs = node->nr_empty = 0;
			node->nr_out = 0;
			node->epoch++;
		}
		node->list_lock.word = 0;
		for (unsigned i = 0; i < ARRAY_SIZE(node->barns); i++)
			if (node->barns[i].lock.word)
				memset(&node->barns[i], 0,
				       sizeof(node->barns[i]));
	}
}

/*
 * The smallest slab whose tail is at most 1/16 of it: 18 KiB objects: three
 * in 64 KiB waste 10 KiB, seven in 128 KiB only 2.
 */
static void init_geometry(struct cache *cache, size_t size)
{
	size_t bytes = UNIT_BYTES;

	while (bytes % size * 16 > bytes || bytes / size < 4)
		bytes *= 2;
	cache->order = (uint8_t)(log2_floor(bytes) - topo.page_shift);
	cache->objects = (uint16_t)(bytes / size);
	cache->size = (uint32_t)size;
	cache->reciprocal = (((uint64_t)1 << RECIPROCAL_SHIFT) + size - 1) /
			    size;
}

bool caches_init(void)
{
	struct cache_node *node = os_map(align_up(
		NR_CLASSES * sizeof(struct cache_node), page_bytes()));

	if (!node)
		return false;
	classes_init();
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache *cache = &caches[class];
		size_t size = class_bytes(class), full;

		cache->class = (uint8_t)class;
		init_geometry(cache, size);
		cache->max_sheaf = (uint8_t)min_u64(
			SHEAF_OBJECTS,
			max_u64(2, SHEAF_BUDGET / (size > 1024 ? 2 : 1) / size));
		full = cache->max_sheaf * size;
		cache->max_barn = (uint8_t)min_u64(
			28, max_u64(1, BARN_BUDGET / full));
		cache->node = &node[class];
	}
	return true;
}
