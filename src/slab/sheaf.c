/* SPDX-License-Identifier: MIT */
#include "slab/sheaf.h"

#include <string.h>

#include "base/print.h"
#include "os/os.h"

/* The first word of a sheaf; never a place of an object. */
struct sheaf {
	uint32_t link;		/* next top of a chain, or next free sheaf */
	uint8_t capacity;
	uint8_t class;
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): on purpose */
static struct {
	struct lock lock;	/* SHEAVES */
	uint32_t free;		/* (SHEAVES) chain of unused sheaves */
	uint32_t next;		/* (SHEAVES) first that was never used */
	size_t made;		/* (SHEAVES) */
	/* Read on paths that do not take the lock: a line of its own. */
	size_t claimed aligned_to(64);	/* (A) bytes of objects they may hold */
} pool aligned_to(64);

static void **place(uint32_t top)
{
	return (void **)(percpu.base + top);
}

/* A full sheaf's top is the next one's start: (2048 - 1) & ~1023 = 1024. */
static uint32_t sheaf_base(uint32_t top)
{
	return (top - 1) & ~(uint32_t)(SHEAF_BYTES - 1);
}

static struct sheaf *sheaf_at(uint32_t base)
{
	return (struct sheaf *)(percpu.base + base);
}

static struct sheaf *sheaf_of(uint32_t top)
{
	return sheaf_at(sheaf_base(top));
}

static uint32_t sheaf_first(uint32_t top)
{
	return sheaf_base(top) + SHEAF_BYTES - sheaf_of(top)->capacity * 8u;
}

static unsigned sheaf_count(uint32_t top)
{
	return (top - sheaf_first(top)) / 8;
}

static bool sheaf_full(uint32_t top)
{
	return !(top & (SHEAF_BYTES - 1));
}

/* What the slot knows of a cache's class. */
static struct slot_class *class_in(struct slot *slot, const struct cache *cache)
{
	return cache->slots ? &cache->slots[slot->nr].class
			    : &slot->classes[cache->class];
}

/*
 * What all sheaves together may have room for: one sixteenth of what the zones
 * have handed out, 16 MiB at least. It is room, not memory: half of it is empty
 * and most of the rest was never touched. Two threads that exchange blocks of
 * mixed sizes took 9.0 ns a pair and 15.0 MiB with 16 MiB, 12 ns and 13.9 MiB
 * with 8, 25 ns and 12.0 MiB with 4.
 */
static size_t budget(void)
{
	size_t used = 0;

	for (unsigned i = 0; i < nodes.nr_zones; i++)
		used += READ_ONCE(nodes.zones[i]->used_pages);
	return max_u64(MIB(16), (used << topo.page_shift) / 16);
}

/*
 * Room for as many of the wanted objects as the budget has left. Where that is
 * nothing a sheaf of 4 KiB (1 KiB for a stranger's objects, of which there are
 * many rows) is still given, since small objects one by one cost too much;
 * larger ones then go straight to their slabs. One addition: several CPUs that
 * claim at once may go a sheaf over the budget each.
 */
static unsigned claim_capacity(const struct cache *cache, unsigned wanted,
			       bool own)
{
	size_t limit = budget(), claimed = READ_ONCE(pool.claimed);
	size_t room = limit > claimed ? limit - claimed : 0;
	size_t least = own ? KIB(4) : KIB(1);
	unsigned capacity = (unsigned)min_u64(
		wanted, max_u64(room, least) / cache->size);

	__atomic_add_fetch(&pool.claimed, (size_t)capacity * cache->size,
			   __ATOMIC_RELAXED);
	return capacity;
}

static void pool_put(uint32_t base)
{
	lock(&pool.lock, LOCK_SHEAVES);
	sheaf_at(base)->link = pool.free;
	pool.free = base;
	unlock(&pool.lock, LOCK_SHEAVES);
}

