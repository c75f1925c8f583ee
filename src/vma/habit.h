/* SPDX-License-Identifier: MIT */
/*
 * What:  how densely mappings are touched: for each caller and size, what those
 *        were like that the kernel was asked of when they ended.
 * Door:  habit_looks() when one begins, habit_seen() when it ends.
 * Locks: none: a word each, and a value that is a moment old does no harm.
 * Invariant: only a guess. Two callers may share one.
 *        Clearing 1 MiB for a program that touches one page of it would be
 *        fifty times slower than the kernel, and bigger. So one in LOOK_DENSE
 *        of the dense comes from the kernel to be looked at, and one in
 *        LOOK_SPARSE of the sparse is looked at (a system call more). A
 *        look counts a quarter, and what was seen before the rest: the last
 *        of many arenas is half empty.
 */
#ifndef BM_VMA_HABIT_H
#define BM_VMA_HABIT_H

#include "base/compiler.h"

enum { HABIT_FULL = 64, HABIT_DENSE = HABIT_FULL / 4 * 3 };

struct habit {
	uint8_t seen;		/* (A) 0: nothing yet; 1 + HABIT_FULL: all full */
	uint8_t left;		/* (A) until one is looked at */
};

struct habit *habit_of(uintptr_t who, size_t bytes);
/* Whether this one is to be looked at when it ends. */
bool habit_looks(struct habit *h);
/* True: this one was dense, and so are most: it is worth keeping. */
bool habit_seen(struct habit *h, size_t pages, long resident);

static inline bool habit_dense(const struct habit *h)
{
	return READ_ONCE(h->seen) > HABIT_DENSE;
}

#endif
