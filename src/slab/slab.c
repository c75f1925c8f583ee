/* SPDX-License-Identifier: MIT */
#include "slab/lists.h"

#include <limits.h>
#include <string.h>

#include "base/print.h"
#include "os/os.h"
#include "zone/quota.h"

struct cache caches[NR_CLASSES];
struct cache *named_caches[CLASS_NAMED - NR_CLASSES] set_apart;

void slab_refuse(const char *what, const struct cache *cache, void *p)
{
	if (cache->name)
		fatal("%s free of %p (cache '%s')", what, p, cache->name);
	fatal("%s free of %p (size class %u)", what, p, cache->size);
}

/*
 * What the map says of each unit of a slab, and what the descriptors of those
 * behind the first do.
 */
static void set_units(struct cache *cache, struct page *slab, unsigned entry,
		      enum page_type type)
{
	size_t first = ((uintptr_t)page_address(slab) - window.base) >>
		       UNIT_SHIFT;
	unsigned units = (1u << cache->order) >> (UNIT_SHIFT - topo.page_shift);

	for (unsigned i = 0; i < units; i++) {
		struct page *page = page_of_unit(first + i);

		if (i && (page->type != type || page->unit.back != i)) {
			page->unit.back = i;
			page->type = type;
		}
		WRITE_ONCE(window.map[first + i], (uint16_t)entry);
	}
}

/* Most are zero: not written, their page stays one that was never touched. */
static void clear_words(struct page *slab, unsigned n)
{
	for (unsigned w = 0; w < n; w++)
		if (*bits_of(slab, w))
			*bits_of(slab, w) = 0;
}

/*
 * A slab of the owner's node or, without GFP_THISNODE, of any. No list lock is
 * held: pages may need a system call.
 */
static struct page *new_slab(struct cache *cache, unsigned owner, unsigned gfp,
			     struct pcp *pcp)
{
	size_t npages = (size_t)1 << cache->order;
	unsigned kind;
	struct page *slab = node_alloc(owner_node(owner), gfp, npages, npages,
				       pcp, &kind);
	unsigned nid;

	if (!slab)
		return NULL;
	nid = page_node(slab);
	/* Smaller blocks may have begun here before: old descriptors. */
	clear_words(slab, bit_words(cache) + 1);
	slab->order = cache->order;
	page_set_type(slab, PAGE_SLAB);
	slab->epoch = cache_node(cache, nid)->epoch;
	slab->slab.cache = cache;
	slab->slab.nr_free = slab->slab.fresh = slab->slab.hint = 0;
	slab->slab.bin = SLAB_FULL;
	/* With a constructor it tells what was never constructed. */
	slab->slab.zeroed = kind == CLEAN || cache->ctor;
	set_units(cache, slab, owner_of(nid, owner) << CLASS_BITS | cache->class,
		  PAGE_SLAB_UNIT);
	return slab;
}

/*
 * Every object is at home again. The bits go back to zero, and the type of
 * each descriptor with them, which the buddies rely on.
 */
static void free_slab(struct cache *cache, struct page *slab,
		      struct pcp *pcp)
{
	size_t npages = (size_t)1 << cache->order;

	set_units(cache, slab, 0, PAGE_NONE);
	if (slab->flags & PAGE_HOLLOW)
		hollow_end(cache, slab);
	clear_words(slab, (slab->slab.fresh + 63u) / 64);
	slab->flags = 0;
	slab->npages = (uint32_t)npages;
	page_set_type(slab, PAGE_LARGE);
	/* Not to the runs that wait for their like: a slab is no run. */
	node_free(slab, cache->order < PCP_ORDERS ? pcp : NULL);
}

void free_slabs(struct cache *cache, struct list *slabs, struct pcp *pcp)
{
	while (!list_empty(slabs)) {
		struct page *slab = container_of(slabs->next, struct page,
						 link);

		list_del(&slab->link);
		free_slab(cache, slab, pcp);
	}
}