/* The last of the reserve is not used: then objects go one by one. */
static bool grow_pool(void)
{
	uint32_t end = percpu.sheaf_end;
	uint32_t step = (uint32_t)align_up(KIB(64), page_bytes());
	uintptr_t from = align_down((uintptr_t)percpu.base + end, page_bytes());
	uintptr_t to = align_up((uintptr_t)percpu.base + end + step,
				page_bytes());

	if (end + step > percpu.region_end ||
	    !os_commit((void *)from, to - from))
		return false;
	lock(&pool.lock, LOCK_SHEAVES);
	/* Another slot may have grown it meanwhile: its step will do. */
	if (percpu.sheaf_end == end)
		percpu.sheaf_end = end + step;
	unlock(&pool.lock, LOCK_SHEAVES);
	return true;
}

/* An empty sheaf for at least one object; 0: there is none. */
static uint32_t sheaf_new(const struct cache *cache, unsigned capacity,
			  bool own)
{
	struct sheaf *sheaf;
	uint32_t base = 0;

	while (!base) {
		lock(&pool.lock, LOCK_SHEAVES);
		if (pool.free) {
			base = pool.free;
			pool.free = sheaf_at(base)->link;
		} else {
			if (!pool.next)
				pool.next = percpu.sheaf_end;
			if (pool.made * SHEAF_BYTES + pool.next <
			    percpu.sheaf_end) {
				base = pool.next +
				       (uint32_t)pool.made * SHEAF_BYTES;
				pool.made++;
			}
		}
		unlock(&pool.lock, LOCK_SHEAVES);
		if (!base && !grow_pool())
			return 0;
	}
	sheaf = sheaf_at(base);
	capacity = claim_capacity(cache, capacity, own);
	if (!capacity) {
		pool_put(base);
		return 0;
	}
	sheaf->capacity = (uint8_t)capacity;
	sheaf->class = cache->class;
	base += SHEAF_BYTES - capacity * 8;
	*place(base - 8) = NULL;
	return base;
}

static void sheaf_drop(uint32_t top)
{
	uint32_t base = sheaf_base(top);
	struct sheaf *sheaf = sheaf_at(base);

	__atomic_sub_fetch(&pool.claimed,
			   (size_t)sheaf->capacity *
				   cache_of_class(sheaf->class)->size,
			   __ATOMIC_RELAXED);
	pool_put(base);
}

/* Every object goes home, the sheaf to the pool. */
static void sheaf_empty(uint32_t top, struct pcp *pcp)
{
	unsigned n = sheaf_count(top);

	if (n)
		slab_put(cache_of_class(sheaf_of(top)->class), pcp,
			 place(sheaf_first(top)), n);
	sheaf_drop(top);
}

static struct barn *barn_of(const struct cache *cache, unsigned owner)
{
	return &cache_node(cache, owner_node(owner))->barns[owner_hint(owner)];
}

static uint32_t barn_take(const struct cache *cache, unsigned owner)
{
	struct barn *barn = barn_of(cache, owner);
	uint32_t top;

	if (!READ_ONCE(barn->full))
		return 0;
	lock(&barn->lock, LOCK_BARN);
	top = barn->full;
	if (top) {
		barn->full = sheaf_of(top)->link;
		barn->nr--;
	}
	unlock(&barn->lock, LOCK_BARN);
	return top;
}

/*
 * Slabs that are nearly all at home, for 2 MiB and more: a program that frees
 * what it had, in any order. Then each object that a cache keeps may hold a
 * slab, and nobody may ever come and take it out: 252 objects of a class in
 * two sheaves are 252 slabs, 16 MiB. So objects go home, but for a few. When
 * the whole heap goes four slabs are enough: there are forty classes.
 */
enum { SPARSE_BYTES = 2 << 20, EBB_BYTES = 256 << 10, SPARSE_SHEAF = 8 };

