/* SPDX-License-Identifier: MIT */
#include "slab/sheaf.h"

#include <string.h>

#include "os/os.h"
#include "slab/pool.h"

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
	bool room = sheaves_claimed() <= sheaves_budget() &&
		    !sparse(cache, owner);
	unsigned most;

	if (!sheaf_has_any(top)) {
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

/*
 * When a thread begins, or goes to another CPU, every class changes sheaves at
 * once; those that go on are few. So a class grows with each eighth change of a
 * time that is busy.
 */
static bool turn_to_grow(struct slot_class *class, bool own)
{
	return !(own ? ++class->turns : ++class->turns_far);
}

/*
 * The first one: 1 KiB of objects, and of what is larger the fewest that a
 * sheaf pays for.
 */
static unsigned first_want(const struct cache *cache)
{
	unsigned n = KIB(1) / cache->size, half = sheaf_half_for(n);

	/* Of 16 bytes 61, not 64: those need a sheaf of twice the size. */
	if (half < SHEAF_HALVES - 1 && n < sheaf_places(half + 1) + 2 * SHEAF_WORDS)
		n = sheaf_places(half + 1);
	return (unsigned)max_u64(cache->size > KIB(1) ? 2 : 4, n);
}

/* What a sheaf of the next size holds. */
static unsigned next_want(unsigned want)
{
	return sheaf_places(sheaf_half_for(want + 1));
}

/*
 * Each sheaf is of the next size, about twice as large. While all of them are
 * little beside the heap they grow as far as those of objects that keep coming
 * back: what a large heap gives and takes is more than a handful. (One that
 * swings between 1 and 2 GiB: a seventh of the slow calls, 0.6 of the user time,
 * for a slow call also keeps the CPU from what the program reads next.)
 */
static unsigned grow_want(const struct cache *cache, struct slot *slot,
			  struct slot_class *class, bool own)
{
	uint8_t *want = own ? &class->want : &class->want_far;
	bool busy = pace_is_fast(&slot->changes, CHANGES, CHANGES_NS);
	unsigned most = cache->max_sheaf, grown = cache->max_grown;

	if (!own)
		grown = (unsigned)max_u64(most, grown / 2);
	/* Strangers' large objects have sheaves only where the own have grown. */
	if (!own && most <= HANDFUL && !has_one_sheaf(cache, class))
		most = grown;
	if (!busy)
		class->turns = class->turns_far = 0;
	if (!*want)
		*want = (uint8_t)min_u64(most, first_want(cache));
	else if (busy && *want < grown && turn_to_grow(class, own) &&
		 (*want < most || sheaves_are_little()))
		*want = (uint8_t)min_u64(*want < most ? most : grown,
					 next_want(*want));
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
static void note_return(const struct cache *cache, struct slot *slot,
			struct slot_class *class)
{
	uint8_t *want = &class->want, *gone = &class->gone;
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
	    *want < cache->max_grown && sheaves_claimed() < sheaves_budget() / 2)
		*want = (uint8_t)min_u64(cache->max_grown, next_want(*want));
}

/* An empty sheaf that is too small for what its class needs by now. */
static bool outgrown(uint32_t top, unsigned want)
{
	return sheaf_of(top)->capacity * 2u <= want && !sheaf_has_any(top) &&
	       sheaves_claimed() < sheaves_budget();
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
 * return took 4.5 MiB instead of 3.0.) Of small ones several lie in a cache
 * line: those that came as a full sheaf do not lie among others' as much.
 */
static uint32_t borrow(const struct cache *cache, uint32_t nr, unsigned owner)
{
	unsigned hints = 1u << owner_hint_bits();
	unsigned first = owner & ~(hints - 1);
	uint32_t top;

	hints = (unsigned)min_u64(hints, READ_ONCE(percpu.max_active));
	for (unsigned other = first; other < first + hints; other++) {
		uint32_t *row = slot_row(nr, (other ^ owner) << CLASS_BITS |
						     cache->class);

		if (other == owner)
			continue;
		top = cache->size < 64 ? 0 : READ_ONCE(*row);
		if (top && sheaf_has_any(top) && slot_swap(nr, row, top, 0))
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

	if (top && sheaf_has_any(top)) {
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
	note_return(cache, slot, class);
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
	/* One that is fresh is no sheaf's. */
	slot->refills += !cache->ctor || !*fresh;
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
	if (top && sheaf_has_any(top)) {
		if (percpu.mode != PERCPU_LOCKED)
			return again ? take_one(cache, slot, owner, object,
						zeroed)
				     : SHEAF_RETRY;
		*object = *place(top - 8);
		*row = top - 8;
		return SHEAF_DONE;
	}
	if (zeroed && cache->size >= FRESH_MIN && !cache->ctor &&
	    !class->stale && !(*spare && sheaf_has_any(*spare)) &&
	    !READ_ONCE(barn_of(cache, owner)->full)) {
		enum sheaf_result result = take_one(cache, slot, owner, object,
						    zeroed);

		class->stale = result == SHEAF_DONE && !*zeroed;
		return result;
	}
	class->stale = 0;
	grow_want(cache, slot, class, true);
	turned = class->freed && *spare && sheaf_has_any(*spare);
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
static uint32_t find_room(const struct cache *cache, struct slot *slot,
			  struct slot_class *class, bool own)
{
	uint32_t *spare = &class->spare, top = *spare;
	unsigned want = grow_want(cache, slot, class, own);

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
	new = find_room(cache, slot, class, own);
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