/* Objects of one slab, lowest address first; returns how many. */
static unsigned take_from(struct cache *cache, struct page *slab, char *start,
			  void **slots, unsigned n, bool *zeroed)
{
	char *p;
	size_t size = cache->size;
	unsigned w = slab->slab.hint, free = slab->slab.nr_free, left = n, more;

	while (left && free) {
		uint64_t *bits = bits_of(slab, w), word = *bits;
		unsigned was = left;

		DEBUG_ON(w >= (slab->slab.fresh + 63u) / 64);
		for (; word && left; word &= word - 1)
			slots[--left] = start + size * (w * 64 +
					(unsigned)__builtin_ctzll(word));
		free -= was - left;
		*bits = word;
		w += !word;
	}
	slab->slab.nr_free = (uint16_t)free;
	slab->slab.hint = (uint16_t)w;
	if (zeroed)
		*zeroed = left == n && slab->slab.zeroed;
	p = start + size * slab->slab.fresh;
	more = (unsigned)min_u64(left, cache->objects - slab->slab.fresh);
	slab->slab.fresh += (uint16_t)more;
	for (; more; more--, p += size)
		slots[--left] = p;
	return n - left;
}

/* What happened to pages that had gone: they were wanted again, or refused. */
struct refill {
	bool done, refused;
};

static bool may_refill(const struct cache *cache, struct page *slab)
{
	size_t pages = hollow_pages(cache, slab);

	return !pages || !READ_ONCE(quota.on) || quota_has_room(pages);
}

/* The slab's pages may have memory again, if the limits have room for it. */
static bool refill(struct cache *cache, struct page *slab,
		   struct refill *refill)
{
	if (!may_refill(cache, slab)) {
		refill->refused = true;
		return false;
	}
	hollow_end(cache, slab);
	refill->done = true;
	return true;
}

/* The fullest; dense: of those with all of their memory. */
static struct page *first_partial(const struct cache *cache,
				  struct cache_node *node, bool dense)
{
	for (unsigned bin = 0; bin < SLAB_LISTS; bin++) {
		struct list *list = &node->partial[bin], *l = list->next;

		if (bin == SLAB_FULL)
			continue;
		for (; l && l != list; l = l->next) {
			struct page *slab = container_of(l, struct page, link);

			if (!dense || !hollow_pages(cache, slab))
				return slab;
		}
	}
	return NULL;
}

/*
 * How many of a slab go with those taken already: with a constructor such as
 * were out before, or, alone, one that never was.
 */
static unsigned of_a_kind(const struct cache *cache, const struct page *slab,
			  unsigned n, unsigned got, bool *last)
{
	if (!cache->ctor)
		return n;
	if (slab->slab.nr_free)
		return (unsigned)min_u64(n, slab->slab.nr_free);
	*last = true;
	return !got;
}

/* What the lists of the owner's node have. */
static unsigned take_locked(struct cache *cache, struct cache_node *node,
			    unsigned owner, void **slots, unsigned n,
			    bool *zeroed, struct refill *refilled)
{
	unsigned got = 0, entry = owner << CLASS_BITS | cache->class;
	struct page *slab;
	char *start;
	unsigned most;
	bool last = false;

	while (got < n && !last && (slab = first_partial(cache, node,
						       refilled->refused))) {
		bool empty = slab->slab.nr_free == slab->slab.fresh;

		if (unlikely(slab->flags & PAGE_HOLLOW) &&
		    !refill(cache, slab, refilled))
			continue;
		most = of_a_kind(cache, slab, n - got, got, &last);
		if (!most)
			break;
		start = page_address(slab);
		if (*map_entry(start) != entry)
			set_units(cache, slab, entry, PAGE_SLAB_UNIT);
		got += take_from(cache, slab, start, slots + (n - got - most),
				 most, zeroed);
		node->nr_empty -= empty;
		set_bin(node, slab, bin_of(cache, slab));
	}
	node->nr_out += got;
	if (node->nr_out > node->peak[0])
		node->peak[0] = node->nr_out;
	return got;
}

static unsigned take(struct cache *cache, unsigned owner, void **slots,
		     unsigned n, bool *zeroed)
{
	struct cache_node *node = cache_node(cache, owner_node(owner));
	struct refill refilled = { false, false };
	unsigned got;

	lock(&node->list_lock, LOCK_LIST);
	got = take_locked(cache, node, owner, slots, n, zeroed, &refilled);
	unlock(&node->list_lock, LOCK_LIST);
	if (unlikely(refilled.done))
		quota_keep();
	return got;
}