static bool sparse(const struct cache *cache, unsigned owner)
{
	unsigned nid = owner_node(owner);
	const struct cache_node *node = cache_node(cache, nid);
	uint64_t slabs = READ_ONCE(node->nr_slabs);
	uint64_t bytes = slabs << (cache->order + topo.page_shift);

	return bytes > EBB_BYTES &&
	       READ_ONCE(node->nr_out) < slabs * cache->objects / 4 &&
	       (bytes > SPARSE_BYTES ||
		resident_ebbs(node_of(nid)->zones[0].resident));
}

enum { HANDFUL = 4 };

/*
 * Of large objects, of which a sheaf has a handful, there is one sheaf a class
 * and slot until sheaves have grown: a second one and one for strangers' cost
 * more memory than time.
 */
static bool has_one_sheaf(const struct cache *cache,
			  const struct slot_class *class)
{
	return cache->max_sheaf <= HANDFUL && class->want <= HANDFUL;
}

/*
 * A sheaf with objects is kept for its owner, or its objects go home when
 * there are many. True: they went home.
 */
static bool barn_give(struct cache *cache, unsigned owner, uint32_t top,
		      struct slot *slot)
{
	struct barn *barn = barn_of(cache, owner);
	bool room = READ_ONCE(pool.claimed) <= budget() &&
		    !sparse(cache, owner);
	unsigned most;

	if (sheaf_count(top) == 0) {
		sheaf_drop(top);
		return false;
	}
	/* Of sheaves that have grown, fewer; but two. */
	most = (unsigned)min_u64(
		cache->max_barn, max_u64(2, cache->max_barn * cache->max_sheaf /
						    sheaf_of(top)->capacity));
	lock(&barn->lock, LOCK_BARN);
	room = room && barn->nr < most;
	if (room) {
		sheaf_of(top)->link = barn->full;
		barn->full = top;
		barn->nr++;
	}
	unlock(&barn->lock, LOCK_BARN);
	if (!room) {
		slot->flushes++;
		sheaf_empty(top, &slot->pcp);
	}
	return !room;
}

/* One event more. True: the last two rounds took less than so long each. */
static bool pace_is_fast(struct pace *pace, uint32_t round, uint64_t ns)
{
	if (++pace->events == round) {
		uint64_t now = os_now();

		pace->busy = now - pace->since < ns ? pace->busy + 1 : 0;
		pace->since = now;
		pace->events = 0;
	}
	return pace->busy > 1;
}

/*
 * Sheaves grow only while changing them costs more than about one per cent of
 * the time (one takes 50 ns or so): then it pays to hold more free objects. A
 * start, which changes every sheaf, is shorter.
 */
enum { CHANGES = 256, CHANGES_NS = CHANGES * 5000 };
/*
 * As many objects as a sheaf holds went home for want of room, and as many of
 * the class are fetched: that costs a microsecond, most of it waiting for slabs
 * that are in no cache. Where it is a tenth of the time, sheaves grow further.
 * What a program frees now and wants again later does not count.
 */
enum { RETURNS = 32, RETURNS_NS = RETURNS * 10000, GONE_NS = 10000000 };

/* The first one: what is within a sheaf's own size is no more memory. */
static unsigned first_want(const struct cache *cache)
{
	return (unsigned)max_u64(4, SHEAF_BYTES / cache->size);
}

/* Each sheaf is twice as large as the one before. */
static unsigned grow_want(const struct cache *cache, struct slot *slot,
			  bool own)
{
	struct slot_class *class = class_in(slot, cache);
	uint8_t *want = own ? &class->want : &class->want_far;
	bool busy = pace_is_fast(&slot->changes, CHANGES, CHANGES_NS);
	unsigned most = cache->max_sheaf;

	/* Strangers' large objects have sheaves only where the own have grown. */
	if (!own && most <= HANDFUL && !has_one_sheaf(cache, class))
		most = (unsigned)max_u64(most, cache->max_grown / 2);
	if ((busy && *want < most) || !*want)
		*want = (uint8_t)min_u64(most,
					 *want ? 2 * *want : first_want(cache));
	return *want;
}

