/* SPDX-License-Identifier: MIT */
#include "slab/percpu.h"

#include <string.h>

#include "os/os.h"
#include "topo/topo.h"

struct percpu percpu;

/* The gate: closed while one thread has all slots to itself. */
static struct {
	struct lock lock;	/* LOCK_INIT; held from stop to start */
	uint32_t closed;	/* (A) a futex word */
	struct seat *owner;	/* (A) of the thread that closed it */
} gate;

/* As many sheaves as 4 GiB of offsets and the address space bear. */
static size_t sheaves_bytes(void)
{
	size_t left = os_address_space_left();

	return left == SIZE_MAX ? MIB(64) : min_u64(MIB(64), left / 32);
}

static size_t slots_bytes(void)
{
	return align_up(percpu.nr_slots * sizeof(struct slot), page_bytes());
}

static void divert(void)
{
	WRITE_ONCE(percpu_base.base, (uintptr_t)percpu.nil);
}

/* A slot's rows and struct become writable when it is first used. */
static cold bool activate(uint32_t nr)
{
	struct slot *slot = &percpu.slots[nr];
	size_t page = page_bytes();
	size_t rows = (size_t)1 << ROWS_SHIFT;
	uintptr_t lo = align_down((uintptr_t)percpu.base + nr * rows, page);
	uintptr_t hi = align_up((uintptr_t)percpu.base + (nr + 1) * rows, page);
	uint32_t max;

	if (!os_commit((void *)lo, hi - lo))
		return false;
	lo = align_down((uintptr_t)slot, page);
	hi = align_up((uintptr_t)(slot + 1), page);
	if (!os_commit((void *)lo, hi - lo))
		return false;
	max = READ_ONCE(percpu.max_active);
	while (max < nr + 1 &&
	       !__atomic_compare_exchange_n(&percpu.max_active, &max, nr + 1,
					    false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	store_release(&slot->active, 1);
	return true;
}

bool percpu_init(unsigned cpus, enum percpu_mode wanted)
{
	size_t rows, total, sheaves;
	char *region;

	if (wanted == PERCPU_FAKE)
		rseq_fake();
	else if (wanted == PERCPU_RSEQ && !rseq_find(topo.nodes == 1))
		wanted = PERCPU_LOCKED;
	if (wanted == PERCPU_RSEQ)
		percpu.can_fence = os_rseq_fence_register();
	percpu.mode = percpu.home_mode = wanted;
	percpu.nr_slots = cpus;
	/* Without rseq a slot is only a lock to spread over. */
	if (wanted <= PERCPU_LOCKED)
		percpu.nr_slots = min_u64(2 * cpus, 64);

	rows = align_up((size_t)percpu.nr_slots << ROWS_SHIFT, page_bytes());
	sheaves = align_down(sheaves_bytes(), SHEAF_BYTES);
	total = LIMBO_BYTES + 2 * rows + slots_bytes() + sheaves;
	region = os_reserve_readable(total);
	if (!region)
		return false;
	percpu.nil = region + LIMBO_BYTES;
	percpu.base = percpu.nil + rows;
	percpu.slots = (struct slot *)(percpu.base + rows);
	percpu.sheaf_end = (uint32_t)align_up(rows + slots_bytes(),
					      SHEAF_BYTES);
	percpu.region_end = (uint32_t)align_down(rows + slots_bytes() + sheaves,
						 page_bytes());
	divert();
	/* So that somebody always finds a slot. */
	return activate(0);
}

void percpu_cut(void)
{
	uint32_t end = (uint32_t)align_up(percpu.sheaf_end + KIB(512),
					  page_bytes());

	if (end >= percpu.region_end)
		return;
	os_unmap(percpu.base + end, percpu.region_end - end);
	percpu.region_end = end;
}

void percpu_go(void)
{
	if (percpu.mode <= PERCPU_LOCKED)
		return;
	store_release(&percpu_base.base, (uintptr_t)percpu.base);
	rseq_go();
}

static bool usable(uint32_t nr)
{
	return likely(load_acquire(&percpu.slots[nr].active)) || activate(nr);
}

/* Now and then, when all slots in use were busy, one more is taken. */
static bool take_one_more(uint32_t active)
{
	static uint32_t crowded;	/* (A) times that all were busy */

	return active < percpu.nr_slots &&
	       __atomic_add_fetch(&crowded, 1, __ATOMIC_RELAXED) %
			       (64 * active) == 0;
}

/*
 * Without rseq: a thread keeps to a slot until it finds it busy. No slot has
 * an owner, so nothing is left behind by a thread that ends. Each slot in use
 * has caches of its own, so there are no more than it takes.
 */
static struct slot *enter_any(uint32_t *nr)
{
	uint32_t active = READ_ONCE(percpu.max_active), at = seat.slot;

	if (!at--)
		at = (uint32_t)((uintptr_t)&seat >> 12) * 2654435761u >> 8;
	for (uint32_t i = 0;; i++, at++) {
		at %= active;
		if (i == active && take_one_more(active))
			at = active;
		if (!usable(at))
			continue;
		if (i < active) {
			if (!trylock(&percpu.slots[at].lock, LOCK_SLOT))
				continue;
		} else {
			lock(&percpu.slots[at].lock, LOCK_SLOT);
		}
		seat.slot = at + 1;
		*nr = at;
		return &percpu.slots[at];
	}
}

static struct slot *enter_current(uint32_t *nr)
{
	uint32_t at = !percpu_switch.area	  ? UINT32_MAX
		      : percpu.mode == PERCPU_FAKE ? 0
						   : rseq_slot();

	/*
	 * No slot (a child that was not told of its fork, a thread that libc
	 * could not register), or no memory for its rows: borrow another's.
	 */
	if (unlikely(at >= percpu.nr_slots) || !usable(at))
		return enter_any(nr);
	lock(&percpu.slots[at].lock, LOCK_SLOT);
	*nr = at;
	return &percpu.slots[at];
}

static bool may_pass(void)
{
	return !__atomic_load_n(&gate.closed, __ATOMIC_SEQ_CST) ||
	       READ_ONCE(gate.owner) == &seat;
}

struct slot *slot_enter(uint32_t *nr)
{
	for (;;) {
		struct slot *slot = READ_ONCE(percpu.mode) <= PERCPU_LOCKED
					    ? enter_any(nr)
					    : enter_current(nr);

		if (likely(may_pass()))
			return slot;
		unlock(&slot->lock, LOCK_SLOT);
		os_wait(&gate.closed, 1);
	}
}

void slot_exit(struct slot *slot)
{
	unlock(&slot->lock, LOCK_SLOT);
}

/*
 * Dekker's: a slow path takes its slot's lock, then reads `closed`; we write
 * `closed`, then take each lock once. One of the two sees the other.
 */
bool percpu_stop(void)
{
	bool rest = true;

	lock(&gate.lock, LOCK_INIT);
	WRITE_ONCE(gate.owner, &seat);
	__atomic_store_n(&gate.closed, 1, __ATOMIC_SEQ_CST);
	smp_mb();
	for (uint32_t i = 0; i < READ_ONCE(percpu.max_active); i++) {
		struct slot *slot = &percpu.slots[i];

		if (!load_acquire(&slot->active))
			continue;
		lock(&slot->lock, LOCK_SLOT);
		unlock(&slot->lock, LOCK_SLOT);
	}
	divert();
	if (percpu.mode == PERCPU_RSEQ)
		rest = percpu.can_fence && os_rseq_fence();
	if (percpu.mode != PERCPU_DIRECT)
		percpu.mode = rest ? PERCPU_LOCKED : PERCPU_DIRECT;
	return rest;
}

void percpu_start(bool diverted)
{
	if (!diverted) {
		percpu.mode = percpu.home_mode;
		percpu_go();
	}
	WRITE_ONCE(gate.owner, NULL);
	store_release(&gate.closed, 0);
	unlock(&gate.lock, LOCK_INIT);
	os_wake_all(&gate.closed);
}

/*
 * A slot's lock may be held in the child by a thread that was on its way to
 * the gate when the process was copied; it had touched nothing.
 */
void percpu_child(bool keep_rows)
{
	for (uint32_t i = 0; i < percpu.max_active; i++) {
		struct slot *slot = &percpu.slots[i];

		if (!slot->active)
			continue;
		slot->lock.word = 0;
		if (keep_rows)
			continue;
		memset(slot_row(i, 0), 0, (size_t)1 << ROWS_SHIFT);
		memset(slot->spare, 0, sizeof(slot->spare));
		memset(&slot->pcp, 0, sizeof(slot->pcp));
	}
}

void percpu_open(void)
{
	memset(&gate, 0, sizeof(gate));
}

void percpu_recover(void)
{
	percpu_open();
	percpu_child(false);
	percpu.mode = percpu.home_mode;
	percpu_go();
}
