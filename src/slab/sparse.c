/* SPDX-License-Identifier: MIT */
/*
 * Slabs of which little is out. cache_plan() chooses those that are to be
 * drained; cache_thin() gives back the pages on which nothing lives.
 */
#include "slab/lists.h"

#include <string.h>

#include "conf/conf.h"
#include "os/os.h"

enum { STEPS = 64 };	/* of fullness, that a plan tells apart */

static unsigned emptiness(const struct cache *cache, const struct page *slab)
{
	return at_home(cache, slab) * STEPS / cache->objects;
}

/* Of the partial slabs: how many are how empty, and what they have at home. */
static size_t survey(const struct cache *cache, struct cache_node *node,
		     uint32_t nr[STEPS + 1])
{
	size_t home = 0;

	memset(nr, 0, (STEPS + 1) * sizeof(*nr));
	for (unsigned bin = 0; bin < SLAB_BINS; bin++)
		for (struct list *l = node->partial[bin].next;
		     l && l != &node->partial[bin]; l = l->next) {
			struct page *slab = container_of(l, struct page, link);

			nr[emptiness(cache, slab)]++;
			home += at_home(cache, slab);
		}
	return home;
}

static size_t plan_locked(struct cache *cache, struct cache_node *node)
{
	struct list *sparse = &node->partial[SLAB_SPARSE];
	uint32_t nr[STEPS + 1];
	unsigned cut = STEPS;
	size_t left, pages = 0;

	while (!list_empty(sparse)) {
		struct page *slab = container_of(sparse->next, struct page,
						 link);

		set_bin(node, slab, bin_of(cache, slab));
	}
	left = survey(cache, node, nr) / cache->objects;
	while (cut && nr[cut] <= left)
		left -= nr[cut--];
	for (unsigned bin = 0; bin < SLAB_BINS; bin++) {
		struct list *next, *l = node->partial[bin].next;

		for (; l && l != &node->partial[bin]; l = next) {
			struct page *slab = container_of(l, struct page, link);
			unsigned step = emptiness(cache, slab);

			next = l->next;
			if (step < cut || (step == cut && !left) ||
			    slab->slab.nr_free == slab->slab.fresh)
				continue;
			left -= step == cut;
			set_bin(node, slab, SLAB_SPARSE);
			pages += (1u << cache->order) -
				 (slab->flags & PAGE_HOLLOW
					  ? hollow_of(cache, slab)->pages
					  : 0u);
		}
	}
	return pages << topo.page_shift;
}

size_t cache_plan(struct cache *cache)
{
	size_t bytes = 0;

	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct cache_node *node = cache_node(cache, nid);

		lock(&node->list_lock, LOCK_LIST);
		bytes += plan_locked(cache, node);
		unlock(&node->list_lock, LOCK_LIST);
	}
	return bytes;
}

/*
 * The first object from nr on that is at home, or that is out. What was never
 * handed out is at home.
 */
static unsigned find(const struct cache *cache, struct page *slab, unsigned nr,
		     bool home)
{
	unsigned fresh = slab->slab.fresh, at = nr;

	while (at < fresh) {
		uint64_t word = READ_ONCE(bits_of(slab)[at / 64]);

		word = (home ? word : ~word) >> at % 64;
		if (word)
			at += (unsigned)__builtin_ctzll(word);
		if (word && at < fresh)
			return at;
		at = (at / 64 + 1) * 64;
	}
	return home ? (unsigned)max_u64(nr, fresh) : cache->objects;
}

/*
 * Purges the whole pages between what is out; returns how many. The slab is
 * held: objects come home meanwhile, none goes out.
 */
