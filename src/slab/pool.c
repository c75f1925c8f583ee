/* SPDX-License-Identifier: MIT */
#include "slab/pool.h"

#include <string.h>

#include "os/os.h"
#include "slab/sheaf.h"

uint8_t sheaf_halves[SHEAVES_MAX / SHEAF_BYTES] set_behind;

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): on purpose */
static struct {
	struct lock lock;	/* SHEAVES */
	uint32_t free[SHEAF_HALVES];	/* (SHEAVES) chains of unused sheaves */
	size_t made;		/* (SHEAVES) blocks that were cut */
	/* Read on paths that do not take the lock: a line of its own. */
	size_t claimed aligned_to(64);	/* (A) bytes of objects they may hold */
} pool aligned_to(64);

/* What the zones have handed out. */
static size_t used_bytes(void)
{
	size_t used = 0;

	for (unsigned i = 0; i < nodes.nr_zones; i++)
		used += READ_ONCE(nodes.zones[i]->used_pages);
	return used << topo.page_shift;
}

/*
 * What all sheaves together may have room for: one sixteenth of what the zones
 * have handed out, 16 MiB at least. It is room, not memory: half of it is empty
 * and most of the rest was never touched. Two threads that exchange blocks of
 * mixed sizes took 9.0 ns a pair and 15.0 MiB with 16 MiB, 12 ns and 13.9 MiB
 * with 8, 25 ns and 12.0 MiB with 4.
 */
size_t sheaves_budget(void)
{
	return max_u64(MIB(16), used_bytes() / 16);
}

/* The heap must be large for that: what all claim in a small one is 1 MiB. */
bool sheaves_are_little(void)
{
	return READ_ONCE(pool.claimed) + MIB(1) < used_bytes() / 64;
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
	size_t limit = sheaves_budget(), claimed = READ_ONCE(pool.claimed);
	size_t room = limit > claimed ? limit - claimed : 0;
	size_t least = own ? KIB(4) : KIB(1);
	unsigned capacity = (unsigned)min_u64(
		wanted, max_u64(room, least) / cache->size);

	lock_add(&pool.claimed, (size_t)capacity * cache->size);
	return capacity;
}

static void put_locked(uint32_t base, unsigned half)
{
	sheaf_at(base)->link = pool.free[half];
	pool.free[half] = base;
}

static void pool_put(uint32_t base)
{
	lock(&pool.lock, LOCK_SHEAVES);
	put_locked(base, sheaf_half(base));
	unlock(&pool.lock, LOCK_SHEAVES);
}

/* A block's sheaves are free; false: there is no block left. */
static cold bool cut_block_locked(unsigned half)
{
	uint32_t block = percpu.sheaves + (uint32_t)pool.made * SHEAF_BYTES;
	uint32_t bytes = (uint32_t)SHEAF_BYTES >> half;

	if (block + SHEAF_BYTES > percpu.sheaf_end)
		return false;
	sheaf_halves[pool.made++] = (uint8_t)half;
	for (uint32_t end = SHEAF_BYTES; end; end -= bytes)
		put_locked(block + end - bytes, half);
	return true;
}

/* The last of the reserve is not used: then objects go one by one. */
static cold bool grow_pool(void)
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

/* A sheaf halved so often, maybe cut anew; 0: there is none. */
static uint32_t pool_take(unsigned half, bool cut)
{
	uint32_t base;

	lock(&pool.lock, LOCK_SHEAVES);
	base = pool.free[half];
	if (!base && cut && cut_block_locked(half))
		base = pool.free[half];
	if (base)
		pool.free[half] = sheaf_at(base)->link;
	unlock(&pool.lock, LOCK_SHEAVES);
	return base;
}

/* The reserve is used up: whatever is free, the largest. */
static cold uint32_t take_any(void)
{
	uint32_t base = 0;

	for (unsigned half = 0; half < SHEAF_HALVES && !base; half++)
		base = pool_take(half, false);
	return base;
}

static void unclaim(const struct cache *cache, unsigned capacity)
{
	lock_add(&pool.claimed, -(size_t)capacity * cache->size);
}

uint32_t sheaf_new(const struct cache *cache, unsigned capacity, bool own)
{
	struct sheaf *sheaf;
	unsigned half, most;
	uint32_t base, first;

	capacity = claim_capacity(cache, capacity, own);
	if (!capacity)
		return 0;
	half = sheaf_half_for(capacity);
	do {
		base = pool_take(half, true);
	} while (!base && grow_pool());
	if (!base)
		base = take_any();
	most = base ? sheaf_places(sheaf_half(base)) : 0;
	if (capacity > most) {
		unclaim(cache, capacity - most);
		capacity = most;
	}
	if (!base)
		return 0;
	sheaf = sheaf_at(base);
	sheaf->capacity = (uint8_t)capacity;
	sheaf->class = cache->class;
	first = sheaf_first(base);
	*place(first - 8) = NULL;
	memset(place(first), 0xff, capacity * sizeof(void *));
	return first;
}

void sheaf_drop(uint32_t top)
{
	uint32_t base = sheaf_base(top);
	struct sheaf *sheaf = sheaf_at(base);

	unclaim(cache_of_class(sheaf->class), sheaf->capacity);
	pool_put(base);
}

void sheaf_empty(uint32_t top, struct pcp *pcp)
{
	unsigned n = sheaf_count(top);

	if (n)
		slab_put(cache_of_class(sheaf_of(top)->class), pcp,
			 place(sheaf_first(top)), n);
	sheaf_drop(top);
}

size_t sheaves_claimed(void)
{
	return READ_ONCE(pool.claimed);
}

size_t sheaves_made(void)
{
	return READ_ONCE(pool.made);
}

void sheaves_recover(void)
{
	if (pool.lock.word) {
		memset(pool.free, 0, sizeof(pool.free));
		pool.made++;
	}
	pool.lock.word = 0;
}