/* Objects went home for want of room. */
static void note_gone(struct slot_class *class, unsigned n)
{
	class->gone = (uint8_t)min_u64(UINT8_MAX, class->gone + n);
}

/* Other named caches may be gone by now: each forgets its own. */
static void forget_gone(struct slot *slot)
{
	for (unsigned class = 1; class < NR_CLASSES; class++)
		slot->classes[class].gone = 0;
}

/* A sheaf of the slot's own objects is fetched from slabs. */
static void note_return(const struct cache *cache, struct slot *slot)
{
	uint8_t *want = &class_in(slot, cache)->want;
	uint8_t *gone = &class_in(slot, cache)->gone;
	uint64_t now;

	if (*gone < *want)
		return;
	now = os_now();
	if (now - slot->gone_since > GONE_NS) {
		forget_gone(slot);
		*gone = 0;
		slot->gone_since = now;
		return;
	}
	*gone -= *want;
	if (pace_is_fast(&slot->returns, RETURNS, RETURNS_NS) &&
	    now - slot->returns.since < RETURNS_NS &&
	    *want < cache->max_grown && READ_ONCE(pool.claimed) < budget() / 2)
		*want = (uint8_t)min_u64(cache->max_grown, 2 * *want);
}

/* An empty sheaf that is too small for what its class needs by now. */
static bool outgrown(uint32_t top, unsigned want)
{
	return sheaf_of(top)->capacity * 2u <= want && !sheaf_count(top) &&
	       READ_ONCE(pool.claimed) < budget();
}

/*
 * A program that allocates eight and frees eight, just where a sheaf ends,
 * would change sheaves twice a round for ever. So when the turn changes, half
 * of the full spare's objects go to the sheaf that ran dry: there is then as
 * much to take as there is room to give. They are held while the dry sheaf
 * still belongs to the CPU.
 */
struct held {
	unsigned nr;
	void *objects[SHEAF_OBJECTS / 2];
};

static uint32_t hold_half(struct held *held, uint32_t full, uint32_t dry)
{
	held->nr = (unsigned)min_u64(sheaf_count(full) / 2,
				     sheaf_of(dry)->capacity);
	full -= held->nr * 8;
	memcpy(held->objects, place(full), held->nr * 8);
	return full;
}

static uint32_t put_held(const struct held *held, uint32_t top)
{
	memcpy(place(top), held->objects, held->nr * 8);
	return top + held->nr * 8;
}

/*
 * Objects of the node's other owners that wait: in this slot, to be sent home,
 * or in their barns. They come before memory that was never touched; else
 * threads that change CPUs fill the caches of each. (Two threads that call and
 * return took 4.5 MiB instead of 3.0.) Small ones stay apart: several lie in
 * a cache line.
 */
static uint32_t borrow(const struct cache *cache, uint32_t nr, unsigned owner)
{
	unsigned hints = 1u << owner_hint_bits();
	unsigned first = owner & ~(hints - 1);
	uint32_t top;

	if (cache->size < 64)
		return 0;
	hints = (unsigned)min_u64(hints, READ_ONCE(percpu.max_active));
	for (unsigned other = first; other < first + hints; other++) {
		uint32_t *row = slot_row(nr, (other ^ owner) << CLASS_BITS |
						     cache->class);

		if (other == owner)
			continue;
		top = READ_ONCE(*row);
		if (top && sheaf_count(top) && slot_swap(nr, row, top, 0))
			return top;
		top = barn_take(cache, other);
		if (top)
			return top;
	}
	return 0;
}

/*
 * A sheaf with objects: the spare, one of the barn or of another's, or one
 * filled anew. Of a cache with a constructor that may be one object, *fresh,
 * which the caller hands out: none in a sheaf has yet to be constructed.
 */
