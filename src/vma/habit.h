/* SPDX-License-Identifier: MIT */
/*
 * What:  how densely mappings are touched: for each caller and size, what the
 *        last one was like that the kernel was asked of when it ended.
 * Door:  habit_looks() when one begins, habit_seen() when it ends.
 * Locks: none: a word each, and a value that is a moment old does no harm.
 * Invariant: only a guess. Two callers may share one.
 *        Clearing 1 MiB for a program that touches one page of it would be
 *        fifty times slower than the kernel, and bigger. So one in LOOK_DENSE
 *        of the dense comes from the kernel to be looked at, and one in
 *        LOOK_SPARSE of the sparse is looked at (a system call more).
 */
#ifndef BM_VMA_HABIT_H
#define BM_VMA_HABIT_H

#include "base/compiler.h"

enum habit_is { HABIT_UNKNOWN, HABIT_SPARSE, HABIT_DENSE };

struct habit {
	uint8_t is;		/* (A) enum habit_is */
	uint8_t left;		/* (A) until one is looked at */
};

struct habit *habit_of(uintptr_t who, size_t bytes);
/* Whether this one is to be looked at when it ends. */
bool habit_looks(struct habit *h);
/* True: it was dense, seven eighths of its pages or more. */
bool habit_seen(struct habit *h, size_t pages, long resident);

static inline bool habit_dense(const struct habit *h)
{
	return READ_ONCE(h->is) == HABIT_DENSE;
}

#endif
