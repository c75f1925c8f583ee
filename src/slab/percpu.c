/* SPDX-License-Identifier: MIT */
#include "slab/percpu.h"

#include <string.h>

#include "node/node.h"
#include "os/numa.h"
#include "os/os.h"
#include "slab/slab.h"
#include "topo/topo.h"

struct percpu percpu;

/* The gate: closed while one thread has all slots to itself. */
static struct {
	struct lock lock;	/* LOCK_INIT; held from stop to start */
	uint32_t closed;	/* (A) a futex word */
	struct seat *owner;	/* (A) of the thread that closed it */
	uint32_t nested;	/* (gate) stops by the owner while it is closed */
} gate;

/* Of CPUs; more share slots by locks. Their rows are 128 MiB of addresses. */
enum { SLOTS_MAX = 4096 };

/* As many sheaves as 4 GiB of offsets and the address space bear. */
static size_t sheaves_bytes(void)
{
	size_t left = os_address_space_left();

	return left == SIZE_MAX ? SHEAVES_MAX : min_u64(SHEAVES_MAX, left / 32);
}

static void divert(void)
{
	WRITE_ONCE(percpu_base.base, (uintptr_t)percpu.nil);
}

static bool may_pass(void)
{
	return !__atomic_load_n(&gate.closed, __ATOMIC_SEQ_CST) ||
	       READ_ONCE(gate.owner) == &seat;
}

/* Under a slot's lock, or a fork would copy what is half changed. */
static void refresh_nodes(void)
{
	struct slot *slot = &percpu.slots[0];

	lock(&slot->lock, LOCK_SLOT);
	if (may_pass())
		nodes_refresh();
	unlock(&slot->lock, LOCK_SLOT);
}

/* The kernel knows best, when it is asked on the CPU itself. */
static unsigned node_of_cpu(uint32_t nr)
{
	unsigned cpu, id, nid;

	if (!os_current_place(&cpu, &id) || cpu != nr)
		return topo_node_of_cpu(nr);
	nid = topo_nid(id);
	if (nid == topo.nodes) {
		refresh_nodes();
		nid = topo_node_of_cpu(nr);
	}
	return nid;
}

/*
 * Whose memory a slot caches: its CPU's node's or, where that has none, the
 * nearest one's. Without rseq slots are no CPUs; they are dealt out.
 */
static unsigned node_of_slot(uint32_t nr)
{
	if (topo.nodes == 1)
		return 0;
	if (percpu.home_mode <= PERCPU_LOCKED)
		return nr % topo.nodes;
	return topo_home(node_of_cpu(nr));
}

/* Row 0. */
static void name_owner(struct slot *slot)
{
	*slot_row(slot->nr, 0) = owner_of(slot->node, slot->nr) << CLASS_BITS;
}

/* A slot's rows and struct become writable when it is first used. */
static cold bool activate(uint32_t nr)
{
	struct slot *slot = &percpu.slots[nr];
	size_t page = page_bytes();
	uintptr_t lo = align_down((uintptr_t)slot_row(nr, 0), page);
	uintptr_t hi = align_up((uintptr_t)slot_row(nr + 1, 0), page);
	uint32_t max;

	if (!os_commit((void *)lo, hi - lo))
		return false;
	lo = align_down((uintptr_t)slot, page);
	hi = align_up((uintptr_t)(slot + 1), page);
	if (!os_commit((void *)lo, hi - lo))
		return false;
	slot->nr = nr;
	slot->node = node_of_slot(nr);
	slot->pcp.nid = slot->node;
	name_owner(slot);
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
	size_t rows, slots, sheaves, room = sheaves_bytes();
	char *region;

	if (wanted == PERCPU_FAKE)
		rseq_fake();
	else if (wanted == PERCPU_RSEQ && (cpus > SLOTS_MAX ||
					   !rseq_find(topo.nodes == 1)))
		wanted = PERCPU_LOCKED;
	if (wanted == PERCPU_RSEQ)
		percpu.can_fence = os_rseq_fence_register();
	percpu.mode = percpu.home_mode = wanted;
	if (wanted <= PERCPU_LOCKED)
		percpu.usable_cpus = os_cpus_usable();
	percpu.nr_slots = cpus;
	/* Without rseq a slot is only a lock to spread over; a node has two. */
	if (wanted <= PERCPU_LOCKED)
		percpu.nr_slots = max_u64(min_u64(2 * cpus, 64), 2 * topo.nodes);

	rows = (size_t)percpu.nr_slots << ROWS_SHIFT;
	slots = align_up(ROWS_AT + rows, _Alignof(struct slot));
	sheaves = slots + percpu.nr_slots * sizeof(struct slot);
	region = os_reserve_readable(LIMBO_BYTES + rows + sheaves + room);
	if (!region)
		return false;
	percpu.nil = region + LIMBO_BYTES;
	percpu.base = percpu.nil + rows;
	percpu.slots = (struct slot *)(percpu.base + slots);
	percpu.sheaf_end = (uint32_t)sheaves;
	percpu.sheaves = (uint32_t)align_up(sheaves, SHEAF_BYTES);
	percpu.region_end = (uint32_t)align_down(sheaves + room, page_bytes());
	divert();
	/* So that somebody always finds a slot. */
	if (!activate(0))
		return false;
	for (uint32_t i = 1; wanted <= PERCPU_LOCKED && i < topo.nodes; i++)
		if (!activate(i))
			return false;
	return true;
}

