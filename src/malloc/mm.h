/* SPDX-License-Identifier: MIT */
/*
 * What:  what the files of the malloc floor share: start, slow paths, large
 *        blocks, nested calls, pointers that are not ours.
 * Door:  malloc/fast.h for the two short paths; include/buddymalloc.h for the
 *        program.
 * Locks: every slow path is mm_enter() ... mm_leave() with one slot in between.
 * Invariant: seat.inside is set from mm_enter() to mm_leave(). A call that
 *        finds it set comes from a signal handler that interrupted this very
 *        thread in a slow path: it takes no lock (malloc/nested.c).
 */
#ifndef BM_MALLOC_MM_H
#define BM_MALLOC_MM_H

#include "base/compiler.h"
#include "os/rseq.h"
#include "profile/hook.h"
#include "slab/named.h"
#include "slab/sheaf.h"
#include "zone/quota.h"

/* Starts the allocator at the first call; false: it cannot be started. */
bool mm_init(void);
/* It was started, if perhaps in a parent that this child is not told of. */
bool mm_booted(void);

/* False: a nested call. Keeps nothing else. */
bool mm_enter(void);
void mm_leave(void);

/* A slow path with a slot; NULL: a nested call, or nothing could be started. */
static inline struct slot *mm_enter_slot(uint32_t *nr)
{
	if (unlikely(!mm_enter()))
		return NULL;
	if (likely(mm_booted()))
		return slot_enter(nr);
	mm_leave();
	return NULL;
}

static inline void mm_leave_slot(struct slot *slot)
{
	slot_exit(slot);
	mm_leave();
}

void *malloc_slow(size_t size) cold;
void free_slow(void *p) cold;
/* As free_slow(); with check:on the size must be right. */
void free_sized_slow(void *p, size_t size, bool aligned) cold;
/* As malloc_fast(), the memory zero. */
void *malloc_zeroed(size_t size);
/* Of what is free already: no zone grows for it. */
void *malloc_nogrow(size_t size);
/* Of a node, or of a near one where that has no memory. */
void *malloc_on(unsigned nid, size_t size);
/* Of one class, whatever its alignment. */
void *malloc_aligned(size_t align, size_t size);

/* Over SMALL_MAX: page runs. zero: clear them where that is needed. */
void *large_alloc(size_t size, size_t align, bool zero);
/*
 * The same of a node (NID_ANY: the slot's own) and a zone, for a group (NULL:
 * none): the block is then on its list until it is freed.
 */
struct block_group {
	struct lock lock;	/* of the level LIST */
	struct list blocks;	/* (the lock above) their descriptors */
};
void *large_alloc_from(int nid, unsigned gfp, size_t size, size_t align,
		       struct block_group *group);
/* All blocks of a group; in a slow path, with the caller's slot. */
void large_free_group(struct block_group *group, struct slot *slot);
/* The block is mapped anew when it is freed; false: too many are already. */
bool large_remap(void *p);
bool large_in_group(const void *p, const struct block_group *group);
void large_free(void *p);
/*
 * As free(), for one that should have so many pages. Returns how many it has;
 * if these are others, nothing is done.
 */
size_t large_put(void *p, size_t npages);
/* In place, by moving pages, or NULL: the caller copies. */
void *large_realloc(void *p, size_t size);
size_t large_size(const void *p, const char *what);
uint64_t large_moves(void);

/*
 * Memory ran out, for a request of so many bytes: true when the program gave
 * some back, and it is worth another try. Outside of all slow paths.
 */
bool mm_oom(size_t bytes);
/* The same for a request with flags; true for ever where it must not fail. */
bool mm_again(unsigned gfp, size_t bytes);
/* In a fork child: nobody else is in a callback any more. */
void mm_oom_child(void);
/* What the program's shrinkers give; in objects, as they count. */
size_t mm_shrinkers(void);
int mm_shrinker_add(size_t (*count)(void *arg),
		    size_t (*scan)(size_t nr, void *arg), void *arg);
bool mm_shrinker_del(int id);
void mm_set_oom_handler(int (*fn)(size_t bytes, void *arg), void *arg);

/* Calls from signal handlers that interrupted a slow path. Lock-free. */
void *nested_alloc(size_t size, size_t align);
void nested_free(void *p);		/* any block: put off, or at once */
bool nested_owns(const void *p);
size_t nested_size(const void *p);
void nested_drain(void);
uint64_t nested_calls(void);

/*
 * Whether p may be a block. The map says so for small ones; address space that
 * was given back (malloc/limit.c) may be anybody's by now.
 */
static inline bool is_ours(const void *p)
{
	if (unlikely(!window_owns(p)))
		return extra_owns(p);
	return READ_ONCE(*map_entry(p)) || pfn_present(pfn_of_address(p));
}

/* An object of a cache that the program made. */
static inline bool is_named(const void *p)
{
	return entry_is_named(page_entry(p));
}

/* A pointer that is not of this heap, by the option `foreign`. */
void foreign_free(void *p);
void *foreign_realloc(void *p, size_t size);
size_t foreign_size(const void *p);

/* Around fork and vfork. */
void fork_init(void);
void fork_recover(void);	/* a child that no handler was told of */
bool fork_vforked(void);	/* a vfork child lives */
bool mm_diverted(void);		/* keep to the slow paths, and to the locks */
/* Hooks came or went. Not in a handler inside a slow path. */
void mm_rewatch(void);
void mm_divert(void);
void mm_undivert(void);

int mm_trim(void);
/* Every cache is emptied; inside a slow path, without a slot. */
void mm_drain(void);
/*
 * So many free pages of a node (NID_ANY: of all) go back; deep: what caches
 * hold comes free first. Returns how many went.
 */
size_t mm_reclaim(int nid, size_t npages, bool deep);
/*
 * Empties the caches and chooses the slabs to be drained; the bytes that come
 * free when all their objects have moved. And moves one: NULL, it stays.
 */
size_t mm_compact(void);
void *mm_move(void *p);
/* Times that caches were emptied; what was moved. */
uint64_t mm_drains(void);
uint64_t mm_moved_bytes(void);

/* Memory goes back when the program is at rest (malloc/idle.c). */
void idle_start(void);
void idle_kick(void) cold;
void idle_child(void);
/* This is our own thread. */
bool idle_here(void);
uint64_t idle_threads(void);

/* True: memory came free, and a request that failed is worth another try. */
bool pressure_relieve(void);
/* After a slow path that went over the soft limit. */
void pressure_soft(void) cold;
/* Before a limit of address space, or its locking, takes effect. */
void mm_give_address_space(size_t limit);

#endif