/* A new slab onto the lists of its node. */
static bool add_slab(struct cache *cache, unsigned owner, unsigned gfp,
		     struct pcp *pcp)
{
	struct page *slab = new_slab(cache, owner, gfp, pcp);
	struct cache_node *node;

	if (!slab)
		return false;
	node = cache_node(cache, page_node(slab));
	lock(&node->list_lock, LOCK_LIST);
	node->nr_slabs++;
	node->nr_empty++;
	enlist(node, slab, bin_of(cache, slab));
	unlock(&node->list_lock, LOCK_LIST);
	return true;
}

/* What the slabs of other nodes have at home, the nearest node's first. */
static unsigned take_far(struct cache *cache, unsigned owner, void **slots,
			 unsigned n, bool *zeroed)
{
	unsigned nid = owner_node(owner), at = nid, got = 0;
	uint64_t left = UINT64_MAX >> (64 - topo.nodes);

	while (!got && (left &= ~((uint64_t)1 << at))) {
		at = topo_nearest(nid, left);
		got = take(cache, owner_of(at, owner), slots, n, zeroed);
	}
	return got;
}

unsigned slab_take(struct cache *cache, unsigned owner, struct pcp *pcp,
		   void **slots, unsigned n, bool *zeroed)
{
	unsigned got;
	unsigned gfp = cache_zone(cache) | GFP_WINDOW;

	/* Others may take what was added, before us. */
	do
		got = take(cache, owner, slots, n, zeroed);
	while (!got && add_slab(cache, owner, gfp | GFP_THISNODE, pcp));
	/* What is added now may be of any node, and the own one as well. */
	while (!got && !(got = take_far(cache, owner, slots, n, zeroed))) {
		if (!add_slab(cache, owner, gfp, NULL))
			return 0;
		got = take(cache, owner, slots, n, zeroed);
	}
	if (got < n)
		memmove(slots, slots + (n - got), got * sizeof(*slots));
	return got;
}

/* The number of the object that starts there; fatal when none does. */
static always_inline unsigned number(const struct cache *cache, size_t size,
				     uint64_t reciprocal, uintptr_t start,
				     void *p)
{
	size_t offset = (uintptr_t)p - start;
	size_t nr = offset * reciprocal >> RECIPROCAL_SHIFT;

	if (unlikely(nr * size != offset))
		slab_refuse("misaligned", cache, p);
	return (unsigned)nr;
}

/* Other objects' bits may change meanwhile; that of one that is out cannot. */
void slab_check(const struct cache *cache, void *p)
{
	uintptr_t start;
	struct page *slab = slab_find(p, &start);

	if (unlikely(is_home(slab, number(cache, cache->size,
					   cache->reciprocal, start, p))))
		slab_refuse("double", cache, p);
}

/*
 * Of the objects the first ones, which are of one slab: what is freed in the
 * order in which it was allocated has many of a kind. Returns how many.
 */
static unsigned put_run(const struct cache *cache, struct page *slab,
			uintptr_t start, void **slots, unsigned n)
{
	size_t bytes = page_bytes() << cache->order;
	unsigned fresh = slab->slab.fresh, lowest = UINT16_MAX, i;
	uint64_t reciprocal = cache->reciprocal;
	size_t size = cache->size;
	unsigned at = UINT_MAX;
	uint64_t *bits = NULL, word = 0;

	for (i = 0; i < n && (uintptr_t)slots[i] - start < bytes; i++) {
		unsigned nr = number(cache, size, reciprocal, start, slots[i]);
		uint64_t bit = 1ull << nr % 64;

		/* Neighbours share a word, which stays in a register. */
		if (nr / 64 != at) {
			if (bits)
				*bits = word;
			at = nr / 64;
			bits = bits_of(slab, at);
			word = *bits;
			lowest = at < lowest ? at : lowest;
		}
		if (unlikely(nr >= fresh || word & bit))
			slab_refuse("double", cache, slots[i]);
		word |= bit;
	}
	*bits = word;
	if (!slab->slab.nr_free || lowest < slab->slab.hint)
		slab->slab.hint = (uint16_t)lowest;
	slab->slab.nr_free += (uint16_t)i;
	return i;
}

