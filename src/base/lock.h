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
 *        A thread that is alone in its process reads and writes it as any other
 *        word: an atomic instruction waits for all stores before it, of which a
 *        program that fills memory has many under way. The word means the same
 *        either way: a lock that was taken alone is given back as any other
 *        when a second thread has come meanwhile.
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

/* Leads to a byte that is not 0 while the process has one thread. (A) */
extern const char *lock_alone __attribute__((visibility("hidden")));
/* The byte; NULL: from here on there may be more threads than it tells of. */
void lock_tell(const char *alone);

/* Where there are others. */
void lock_shared(struct lock *l);
void unlock_shared(struct lock *l);

static always_inline bool lock_is_alone(void)
{
	return *(const volatile char *)READ_ONCE(lock_alone);
}

/* A counter that every thread may add to. */
static always_inline void lock_add(size_t *counter, size_t n)
{
	if (lock_is_alone())
		WRITE_ONCE(*counter, *counter + n);
	else
		__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

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
	if (lock_is_alone() && likely(!READ_ONCE(l->word)))
		WRITE_ONCE(l->word, 1);
	else
		lock_shared(l);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (CONFIG_DEBUG)
		lock_order_enter(level);
}

static always_inline void unlock(struct lock *l, enum lock_level level)
{
	if (CONFIG_DEBUG)
		lock_order_exit(level);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (lock_is_alone())
		WRITE_ONCE(l->word, 0);
	else
		unlock_shared(l);
}

#endif