static uint32_t find_objects(struct cache *cache, struct slot *slot,
			     struct slot_class *class, unsigned owner,
			     bool *fresh)
{
	uint32_t *spare = &class->spare, top = *spare;
	unsigned want, n;

	if (top && sheaf_count(top)) {
		*spare = 0;
		return top;
	}
	top = barn_take(cache, owner);
	if (!top)
		top = borrow(cache, slot->nr, owner);
	if (top)
		return top;
	top = *spare;
	*spare = 0;
	note_return(cache, slot);
	want = class->want;
	if (top && outgrown(top, want)) {
		sheaf_drop(top);
		top = 0;
	}
	if (!top)
		top = sheaf_new(cache, want, true);
	if (!top)
		return 0;
	n = slab_take(cache, owner, &slot->pcp, place(top),
		      sheaf_of(top)->capacity, cache->ctor ? fresh : NULL);
	slot->refills++;
	if (!n) {
		sheaf_drop(top);
		return 0;
	}
	return top + n * 8;
}

static enum sheaf_result take_one(struct cache *cache, struct slot *slot,
				  unsigned owner, void **object, bool *zeroed)
{
	return slab_take(cache, owner, &slot->pcp, object, 1, zeroed) ? SHEAF_DONE
							 : SHEAF_FAILED;
}

/*
 * calloc of blocks from here on wants memory that was never used, and takes it
 * one by one. When it gets one that was used there is some at home: then come
 * a sheaf of these, and the next try.
 */
enum { FRESH_MIN = 2048 };

enum sheaf_result cache_alloc(struct cache *cache, struct slot *slot,
			      uint32_t nr, bool again, void **object,
			      bool *zeroed)
{
	unsigned owner = slot_owner(nr);
	uint32_t *row = slot_row(nr, cache->class), top = READ_ONCE(*row), new;
	struct slot_class *class = class_in(slot, cache);
	uint32_t *spare = &class->spare;
	struct held held;
	unsigned want;
	bool turned;

	slot->slow_allocs++;
	held.nr = 0;
	if (percpu.mode == PERCPU_DIRECT)
		return take_one(cache, slot, owner, object, zeroed);
	if (top && sheaf_count(top)) {
		if (percpu.mode != PERCPU_LOCKED)
			return again ? take_one(cache, slot, owner, object,
						zeroed)
				     : SHEAF_RETRY;
		*object = *place(top - 8);
		*row = top - 8;
		return SHEAF_DONE;
	}
	if (zeroed && cache->size >= FRESH_MIN && !cache->ctor &&
	    !class->stale && !(*spare && sheaf_count(*spare)) &&
	    !READ_ONCE(barn_of(cache, owner)->full)) {
		enum sheaf_result result = take_one(cache, slot, owner, object,
						    zeroed);

		class->stale = result == SHEAF_DONE && !*zeroed;
		return result;
	}
	class->stale = 0;
	grow_want(cache, slot, true);
	turned = class->freed && *spare && sheaf_count(*spare);
	class->freed = 0;
	new = find_objects(cache, slot, class, owner, zeroed);
	if (!new)
		return take_one(cache, slot, owner, object, zeroed);
	want = class->want;
	if (turned && top)
		new = hold_half(&held, new, top);
	new -= 8;
	*object = *place(new);
	if (!slot_swap(nr, row, top, new)) {
		barn_give(cache, owner, put_held(&held, new), slot);
		return SHEAF_DONE;
	}
	if (held.nr)
		*spare = put_held(&held, top);
	else if (top && !*spare && !has_one_sheaf(cache, class) &&
		 !outgrown(top, want))
		*spare = top;
	else if (top)
		sheaf_drop(top);
	return SHEAF_DONE;
}

/* A sheaf of the barn goes home, one at a time. */
static void bring_home(struct cache *cache, unsigned owner, struct slot *slot)
{
	uint32_t top = barn_take(cache, owner);

	if (top) {
		slot->flushes++;
		sheaf_empty(top, &slot->pcp);
	}
}

