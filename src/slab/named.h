/* SPDX-License-Identifier: MIT */
/*
 * What:  caches that a program makes for itself: slabs of objects of one size
 *        as malloc's classes have them, and in front of them a magazine for
 *        each slot. The map entry of their slabs is CLASS_NAMED, a class whose
 *        rows are never filled: free() comes the slow way and finds the cache
 *        through the slab.
 * Door:  named_init(), named_exit(); named_alloc() and named_free() in a slow
 *        path, with the caller's slot.
 * Locks: a magazine: the slot's (S). The registry: a lock of its own (R), of
 *        the level LIST, with nothing inside; or all slots stopped.
 * Invariant: magazines of a cache that is per_node hold objects of the slot's
 *        node only; those of others go home at once.
 *        An object in a magazine is out, as its slab sees it, and was
 *        constructed: a fresh one goes to the program at once, which is when
 *        its constructor runs, outside of all locks.
 * See:   api/cache.c, api/heap.c; the kernel's kmem_cache.
 */
#ifndef BM_SLAB_NAMED_H
#define BM_SLAB_NAMED_H

#include "slab/percpu.h"
#include "slab/slab.h"

enum {
	MAGAZINE_OBJECTS = 63,
	MAGAZINE_BUDGET = 32 << 10,	/* bytes of objects of one */
};

struct magazine {
	uint32_t nr;				/* (S) */
	void *objects[MAGAZINE_OBJECTS];	/* (S) the last is the next */
};

/*
 * Lays out a cache in zeroed memory, whose nodes and magazines (one for each of
 * percpu.nr_slots, or NULL: every call then goes to a slab) are set already.
 * Into and out of the registry: the caller holds a slot.
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
/* p has an entry of CLASS_NAMED; ends the process where it is no object. */
void named_free(void *p, struct slot *slot, uint32_t nr);

/* The objects of all magazines go home. All slots stopped, or none uses it. */
void named_flush(struct cache *cache, struct pcp *pcp);
/* With all slots stopped: the same, and empty slabs go back; of all caches. */
void named_shrink(void);
/* In a child of _Fork: as caches_recover(). */
void named_recover(void);
/* Calls fn for each cache, with all slots stopped. */
void named_each(void (*fn)(struct cache *cache, void *arg), void *arg);
/* The i-th cache as slabinfo shows it; false: there are no more. */
struct named_row {
	char name[32];
	uint32_t size, objects, magazine, order;
	struct cache_counts count;
};
bool named_row(unsigned i, struct named_row *row);
/* Free objects in magazines (all slots stopped). */
size_t named_cached_bytes(void);

static inline bool entry_is_named(unsigned entry)
{
	return (entry & CLASS_MASK) == CLASS_NAMED;
}

static inline struct cache *cache_of(const void *p)
{
	return slab_of(p)->slab.cache;
}

#endif
