/* SPDX-License-Identifier: MIT */
/*
 * What:  how a call gets into one of the trees of mappings: with nodes enough,
 *        with its lock, and never twice.
 * Door:  inside_enter(), inside_leave(); *word is the thread's own, one for
 *        each lock.
 * Locks: the tree's, of the level VMA; nodes are mapped before it is taken.
 * Invariant: a signal handler that interrupts its thread in between is refused,
 *        as is a child of _Fork, where the lock may be held by a thread that is
 *        not here, until the allocator has found out (malloc/fork.c).
 */
#ifndef BM_VMA_INSIDE_H
#define BM_VMA_INSIDE_H

#include "base/lock.h"
#include "vma/tree.h"

/* This thread is in here; HOLDS: and the lock is its own. */
enum { OUT, IN, HOLDS };

/* nr: nodes that are wanted; without memory there may be fewer. */
bool inside_enter(uint32_t *word, struct lock *l, struct vma_tree *t,
		  size_t nr);
void inside_leave(uint32_t *word, struct lock *l);

#endif
