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
#include "profile/trace.h"
#include "slab/sheaf.h"

/* Starts the allocator at the first call; false: it cannot be started. */
bool mm_init(void);
/* It was started, if perhaps in a parent that this child is not told of. */
bool mm_booted(void);

/* False: a nested call. Keeps nothing else. */
bool mm_enter(void);
void mm_leave(void);

void *malloc_slow(size_t size) cold;
void free_slow(void *p) cold;
/* As free_slow(); with check:on the size must be right. */
void free_sized_slow(void *p, size_t size, bool aligned) cold;
/* As malloc_fast(), the memory zero. */
void *malloc_zeroed(size_t size);
/* Of one class, whatever its alignment. */
void *malloc_aligned(size_t align, size_t size);

/* Over SMALL_MAX: page runs. zero: clear them where that is needed. */
void *large_alloc(size_t size, size_t align, bool zero);
void large_free(void *p);
/* In place, by moving pages, or NULL: the caller copies. */
void *large_realloc(void *p, size_t size);
size_t large_size(const void *p, const char *what);
uint64_t large_moves(void);

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
	return window_owns(p) &&
	       (READ_ONCE(*map_entry(p)) || pfn_present(pfn_of_address(p)));
}

/* A pointer that is not of this heap, by the option `foreign`. */
void foreign_free(void *p);
void *foreign_realloc(void *p, size_t size);
size_t foreign_size(const void *p);

/* Around fork and vfork. */
void fork_init(void);
void fork_recover(void);	/* a child that no handler was told of */
bool fork_diverted(void);	/* a vfork child lives: keep to the locks */
void mm_divert(void);
void mm_undivert(void);

int mm_trim(void);
/* Before a limit of address space, or its locking, takes effect. */
void mm_give_address_space(size_t limit);

#endif