static size_t thin_slab(const struct cache *cache, struct page *slab)
{
	uintptr_t start = (uintptr_t)page_address(slab), lo, hi, end;
	size_t page = page_bytes(), done = 0;
	unsigned from = 0, to;

	end = start + (page << cache->order);
	/* Behind the last that was ever out nothing was touched. */
	if (slab->slab.zeroed)
		end = align_up(start + (size_t)slab->slab.fresh * cache->size,
			       page);
	while ((from = find(cache, slab, from, true)) < cache->objects) {
		to = find(cache, slab, from, false);
		lo = align_up(start + (size_t)from * cache->size, page);
		hi = to == cache->objects
			     ? end
			     : align_down(start + (size_t)to * cache->size,
					  page);
		if (lo < hi) {
			if (!os_purge((void *)lo, hi - lo))
				break;
			done += (hi - lo) >> topo.page_shift;
		}
		from = to;
	}
	return done;
}

/* So much more has come home since it was looked at that a page may be free. */
static bool worth_a_look(const struct cache *cache, struct page *slab)
{
	unsigned seen = slab->flags & PAGE_HOLLOW ? hollow_of(cache, slab)->seen
						  : 0;

	return slab->slab.nr_free != slab->slab.fresh &&
	       at_home(cache, slab) > seen + cache->objects / 8u &&
	       zone_purges(zone_of(pfn_of(slab)));
}

enum { BATCH = 32, LOOKS = 64, LOOKS_ALL = 1024 };

/*
 * Takes slabs off the lists, the emptiest first. Those that are not worth it
 * go to the end of their list, as do all when they come back: the next call
 * sees others.
 */
static unsigned hold_locked(const struct cache *cache, struct cache_node *node,
			    struct page *held[BATCH], unsigned most)
{
	unsigned n = 0;

	for (unsigned bin = SLAB_BINS; bin-- > 0;) {
		struct list *list = &node->partial[bin];

		for (unsigned i = 0; i < most && n < BATCH && !list_empty(list);
		     i++) {
			struct page *slab = container_of(list->next,
							 struct page, link);

			list_del(&slab->link);
			if (worth_a_look(cache, slab)) {
				slab->slab.bin = SLAB_HELD;
				held[n++] = slab;
			} else {
				list_add_tail(&slab->link, list);
			}
		}
	}
	return n;
}

static void let_go_locked(struct cache *cache, struct cache_node *node,
			  struct page *slab, size_t pages, struct list *surplus)
{
	struct hollow *hollow = hollow_of(cache, slab);
	struct resident *r = zone_of(pfn_of(slab))->resident;
	size_t more = pages - min_u64(pages, hollow->pages);

	__atomic_add_fetch(&node->hollow, more, __ATOMIC_RELAXED);
	__atomic_add_fetch(&r->hollow, more, __ATOMIC_RELAXED);
	hollow->pages += (uint16_t)more;
	hollow->seen = (uint16_t)at_home(cache, slab);
	slab->flags |= PAGE_HOLLOW;
	slab->slab.bin = (uint8_t)bin_of(cache, slab);
	if (slab->slab.nr_free == slab->slab.fresh && node->nr_empty) {
		node->nr_slabs--;
		list_add(&slab->link, surplus);
		return;
	}
	node->nr_empty += slab->slab.nr_free == slab->slab.fresh;
	list_add_tail(&slab->link, &node->partial[slab->slab.bin]);
}

/* Some slabs; returns the pages that went back, *any whether there were any. */
static size_t thin_batch(struct cache *cache, struct cache_node *node,
			 unsigned looks, bool *any)
{
	struct page *held[BATCH];
	size_t pages[BATCH], done = 0;
	struct list surplus;
	unsigned n;

	list_init(&surplus);
	lock(&node->list_lock, LOCK_LIST);
	n = hold_locked(cache, node, held, looks);
	unlock(&node->list_lock, LOCK_LIST);
	for (unsigned i = 0; i < n; i++)
		done += pages[i] = thin_slab(cache, held[i]);
	lock(&node->list_lock, LOCK_LIST);
	for (unsigned i = 0; i < n; i++)
		let_go_locked(cache, node, held[i], pages[i], &surplus);
	unlock(&node->list_lock, LOCK_LIST);
	free_slabs(cache, &surplus, NULL);
	*any = n != 0;
	return done;
}