/* Of the objects that are of one node, the first ones; returns how many. */
static unsigned put(struct cache *cache, unsigned nid, void **slots, unsigned n,
		    struct list *surplus)
{
	struct cache_node *node = cache_node(cache, nid);
	unsigned home = 0, i = 0, run;

	lock(&node->list_lock, LOCK_LIST);
	for (; i < n && home_of(slots[i]) == nid; i += run) {
		uintptr_t start;
		struct page *slab = slab_find(slots[i], &start);

		run = 1;
		if (unlikely(slab->epoch != node->epoch))
			continue;
		run = put_run(cache, slab, start, slots + i, n - i);
		home += run;
		if (unlikely(slab->slab.bin == SLAB_HELD))
			continue;
		if (slab->slab.nr_free == slab->slab.fresh) {
			/*
			 * One is kept: the next sheaf may want it back. But
			 * of middle blocks it is much, and the class may have
			 * turned.
			 */
			if (node->nr_empty || slab->slab.bin == SLAB_SPARSE ||
			    class_is_middle(cache->class)) {
				unlist(node, slab);
				list_add(&slab->link, surplus);
				node->nr_slabs--;
				continue;
			}
			node->nr_empty++;
		}
		if (slab->slab.bin != SLAB_SPARSE)
			set_bin(node, slab, bin_of(cache, slab));
	}
	node->nr_out -= home;
	unlock(&node->list_lock, LOCK_LIST);
	return i;
}

void slab_put(struct cache *cache, struct pcp *pcp, void **slots, unsigned n)
{
	struct list surplus;
	unsigned done;

	list_init(&surplus);
	for (; n; n -= done, slots += done) {
		unsigned nid = home_of(slots[0]);
		struct cache_node *node = cache_node(cache, nid);

		done = put(cache, nid, slots, n, &surplus);
		if (unlikely(cache_has_surplus(cache, node)))
			cache_thin(cache, nid, THIN_NOW_AND_THEN, SIZE_MAX);
	}
	free_slabs(cache, &surplus, pcp);
}

static void shrink(struct cache *cache, struct cache_node *node,
		   struct pcp *pcp)
{
	struct list surplus, *l, *next;

	list_init(&surplus);
	lock(&node->list_lock, LOCK_LIST);
	l = node->nr_empty ? node->partial[SLAB_BINS - 1].next : NULL;
	for (; l && l != &node->partial[SLAB_BINS - 1]; l = next) {
		struct page *slab = container_of(l, struct page, link);

		next = l->next;
		if (slab->slab.nr_free != slab->slab.fresh)
			continue;
		unlist(node, slab);
		list_add(&slab->link, &surplus);
		node->nr_empty--;
		node->nr_slabs--;
	}
	unlock(&node->list_lock, LOCK_LIST);
	free_slabs(cache, &surplus, pcp);
}

void cache_shrink(struct cache *cache, struct pcp *pcp)
{
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		shrink(cache, cache_node(cache, nid), pcp);
}

void caches_shrink(void)
{
	for (unsigned class = 1; class < NR_CLASSES; class++)
		cache_shrink(&caches[class], NULL);
}

void *slab_move(struct cache *cache, struct pcp *pcp, void *p)
{
	struct cache_node *node = cache_node(cache, home_of(p));
	struct refill refilled = { false, false };
	struct page *slab;
	void *to = NULL;

	slab_check(cache, p);
	lock(&node->list_lock, LOCK_LIST);
	slab = first_partial(cache, node, false);
	/* It stays with its owner, as far as there is one. */
	if (slab && slab->slab.bin != SLAB_SPARSE && slab_is_sparse(p) &&
	    may_refill(cache, slab))
		take_locked(cache, node,
			    entry_owner(*map_entry(page_address(slab))), &to, 1,
			    NULL, &refilled);
	unlock(&node->list_lock, LOCK_LIST);
	if (refilled.done)
		quota_keep();
	if (!to)
		return NULL;
	memcpy(to, p, cache->size);
	slab_put(cache, pcp, &p, 1);
	return to;
}

