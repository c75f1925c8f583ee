/* SPDX-License-Identifier: MIT */
/*
 * Slabs of which little is out. cache_plan() chooses those that are to be
 * drained; cache_thin() gives back the pages on which nothing lives.
 */
#include "slab/lists.h"

#include <limits.h>
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
				 hollow_pages(cache, slab);
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
		uint64_t word = READ_ONCE(*bits_of(slab, at / 64));

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

enum { BATCH = 32, LOOKS = 64 };

/* Slabs that are held, on no list, and where they were. */
struct held {
	unsigned nr;
	struct page *slab[BATCH];
	uint8_t bin[BATCH];
	size_t pages[BATCH];	/* that went back */
};

/*
 * Takes slabs off one list, of the first `most` that lie there. Those that are
 * not worth it go to its end, as do all when they come back: so the next call
 * sees others. True: this one has seen all.
 */
static bool hold_some_locked(const struct cache *cache, struct list *list,
			     unsigned most, struct held *held)
{
	const struct page *first = NULL;

	for (unsigned i = 0; !list_empty(list); i++) {
		struct page *slab = container_of(list->next, struct page, link);

		if (slab == first)
			return true;
		if (i == most || held->nr == BATCH)
			return false;
		list_del(&slab->link);
		if (worth_a_look(cache, slab)) {
			held->bin[held->nr] = slab->slab.bin;
			held->slab[held->nr++] = slab;
			slab->slab.bin = SLAB_HELD;
		} else {
			list_add_tail(&slab->link, list);
			first = first ? first : slab;
		}
	}
	return true;
}

enum { ALL_LISTS = ((1 << SLAB_BINS) - 1) | 1 << SLAB_SPARSE };

/* The emptiest first. *seen: the lists, a bit each, that are through. */
static void hold_locked(const struct cache *cache, struct cache_node *node,
			unsigned most, struct held *held, unsigned *seen)
{
	for (unsigned bin = SLAB_SPARSE + 1; bin-- > 0;)
		if ((ALL_LISTS & ~*seen) >> bin & 1 &&
		    hold_some_locked(cache, &node->partial[bin], most, held))
			*seen |= 1u << bin;
}

/* Returns how many pages have gone that had not before. */
static size_t let_go_locked(struct cache *cache, struct cache_node *node,
			    const struct held *held, unsigned i,
			    struct list *surplus)
{
	struct page *slab = held->slab[i];
	struct hollow *hollow = hollow_of(cache, slab);
	struct resident *r = zone_of(pfn_of(slab))->resident;
	size_t more = held->pages[i] - min_u64(held->pages[i], hollow->pages);
	bool empty = slab->slab.nr_free == slab->slab.fresh;
	unsigned bin = held->bin[i] == SLAB_SPARSE ? SLAB_SPARSE
						   : bin_of(cache, slab);

	__atomic_add_fetch(&node->hollow, more, __ATOMIC_RELAXED);
	__atomic_add_fetch(&r->hollow, more, __ATOMIC_RELAXED);
	hollow->pages += (uint16_t)more;
	hollow->seen = (uint16_t)at_home(cache, slab);
	slab->flags |= PAGE_HOLLOW;
	slab->slab.bin = (uint8_t)bin;
	if (empty && (node->nr_empty || bin == SLAB_SPARSE)) {
		node->nr_slabs--;
		list_add(&slab->link, surplus);
		return more;
	}
	node->nr_empty += empty;
	list_add_tail(&slab->link, &node->partial[bin]);
	return more;
}

/* Some slabs of the lists that are not through; returns the pages that went. */
static size_t thin_batch(struct cache *cache, struct cache_node *node,
			 unsigned most, unsigned *seen)
{
	struct held held;
	struct list surplus;
	size_t done = 0;

	held.nr = 0;
	list_init(&surplus);
	lock(&node->list_lock, LOCK_LIST);
	hold_locked(cache, node, most, &held, seen);
	unlock(&node->list_lock, LOCK_LIST);
	for (unsigned i = 0; i < held.nr; i++)
		held.pages[i] = thin_slab(cache, held.slab[i]);
	lock(&node->list_lock, LOCK_LIST);
	for (unsigned i = 0; i < held.nr; i++)
		done += let_go_locked(cache, node, &held, i, &surplus);
	unlock(&node->list_lock, LOCK_LIST);
	free_slabs(cache, &surplus, NULL);
	return done;
}

