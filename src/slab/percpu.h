/* SPDX-License-Identifier: MIT */
/*
 * What:  the slots: one per CPU (by rseq) or a few behind locks (without).
 *        Each has rows of sheaf tops for the fast path and, for the slow
 *        path, a lock, the spare sheaves and counters.
 * Door:  slot_enter()/slot_exit() around every slow path; percpu_stop() and
 *        percpu_start() to have all slots to oneself (fork, trim).
 * Locks: slot->lock (S). The rows belong to the CPU: they are written by
 *        restartable sequences of threads that run on it, or, while the
 *        caches are diverted or there is no rseq, by the holder of (S).
 * Invariant: whoever is in a slow path holds exactly one slot's lock; so the
 *        gate is shut when `closed` is set and no slot's lock is held.
 *
 *   the region   [limbo][nil rows] [rows of slot 0][rows of slot 1]...
 *                                  ^ percpu.base, ROWS_AT before them
 *                [struct slot ...][sheaf][sheaf]...
 *   limbo and the nil rows are zeros, never written: the rows of slots below
 *   0, and those that stand for every slot while the caches are diverted.
 *   a slot's rows: 64 groups (owners, xor-ed with one's own) of 128 tops of 4
 *   bytes; group 0 is the slot's own. There is no class 0: its first row is no
 *   top, but what the slot is as an owner, as in a map entry. Of owner 11 that
 *   is 11 << 7: an object of class 5 and owner 11 lies in row 5, one of owner 3
 *   in row (11 ^ 3) << 7 | 5.
 * See:   os/rseq.h for the sequences, slab/sheaf.h for sheaves.
 */
#ifndef BM_SLAB_PERCPU_H
#define BM_SLAB_PERCPU_H

#include "base/lock.h"
#include "os/rseq.h"
#include "slab/class.h"
#include "slab/owner.h"
#include "zone/pcp.h"

/* How fast events come: a fixed number of them is a round. All (S). */
struct pace {
	uint32_t events;	/* of this round */
	uint32_t busy;		/* rounds in a row that were short */
	uint64_t since;		/* when this one began */
};

/* What a slot knows of a class, beside its rows. All (S). */
struct slot_class {
	uint32_t spare;		/* top of a second sheaf, or 0 */
	uint8_t want;		/* capacity of the next sheaf */
	uint8_t want_far;	/* the same, strangers' objects */
	uint8_t gone;	/* objects that went home for want of room, and not back */
	uint8_t freed : 1;	/* the last slow call was a free */
	uint8_t stale : 1;	/* calloc's last one was not fresh */
	uint8_t turns : 3;	/* changes of sheaves: each eighth is 0 again */
	uint8_t turns_far : 3;	/* the same, strangers' objects */
};

/* The same of a named cache, beside other slots' that are written meanwhile. */
struct named_slot {
	struct slot_class class;
} aligned_to(64);

struct slot {
	struct lock lock;
	uint32_t active;	/* (A) its memory is committed */
	uint32_t node;		/* (C) once active: whose memory it caches */
	uint32_t nr;		/* (C) once active */
	/* Those of named caches lie with these: most processes have none. */
	struct slot_class classes[NR_CLASSES];
	struct pcp pcp;			/* (S) */
	struct pace changes;		/* (S) of sheaves */
	struct pace returns;		/* (S) of objects that had gone home */
	uint64_t gone_since;		/* (S) when gone of malloc's classes was 0 */
	uint64_t slow_allocs, slow_frees, refills, flushes;	/* (S) */
	uint64_t remote_sheaves;				/* (S) */
} aligned_to(64);

enum percpu_mode {
	PERCPU_DIRECT,	/* no sheaves: every call goes to a slab (check:on) */
	PERCPU_LOCKED,	/* rows are written under the slot's lock */
	PERCPU_RSEQ,
	PERCPU_FAKE,	/* the rseq code on a private area: one thread */
};

struct percpu {
	char *base;		/* (C) the real rows; sheaf offsets start here */
	char *nil;		/* (C) the nil rows */
	struct slot *slots;	/* (C) */
	uint32_t nr_slots;	/* (C) */
	uint32_t usable_cpus;	/* (C) at the start, without rseq */
	uint32_t mode;		/* (all slots stopped) enum percpu_mode */
	uint32_t home_mode;	/* (C) what mode is when nothing diverts */
	uint32_t can_fence;	/* (C) other CPUs' sheaves can be taken */
	uint32_t sheaves;	/* (C) where the pool's first block begins */
	uint32_t sheaf_end;	/* (SHEAVES) end of the committed sheaves */
	uint32_t region_end;	/* (C) */
	uint32_t max_active;	/* (A) slots that were ever used */
};

extern struct percpu percpu __attribute__((visibility("hidden")));

bool percpu_init(unsigned cpus, enum percpu_mode wanted);
/* From here on the fast path finds the real rows. */
void percpu_go(void);

/* Address space for further sheaves goes back, but for a little. */
void percpu_cut(void);

/* The current slot, locked; its number goes to *nr. Never inside another. */
struct slot *slot_enter(uint32_t *nr);
void slot_exit(struct slot *slot);

/*
 * Shuts the gate, waits until no slow path runs and diverts every fast path.
 * Afterwards the caller (and only its thread may use the allocator) sees all
 * rows and sheaves at rest. False: other CPUs could not be fenced, so their
 * rows must be left alone (the mode is then PERCPU_DIRECT).
 */
bool percpu_stop(void);
/* Opens the gate again; diverted: slow paths go on without rseq meanwhile. */
void percpu_start(bool diverted);
/* Whether this thread has stopped them: around a fork, say. */
bool percpu_stopped_here(void);
/* In a fork child: other threads are gone, and what they held with them. */
void percpu_child(bool keep_rows);
/* In a child whose fork this thread did not prepare: nobody shuts the gate. */
void percpu_open(void);
/* The same, and everything else of a child that no handler was told of. */
void percpu_recover(bool diverted);

static always_inline uint32_t *slot_row(uint32_t nr, unsigned index)
{
	return (uint32_t *)(percpu.base + ROWS_AT +
			    ((size_t)nr << ROWS_SHIFT)) + index;
}

/* The slot as an owner. */
static always_inline unsigned slot_owner(uint32_t nr)
{
	return *slot_row(nr, 0) >> CLASS_BITS;
}

/* The row of a map entry, as rseq_push() finds it. */
static always_inline unsigned row_of_entry(uint32_t nr, unsigned entry)
{
	return entry ^ *slot_row(nr, 0);
}

/* Puts new in the place of old. False: the row was not as expected. */
static inline bool slot_swap(uint32_t nr, uint32_t *row, uint32_t old,
			     uint32_t new)
{
	/* Without an area this is a child that was not told of its fork. */
	if (percpu.mode > PERCPU_LOCKED)
		return percpu_switch.area && rseq_swap(nr, row, old, new);
	*row = new;
	return true;
}

#endif
