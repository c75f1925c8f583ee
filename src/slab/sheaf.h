/* SPDX-License-Identifier: MIT */
/*
 * What:  sheaves: bounded stacks of free objects, exchanged whole.
 * Door:  cache_alloc() and cache_free(), the slow paths behind the sequences
 *        of os/rseq.h; sheaves_drain() to empty every cache.
 * Locks: the caller holds its slot (S); barn locks (B) and the pool's
 *        (SHEAVES) are taken and left inside.
 * Invariant: a sheaf is 128 to 1,024 bytes, aligned to its size; a top is the
 *        offset (from percpu.base) of the place above its highest object:
 *
 *          0     8           first                            last word
 *          [head][unused ...][NULL][object][object][free ... free][NULL]
 *                                              top ^
 *
 *        A sheaf of 128 bytes with a capacity of 4 uses words 11..14: 10 and 15
 *        are NULL. A top above the one is empty, a top at the other full, and
 *        the free places, where something was or nothing ever lay, are never
 *        NULL. So neither test needs a count or a bound.
 *        All sheaves together have room for at most 1/16 of what is allocated
 *        (and 16 MiB in any case): capacity is claimed when a sheaf is made.
 * See:   the kernel's sheaves and barns (slub.c since 6.18).
 */
#ifndef BM_SLAB_SHEAF_H
#define BM_SLAB_SHEAF_H

#include "slab/percpu.h"
#include "slab/slab.h"

/* What the slot knows of a cache's class. */
static inline struct slot_class *class_in(struct slot *slot,
					  const struct cache *cache)
{
	return cache->slots ? &cache->slots[slot->nr].class
			    : &slot->classes[cache->class];
}

static inline struct barn *barn_of(const struct cache *cache, unsigned owner)
{
	return &cache_node(cache, owner_node(owner))->barns[owner_hint(owner)];
}

enum sheaf_result { SHEAF_DONE, SHEAF_RETRY, SHEAF_FAILED };

/*
 * An object of the cache for the slot. SHEAF_RETRY: the slot's sheaf has some
 * by now, take the fast path; never where this is the second try (again).
 * *zeroed (when not NULL, for calloc): asks for memory that was never used,
 * and tells whether it is zero. Of a cache with a constructor, where it must
 * not be NULL: the object was never out, and has yet to be constructed.
 */
enum sheaf_result cache_alloc(struct cache *cache, struct slot *slot,
			      uint32_t nr, bool again, void **object,
			      bool *zeroed);
enum sheaf_result cache_free(void *p, unsigned entry, struct slot *slot,
			     uint32_t nr, bool again);

/*
 * With all slots stopped: every object of every barn goes home, and with rows
 * (when percpu_stop() could fence) those of the slots too.
 */
void sheaves_drain(bool rows);
/* Of one cache; also where nobody uses it, as when it is destroyed. */
void sheaves_drain_cache(struct cache *cache, struct pcp *pcp, bool rows);
/* In a child of _Fork: as caches_recover(). */
void sheaves_recover(void);

/* Blocks of SHEAF_BYTES that were cut into sheaves. */
size_t sheaves_made(void);
/* Free objects in sheaves and barns now (all slots stopped). */
size_t sheaves_cached_bytes(void);

#endif
