/* SPDX-License-Identifier: MIT */
/*
 * What:  a set of mappings by address that do not overlap, and their sums, as
 *        the kernel's mm_struct has them.
 * Door:  tree_cut() and tree_take() to make room, tree_add() to fill it,
 *        tree_change() for attributes of what is there.
 * Locks: the owner's (vma/track.c: LOCK_VMA). No system call, no recursion.
 * Invariant: a treap: in order of `start` from left to right, in order of
 *        `weight` (random) from the root down, so its depth is a small multiple
 *        of log n whatever is mapped and unmapped. The sums are those of what
 *        is in the tree.
 *
 *        munmap [4, 6) of the one mapping [2, 9):
 *        cut at 4: [2, 4) [4, 9); cut at 6: [2, 4) [4, 6) [6, 9);
 *        take [4, 6): split at 4 and at 6, join the outer parts.
 */
#ifndef BM_VMA_TREE_H
#define BM_VMA_TREE_H

#include "base/compiler.h"

enum vma_flags {
	VMA_READ = 1,		/* the first three are PROT_... */
	VMA_WRITE = 2,
	VMA_EXEC = 4,
	VMA_PROT = 7,
	VMA_SHARED = 1 << 3,
	VMA_FILE = 1 << 4,	/* of a file, or as shared memory */
	VMA_STACK = 1 << 5,	/* grows down */
	VMA_LOCKED = 1 << 6,
	VMA_HUGE = 1 << 7,
	VMA_NO_HUGE = 1 << 8,
	VMA_NO_FORK = 1 << 9,
	VMA_WIPE = 1 << 10,	/* zeros in a fork child */
	VMA_NO_DUMP = 1 << 11,
	VMA_NODE = 1 << 12,	/* we preferred a node for it */
	VMA_UNSEEN = 1 << 13,	/* nobody called us for it */
	VMA_SERVED = 1 << 14,	/* it was another one before */
	VMA_SPARE = 1 << 15,	/* and will be: nobody's now */
	/* What /proc/self/maps does not tell. */
	VMA_KEPT = VMA_LOCKED | VMA_HUGE | VMA_NO_HUGE | VMA_NO_FORK |
		   VMA_WIPE | VMA_NO_DUMP | VMA_NODE | VMA_STACK |
		   VMA_SERVED | VMA_SPARE,
};

struct vma {
	uintptr_t start, end;
	struct vma *kid[2];	/* lower, higher; kid[0] links free ones */
	uint64_t offset;	/* in its file */
	uint64_t inode;		/* 0: none, or not looked up yet */
	uintptr_t who;		/* return address of the call; 0: unknown */
	uint32_t flags;
	uint32_t weight;
};

struct vma_sums {		/* bytes */
	size_t total, locked, data, exec, stack, shared;
};

struct vma_tree {
	struct vma *root;
	struct vma *spare;	/* nodes to use */
	size_t nr_spare, nr;
	struct vma_sums sums;
	uint64_t random;
};

/* Nodes from memory of the caller's. */
void tree_feed(struct vma_tree *t, void *memory, size_t bytes);

/* The first that ends above addr, or NULL; a loop goes on at its end. */
struct vma *tree_find(const struct vma_tree *t, uintptr_t addr);

/* A new one, not in the tree yet. NULL: no node is spare. */
struct vma *tree_new(struct vma_tree *t);
/* The place must be free. */
void tree_add(struct vma_tree *t, struct vma *v);
/* At most one mapping becomes two that meet at addr. False: no node. */
bool tree_cut(struct vma_tree *t, uintptr_t addr);
/* Takes out all that lies in a range that was cut at both ends. */
struct vma *tree_take(struct vma_tree *t, uintptr_t start, uintptr_t end);
/* One out of what was taken, and another next time; NULL: that was all. */
struct vma *tree_pop(struct vma **taken);
void tree_drop(struct vma_tree *t, struct vma *taken);

/* Of all in a range that was cut at both ends. */
void tree_change(struct vma_tree *t, uintptr_t start, uintptr_t end,
		 uint32_t clear, uint32_t set);
/* Neighbours that differ in nothing become one, from start to end. */
void tree_join(struct vma_tree *t, uintptr_t start, uintptr_t end);

#endif