static const uint64_t period_ns = 500000000, pause_ns = 50000000;

/*
 * Pages at home that nobody wants, so far as they have not gone: beyond what
 * was out in this period or the last, a quarter of what is out, and 128 KiB.
 */
static size_t surplus_locked(const struct cache *cache, struct cache_node *node,
			     uint64_t now)
{
	uint64_t keep = node->nr_out / 4, all;

	if (now - node->period_start > period_ns) {
		node->peak[1] = node->peak[0];
		node->peak[0] = node->nr_out;
		node->period_start = now;
	}
	keep += max_u64(node->peak[0], node->peak[1]);
	keep = keep * cache->size + SURPLUS_MIN / 4;
	keep += READ_ONCE(node->hollow) << topo.page_shift;
	all = (uint64_t)node->nr_slabs * cache->objects * cache->size;
	return all > keep ? (all - keep) >> topo.page_shift : 0;
}

static size_t surplus(const struct cache *cache, struct cache_node *node)
{
	size_t pages;

	lock(&node->list_lock, LOCK_LIST);
	pages = surplus_locked(cache, node, os_now());
	unlock(&node->list_lock, LOCK_LIST);
	return pages;
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

/* True: it is time for a look, and nobody else has begun one. */
static bool look_due(struct cache_node *node)
{
	uint64_t now = os_now(), due = READ_ONCE(node->next_look);

	return now >= due &&
	       __atomic_compare_exchange_n(&node->next_look, &due,
					   now + pause_ns, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Nothing found: the next look is later. */
static void plan_look(struct cache_node *node, bool found)
{
	uint64_t pause = found ? 0 : READ_ONCE(node->pause) * 2;

	pause = min_u64(max_u64(pause, pause_ns), 64 * pause_ns);
	WRITE_ONCE(node->pause, pause);
	WRITE_ONCE(node->next_look, os_now() + pause);
}

/* Of one call that nobody asked for: a few milliseconds. */
enum { MOST_PAGES = 2048, MOST_BATCHES = 8 };

/* Pages inside slabs that went back, of the zone where the cache has its own. */
static size_t zone_hollow(const struct cache *cache, unsigned nid)
{
	size_t all = READ_ONCE(node_of(nid)->resident.hollow), middle = 0;

	for (unsigned class = NR_SMALL; class < NR_CLASSES; class++)
		middle += READ_ONCE(cache_node(&caches[class], nid)->hollow);
	return class_is_middle(cache->class) ? middle
					     : all - min_u64(all, middle);
}

size_t cache_thin(struct cache *cache, unsigned nid, enum thin how, size_t most)
{
	struct cache_node *node = cache_node(cache, nid);
	/* Others may make slabs worth a look faster than they are looked at. */
	unsigned batches = how == THIN_ALL
				   ? READ_ONCE(node->nr_slabs) / BATCH + 8
				   : MOST_BATCHES;
	unsigned looks = how == THIN_ALL ? UINT_MAX : LOOKS, seen = 0;
	size_t done = 0, wanted = most;

	/* A slab of one page has no page that holds nothing. */
	if (cache->ctor || !cache->order)
		return 0;
	if (how != THIN_ALL) {
		if (conf.reclaim == RECLAIM_OFF || READ_ONCE(balance.hold) ||
		    (how == THIN_NOW_AND_THEN && !look_due(node)))
			return 0;
		wanted = surplus(cache, node);
		most = min_u64(wanted, MOST_PAGES);
		/* Perhaps it is wanted in a moment; if not, somebody looks. */
		if (how == THIN_NOW_AND_THEN)
			balance_leave(pages_at_home(nid));
	}
	while (seen != ALL_LISTS && done < most && batches--)
		done += thin_batch(cache, node, looks, &seen);
	if (how != THIN_ALL)
		plan_look(node, done || !wanted);
	if (done)
		huge_thinned(&node_of(nid)->zones[cache_zone(cache)],
			     zone_hollow(cache, nid));
	return done;
}

size_t caches_thin(int nid, size_t most)
{
	unsigned from = nid == NID_ANY ? 0 : (unsigned)nid;
	unsigned to = nid == NID_ANY ? topo.nodes : from + 1;
	size_t done = 0;

	for (unsigned class = 1; class < NR_CLASSES; class++)
		for (unsigned i = from; i < to && done < most; i++)
			done += cache_thin(&caches[class], i, THIN_ALL,
					   most - done);
	return done;
}