static const uint64_t period_ns = 500000000, pause_ns = 50000000;

/*
 * Bytes at home that nobody wants, so far as they have not gone: beyond what
 * was out in this period or the last, a quarter of what is out, and 128 KiB.
 */
static size_t surplus_locked(const struct cache *cache, struct cache_node *node,
			     uint64_t now)
{
	uint64_t keep = node->nr_out / 4, all, gone;

	if (now - node->period_start > period_ns) {
		node->peak[1] = node->peak[0];
		node->peak[0] = node->nr_out;
		node->period_start = now;
	}
	keep += max_u64(node->peak[0], node->peak[1]);
	keep = keep * cache->size + SURPLUS_MIN / 4;
	gone = READ_ONCE(node->hollow) << topo.page_shift;
	all = (uint64_t)node->nr_slabs * cache->objects * cache->size;
	return all > keep + gone ? all - keep - gone : 0;
}

/* What is at home in all slabs of the node and has not gone. */
static size_t pages_at_home(unsigned nid)
{
	size_t pages = 0;

	for (unsigned class = 1; class < NR_CLASSES; class++) {
		const struct cache *cache = &caches[class];
		const struct cache_node *node = cache_node(cache, nid);
		uint64_t all = READ_ONCE(node->nr_slabs) * (uint64_t)cache->objects;
		uint64_t home = all - min_u64(all, READ_ONCE(node->nr_out));
		size_t n = home * cache->size >> topo.page_shift;

		pages += n - min_u64(n, READ_ONCE(node->hollow));
	}
	return pages;
}

/* Nothing found: the next look is later. */
static void plan_look(struct cache_node *node, uint64_t now, bool found)
{
	uint64_t pause = found ? 0 : READ_ONCE(node->pause) * 2;

	pause = min_u64(max_u64(pause, pause_ns), 64 * pause_ns);
	WRITE_ONCE(node->pause, pause);
	WRITE_ONCE(node->next_look, now + pause);
}

enum { MOST_PAGES = 2048 };	/* of one call: some milliseconds */

size_t cache_thin(struct cache *cache, unsigned nid, enum thin how)
{
	struct cache_node *node = cache_node(cache, nid);
	uint64_t now = os_now();
	size_t done = 0, surplus = SIZE_MAX;
	bool any = true;

	if (cache->ctor || node->keeps_full)
		return 0;
	if (how != THIN_ALL) {
		if (conf.reclaim == RECLAIM_OFF || READ_ONCE(balance.hold) ||
		    (how == THIN_NOW_AND_THEN &&
		     now < READ_ONCE(node->next_look)))
			return 0;
		lock(&node->list_lock, LOCK_LIST);
		surplus = surplus_locked(cache, node, now) >> topo.page_shift;
		unlock(&node->list_lock, LOCK_LIST);
		/* Perhaps it is wanted in a moment; if not, somebody looks. */
		if (how == THIN_NOW_AND_THEN)
			balance_leave(pages_at_home(nid));
	}
	while (any && done < surplus &&
	       (how == THIN_ALL || done < MOST_PAGES))
		done += thin_batch(cache, node,
				   how == THIN_ALL ? LOOKS_ALL : LOOKS, &any);
	plan_look(node, now, done || !surplus);
	return done;
}

size_t caches_thin(int nid, enum thin how)
{
	unsigned from = nid == NID_ANY ? 0 : (unsigned)nid;
	unsigned to = nid == NID_ANY ? topo.nodes : from + 1;
	size_t done = 0;

	for (unsigned class = 1; class < NR_CLASSES; class++)
		for (unsigned i = from; i < to; i++) {
			struct cache *cache = &caches[class];

			if (how == THIN_ALL ||
			    cache_has_surplus(cache, cache_node(cache, i)))
				done += cache_thin(cache, i, how);
		}
	return done;
}