void cache_release(struct cache *cache, struct pcp *pcp)
{
	struct list slabs;

	list_init(&slabs);
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct cache_node *node = cache_node(cache, nid);

		lock(&node->list_lock, LOCK_LIST);
		for (unsigned bin = 0; bin < SLAB_LISTS; bin++)
			while (!list_empty(&node->partial[bin])) {
				struct list *l = node->partial[bin].next;

				list_del(l);
				list_add(l, &slabs);
			}
		node->nr_slabs = node->nr_empty = 0;
		node->nr_out = 0;
		unlock(&node->list_lock, LOCK_LIST);
	}
	free_slabs(cache, &slabs, pcp);
}

static char *object(const struct cache *cache, struct page *slab, unsigned nr)
{
	return (char *)page_address(slab) + (size_t)nr * cache->size;
}

/* Objects of one list that are out; how many are in out[] by now. */
static size_t name_live(const struct cache *cache, struct list *list,
			void **out, size_t got, size_t n)
{
	for (struct list *l = list->next; l && l != list; l = l->next) {
		struct page *slab = container_of(l, struct page, link);

		for (unsigned nr = 0; nr < slab->slab.fresh && got < n; nr++)
			if (!is_home(slab, nr))
				out[got++] = object(cache, slab, nr);
	}
	return got;
}

size_t cache_live(struct cache *cache, void **out, size_t n)
{
	size_t got = 0, live = 0;

	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct cache_node *node = cache_node(cache, nid);

		lock(&node->list_lock, LOCK_LIST);
		live += node->nr_out;
		for (unsigned bin = 0; bin < SLAB_LISTS && got < n; bin++)
			got = name_live(cache, &node->partial[bin], out, got,
					n);
		unlock(&node->list_lock, LOCK_LIST);
	}
	return live;
}

struct cache_counts cache_count(const struct cache *cache)
{
	struct cache_counts c = { 0, 0, 0 };

	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		const struct cache_node *node = cache_node(cache, nid);

		c.out += READ_ONCE(node->nr_out);
		c.slabs += READ_ONCE(node->nr_slabs);
		c.empty += READ_ONCE(node->nr_empty);
	}
	return c;
}

static void recover(struct cache_node *node)
{
	if (node->list_lock.word) {
		memset(node->partial, 0, sizeof(node->partial));
		node->nr_slabs = node->nr_empty = 0;
		node->nr_out = 0;
		node->epoch++;
	}
	node->list_lock.word = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(node->barns); i++)
		if (node->barns[i].lock.word)
			memset(&node->barns[i], 0, sizeof(node->barns[i]));
}

void cache_recover(struct cache *cache)
{
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		recover(cache_node(cache, nid));
}

void caches_recover(void)
{
	for (unsigned class = 1; class < NR_CLASSES; class++)
		cache_recover(&caches[class]);
}

/* 18 KiB objects: three in 64 KiB waste 10 KiB, seven in 128 KiB only 2. */
void cache_init_geometry(struct cache *cache, size_t size)
{
	size_t bytes = UNIT_BYTES;

	while (bytes % size * 16 > bytes || bytes / size < 4)
		bytes *= 2;
	cache->order = (uint8_t)(log2_floor(bytes) - topo.page_shift);
	cache->objects = (uint16_t)(bytes / size);
	cache->size = (uint32_t)size;
	cache->reciprocal = (((uint64_t)1 << RECIPROCAL_SHIFT) + size - 1) /
			    size;
	cache->max_sheaf = (uint8_t)min_u64(
		SHEAF_OBJECTS,
		max_u64(1, SHEAF_BUDGET / (size > 1024 ? 2 : 1) / size));
	cache->max_grown = (uint8_t)min_u64(SHEAF_OBJECTS, GROWN_BUDGET / size);
	cache->max_barn = (uint8_t)min_u64(
		28, max_u64(1, BARN_BUDGET / (cache->max_sheaf * size)));
}

bool caches_init(void)
{
	size_t stride = NR_CLASSES * sizeof(struct cache_node);
	struct cache_node *node = os_map(align_up(topo.nodes * stride,
						  page_bytes()));

	if (!node)
		return false;
	classes_init();
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache *cache = &caches[class];

		cache->class = (uint8_t)class;
		cache_init_geometry(cache, class_bytes(class));
		cache->first_node = &node[class];
		cache->node_stride = (uint32_t)stride;
	}
	return true;
}