void percpu_cut(void)
{
	char *from = (char *)align_up((uintptr_t)percpu.base +
				      percpu.sheaf_end + KIB(512), page_bytes());
	char *to = (char *)align_down((uintptr_t)percpu.base +
				      percpu.region_end, page_bytes());

	if (from >= to)
		return;
	os_unmap(from, (size_t)(to - from));
	percpu.region_end = (uint32_t)(from - percpu.base);
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

/*
 * Now and then, when all slots in use were busy, one more is taken, but no
 * more than two for each CPU that there is to run on: beyond that a slot is
 * busy because its thread is not running, and more slots only cache more. What
 * the program might use at its start counts, since threads get bound later.
 */
static cold bool take_one_more(uint32_t active)
{
	static uint32_t crowded;	/* (A) times that all were busy */

	return active < percpu.nr_slots &&
	       __atomic_add_fetch(&crowded, 1, __ATOMIC_RELAXED) %
			       (64 * active) == 0 &&
	       active / 2 < max_u64(percpu.usable_cpus, os_cpus_usable());
}

/* The node that the thread runs on; another by the time that it is used. */
static unsigned current_node(void)
{
	return topo_home(topo_node_of_cpu((unsigned)os_current_cpu()));
}

/*
 * Without rseq: a thread keeps to a slot until it finds it busy. No slot has
 * an owner, so nothing is left behind by a thread that ends. Each slot in use
 * has caches of its own, so there are no more than it takes. Where there are
 * nodes, every one's slots are `step` apart.
 */
static struct slot *enter_any(uint32_t *nr)
{
	uint32_t active = READ_ONCE(percpu.max_active);
	uint32_t step = percpu.home_mode <= PERCPU_LOCKED ? topo.nodes : 1;
	uint32_t first = step > 1 ? current_node() : 0;
	uint32_t nth = seat.slot, nr_own = (active - first + step - 1) / step;

	if (!nth--)
		nth = (uint32_t)((uintptr_t)&seat >> 12) * 2654435761u >> 8;
	for (uint32_t i = 0;; i++, nth++) {
		uint32_t at = nth % nr_own * step + first;

		if (i == nr_own && take_one_more(active))
			at = active;
		if (!usable(at))
			continue;
		if (at < active) {
			if (!trylock(&percpu.slots[at].lock, LOCK_SLOT))
				continue;
		} else {
			lock(&percpu.slots[at].lock, LOCK_SLOT);
		}
		seat.slot = at / step + 1;
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

	/* A signal handler, or another handler of fork's, in our own fork. */
	if (percpu_stopped_here()) {
		gate.nested++;
		return percpu.mode != PERCPU_DIRECT;
	}
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
	if (gate.nested) {
		gate.nested--;
		return;
	}
	if (!diverted) {
		percpu.mode = percpu.home_mode;
		percpu_go();
	}
	WRITE_ONCE(gate.owner, NULL);
	store_release(&gate.closed, 0);
	unlock(&gate.lock, LOCK_INIT);
	os_wake_all(&gate.closed);
}

bool percpu_stopped_here(void)
{
	return READ_ONCE(gate.owner) == &seat;
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
		name_owner(slot);
		for (unsigned class = 1; class < NR_CLASSES; class++)
			slot->classes[class].spare = 0;
		memset(&slot->pcp, 0, sizeof(slot->pcp));
		slot->pcp.nid = slot->node;
	}
}

void percpu_open(void)
{
	memset(&gate, 0, sizeof(gate));
}

void percpu_recover(bool diverted)
{
	percpu_open();
	percpu_child(false);
	percpu.mode = percpu.home_mode;
	if (!diverted)
		percpu_go();
	else if (percpu.mode != PERCPU_DIRECT)
		percpu.mode = PERCPU_LOCKED;
}