/* A sheaf with room: the slot's own spare, or a new one. */
static uint32_t find_room(struct cache *cache, struct slot *slot, bool own)
{
	uint32_t *spare = &class_in(slot, cache)->spare, top = *spare;
	unsigned want = grow_want(cache, slot, own);

	if (own && top && !sheaf_full(top)) {
		*spare = 0;
		if (!outgrown(top, want))
			return top;
		sheaf_drop(top);
	}
	return sheaf_new(cache, want, own);
}

static enum sheaf_result give_one(struct cache *cache, struct slot *slot,
				  void *p)
{
	slab_put(cache, &slot->pcp, &p, 1);
	return SHEAF_DONE;
}

enum sheaf_result cache_free(void *p, unsigned entry, struct slot *slot,
			     uint32_t nr, bool again)
{
	struct cache *cache = cache_of_class(entry & CLASS_MASK);
	struct slot_class *class = class_in(slot, cache);
	unsigned index = row_of_entry(nr, entry);
	unsigned owner = entry_owner(entry);
	uint32_t *row = slot_row(nr, index), top = READ_ONCE(*row), new;
	uint32_t *spare = &class->spare;
	bool own = index < 1 << CLASS_BITS, few;

	slot->slow_frees++;
	if (percpu.mode == PERCPU_DIRECT)
		return give_one(cache, slot, p);
	/*
	 * Another thread of this CPU may be half-way through a push: sure is
	 * only what this thread sees while it runs there itself.
	 */
	if (top && *place(top - 8) == p && slot_swap(nr, row, top, top) &&
	    READ_ONCE(*place(top - 8)) == p)
		slab_refuse("double", cache, p);
	if (top && !sheaf_full(top)) {
		if (percpu.mode != PERCPU_LOCKED)
			return again ? give_one(cache, slot, p) : SHEAF_RETRY;
		*place(top) = p;
		*row = top + 8;
		return SHEAF_DONE;
	}
	if (!own && has_one_sheaf(cache, class)) {
		/* Of when there were more. */
		if (top && slot_swap(nr, row, top, 0))
			barn_give(cache, owner, top, slot);
		note_gone(class, 1);
		return give_one(cache, slot, p);
	}
	class->freed = own;
	few = own && sparse(cache, owner);
	if (few) {
		class->want = (uint8_t)min_u64(cache->max_sheaf,
					       SPARSE_SHEAF / 2);
		if (*spare)
			barn_give(cache, owner, *spare, slot);
		*spare = 0;
		bring_home(cache, owner, slot);
	}
	new = find_room(cache, slot, own);
	if (!new)
		return give_one(cache, slot, p);
	*place(new) = p;
	if (!slot_swap(nr, row, top, new + 8)) {
		barn_give(cache, owner, new + 8, slot);
		return SHEAF_DONE;
	}
	if (top && own && !*spare && !few && !has_one_sheaf(cache, class)) {
		*spare = top;
	} else if (top) {
		unsigned n = sheaf_count(top);

		slot->remote_sheaves += !own;
		if (barn_give(cache, owner, top, slot) && own && !few)
			note_gone(class, n);
	}
	return SHEAF_DONE;
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
		uint32_t *top = i == groups
					? &class_in(slot, cache)->spare
					: slot_row(slot->nr, i << CLASS_BITS |
							     cache->class);

		if (*top)
			fn(cache, *top, arg);
		if (*top && take)
			*top = 0;
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

		each_of_chain(cache, fn, arg, barn->full);
		if (take)
			barn->full = barn->nr = 0;
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

size_t sheaves_made(void)
{
	return READ_ONCE(pool.made);
}

void sheaves_recover(void)
{
	if (pool.lock.word) {
		pool.free = 0;
		pool.made++;
	}
	pool.lock.word = 0;
}
