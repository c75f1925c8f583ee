/* SPDX-License-Identifier: MIT */
/*
 * What:  the tree of the process's mappings, kept in step with its calls, and
 *        corrected from /proc/self/maps where it could not be.
 * Door:  track_*() from vma/call.c, behind the kernel's answer; what takes a
 *        mapping away is in two parts, around the call. track_reconcile() and
 *        track_next() for whoever looks.
 * Locks: LOCK_VMA, never across a system call.
 * Invariant: nobody may depend on the tree for the program's results: it says
 *        what was seen. Calls inside libc (thread stacks, ld.so, brk) and
 *        calls by other names are not seen before the next reconciliation.
 *
 *   order       munmap takes the range out of the tree *before* the kernel
 *               does: as soon as it has, another thread may be given the same
 *               addresses and note them. What failed is put back.
 *   signals     a handler that interrupts its thread in here notes nothing; the
 *               tree is then `stale`. So is it when no node could be had, when
 *               a call failed half-way, and in a child of _Fork.
 *   changes     counts what was noted. A reader of /proc that finds it
 *               unchanged, and no call under way, has seen what the tree has.
 */
#ifndef BM_VMA_TRACK_H
#define BM_VMA_TRACK_H

#include "base/lock.h"
#include "base/print.h"
#include "vma/tree.h"

struct track {
	struct lock lock;	/* LOCK_VMA (V) */
	struct vma_tree tree;	/* (V) */
	uint32_t lock_all;	/* (V) mlockall(MCL_FUTURE): new ones too */
	uint32_t stale;		/* (A) something was missed */
	uint32_t under_way;	/* (A) calls between their two parts */
	uint64_t changes;	/* (A) */
	uint64_t missed;	/* (A) calls that could not be noted */
	uint64_t calls;		/* (V) that were */
};

extern struct track track __attribute__((visibility("hidden")));

/* A call on a range between its two parts. */
struct track_call {
	struct vma *taken;
	uintptr_t start, end;
	struct vma first;	/* what was at the start; end is 0: nothing */
	bool noted;
};

/* False: a nested call, which notes nothing. nr: nodes that are wanted. */
bool track_enter(size_t nr);
void track_leave(void);
/* Something changed that the tree does not know. */
void track_miss(void);

void track_mapped(uintptr_t addr, size_t bytes, uint32_t flags, uint64_t offset,
		  const void *who);
void track_take(struct track_call *c, uintptr_t addr, size_t bytes);
void track_taken(struct track_call *c, bool done);
void track_moved(struct track_call *c, uintptr_t to, size_t bytes,
		 bool copied);
void track_change(uintptr_t addr, size_t bytes, uint32_t clear, uint32_t set);
/*
 * The kernel met a hole: what lies in front of it has changed, or all but it.
 * False: the tree has none there.
 */
bool track_change_partly(uintptr_t addr, size_t bytes, uint32_t clear,
			 uint32_t set, bool past_it);
void track_lock_all(bool now, bool later);

/* A fork child: what fork does not hand on. */
void track_child(void);
void track_forget(void);

/* Makes the tree what the kernel has. False: /proc does not tell. */
bool track_reconcile(void);
/* A copy of the first that ends above addr; false: there is none. */
bool track_next(uintptr_t addr, struct vma *out);
/* The view BM_VIEW_MAPS. */
void track_print(struct text *t);

#endif
