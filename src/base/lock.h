/* SPDX-License-Identifier: MIT */
/*
 * What:  the one lock of the house: a word that spins a little, then sleeps.
 * Door:  lock(), trylock(), unlock().
 * Locks: THE lock order, outermost first. A thread may take a lock only when
 *        its level is higher than that of every lock it holds:
 *
 *            LOCK_INIT < LOCK_SLOT < LOCK_GROW < LOCK_BARN < LOCK_LIST
 *                      < LOCK_SHEAVES < LOCK_ZONE < LOCK_TRACE < LOCK_VMA
 *
 *        Under BARN, LIST, SHEAVES, ZONE and VMA no system call is made but the
 *        lock's own futex, and no floor above is called.
 * Invariant: word is 0 free, 1 held, 2 held and somebody may sleep.
 * See:   ARCHITECTURE.md, "Locks"; debug builds abort on a wrong order.
 */
#ifndef BM_BASE_LOCK_H
#define BM_BASE_LOCK_H

#include "base/compiler.h"

enum lock_level {
	LOCK_INIT = 1,	/* start of the allocator, fork gate, options */
	LOCK_SLOT,	/* one CPU's slot: every slow path holds one */
	LOCK_GROW,	/* growth of a zone: system calls happen here */
	LOCK_BARN,	/* whole sheaves of one class and owner */
	LOCK_LIST,	/* slabs of one class */
	LOCK_SHEAVES,	/* the pool of empty sheaves */
	LOCK_ZONE,	/* a zone's free areas */
	LOCK_TRACE,	/* the trace file: system calls happen here */
	LOCK_VMA,	/* one of the trees of the program's mappings */
};

struct lock {
	uint32_t word;	/* (A) */
};

void lock_slow(struct lock *l) cold;
void unlock_slow(struct lock *l) cold;
void lock_order_enter(enum lock_level level);
void lock_order_exit(enum lock_level level);

static always_inline bool trylock(struct lock *l, enum lock_level level)
{
	uint32_t zero = 0;

	if (!__atomic_compare_exchange_n(&l->word, &zero, 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	if (CONFIG_DEBUG)
		lock_order_enter(level);
	return true;
}

static always_inline void lock(struct lock *l, enum lock_level level)
{
	uint32_t zero = 0;

	if (unlikely(!__atomic_compare_exchange_n(&l->word, &zero, 1, false,
						  __ATOMIC_SEQ_CST,
						  __ATOMIC_RELAXED)))
		lock_slow(l);
	if (CONFIG_DEBUG)
		lock_order_enter(level);
}

static always_inline void unlock(struct lock *l, enum lock_level level)
{
	if (CONFIG_DEBUG)
		lock_order_exit(level);
	if (unlikely(__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2))
		unlock_slow(l);
}

#endif
