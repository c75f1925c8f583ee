/* SPDX-License-Identifier: MIT */
/*
 * What:  how a call gets into one of the trees of mappings: with nodes enough,
 *        with its lock, and into one at a time.
 * Door:  inside_enter(), inside_leave().
 * Locks: the tree's, of the level VMA; nodes are mapped before it is taken.
 * Invariant: a signal handler that interrupts its thread in between is refused,
 *        by the other tree too: two threads whose handlers wait for what the
 *        other one holds would wait for ever. Refused is a child of _Fork, where the lock may be held by a thread that is
 *        not here, until the allocator has found out (malloc/fork.c).
 */
#ifndef BM_VMA_INSIDE_H
#define BM_VMA_INSIDE_H

#include "base/lock.h"
#include "vma/tree.h"

/* nr: nodes that are wanted; without memory there may be fewer. */
bool inside_enter(struct lock *l, struct vma_tree *t, size_t nr);
void inside_leave(struct lock *l);
/* The lock is this thread's own: a handler has interrupted it. */
bool inside_holds(const struct lock *l);

#endif
