/* SPDX-License-Identifier: MIT */
/*
 * What:  caches that a program makes for itself: slabs of objects of one size
 *        as malloc's classes have them. The first 73 that live have a class
 *        each (NR_CLASSES to CLASS_NAMED - 1), and with it what malloc's
 *        classes have: rows, barns, owners; free() needs to know no more. All
 *        others are of the class CLASS_NAMED, whose rows are never filled:
 *        every call leaves the fast path and goes to a slab.
 * Door:  named_init(), named_exit(); named_alloc() and named_free() in a slow
 *        path, with the caller's slot.
 * Locks: the registry: a lock of its own (R), of the level LIST, with nothing
 *        inside; or all slots stopped.
 * Invariant: a class is given to the next cache when no sheaf of it is left in
 *        any row, spare or barn. Where other CPUs' sheaves cannot be taken (no
 *        membarrier) no cache has one: what they hold would be lost to
 *        bm_cache_shrink() and to fork children.
 *        An object in a sheaf is out, as its slab sees it, and was
 *        constructed: a fresh one goes to the program at once, which is when
 *        its constructor runs, outside of all locks.
 * See:   api/cache.c, api/heap.c; the kernel's kmem_cache.
 */
#ifndef BM_SLAB_NAMED_H
#define BM_SLAB_NAMED_H

#include "slab/percpu.h"
#include "slab/slab.h"

/*
 * Lays out a cache in zeroed memory, whose nodes are set already, and whose
 * slots (one for each of percpu.nr_slots) where it is to have a class.
 * Into and out of the registry: the caller holds a slot. What goes out has no
 * slabs and no sheaves any more.
 */
void named_init(struct cache *cache, const char *name, size_t size);
void named_exit(struct cache *cache);
/* Whether it is one; the pointer may be anything. */
bool named_known(const struct cache *cache);

/*
 * An object, or NULL; of a node, or a near one. *fresh: it was never handed out
 * before (told only of caches with a constructor, which is now to be run).
 */
void *named_alloc(struct cache *cache, struct slot *slot, uint32_t nr, int nid,
		  bool *fresh);
/* p has an entry of a named cache; ends the process where it is no object. */
void named_free(void *p, unsigned entry, struct slot *slot, uint32_t nr);

/* With all slots stopped: empty slabs go back; of all caches. */
void named_shrink(void);
/* In a fork child: what other slots had is forgotten, as in percpu_child(). */
void named_child(void);
/* In a child of _Fork: as caches_recover(). */
void named_recover(void);
/* Calls fn for each cache, with all slots stopped. */
void named_each(void (*fn)(struct cache *cache, void *arg), void *arg);
/* The i-th cache as slabinfo shows it; false: there are no more. */
struct named_row {
	char name[32];
	uint32_t size, objects, order;
	uint32_t sheaf, barn;	/* objects of a sheaf at most, sheaves of a barn */
	struct cache_counts count;
};
bool named_row(unsigned i, struct named_row *row);

static inline bool entry_is_named(unsigned entry)
{
	return (entry & CLASS_MASK) >= NR_CLASSES;
}

static inline struct cache *cache_of(const void *p)
{
	return slab_of(p)->slab.cache;
}

#endif
