/* SPDX-License-Identifier: MIT */
/*
 * What:  what the files of the api floor share: the functions of
 *        buddymalloc.h beyond malloc's, over the floors below.
 * Door:  include/buddymalloc.h for the program.
 * Locks: a slot's, as in every slow path: so fork waits for these functions
 *        too. The program's own functions are called with none held, but for
 *        page hooks (api/region.h).
 * Invariant: a call from a signal handler that interrupted its own thread in
 *        the allocator gets no slot: what cannot be served by nested_alloc()
 *        is refused with ENOMEM, and what is freed waits (malloc/nested.c).
 */
#ifndef BM_API_API_H
#define BM_API_API_H

#include <errno.h>

#include "base/print.h"
#include "buddymalloc.h"
#include "malloc/fast.h"

_Static_assert((int)BM_GFP_NORMAL == GFP_NORMAL &&
		       (int)BM_GFP_MOVABLE == GFP_MOVABLE &&
		       (int)BM_GFP_ZERO == GFP_ZERO &&
		       (int)BM_GFP_THISNODE == GFP_THISNODE &&
		       (int)BM_GFP_NOGROW == GFP_NOGROW &&
		       (int)BM_GFP_NOFAIL == GFP_NOFAIL &&
		       (int)BM_GFP_DMA32 == GFP_DMA32 &&
		       (int)BM_GFP_DMA == GFP_DMA &&
		       (int)BM_GFP_DEVICE == GFP_DEVICE &&
		       (int)BM_ZONE_MOVABLE == ZONE_MOVABLE &&
		       (int)BM_ZONE_DMA32 == ZONE_DMA32 &&
		       (int)BM_ZONE_DMA == ZONE_DMA &&
		       (int)BM_ZONE_DEVICE == ZONE_DEVICE,
	       "the program's numbers are ours");

enum {
	GFP_KNOWN = GFP_ZONE_MASK | GFP_ZERO | GFP_THISNODE | GFP_NOGROW |
		    GFP_NOFAIL,
	NID_NONE = -2,
};

/* Starts the allocator if need be: topo and window may be read behind it. */
static inline void api_start(void)
{
	if (unlikely(!mm_booted()) && mm_enter())
		mm_leave();
}

/* False, and EINVAL: a zone that is not there, or a flag that is none. */
static inline bool api_gfp(unsigned gfp)
{
	if (likely(gfp_zone(gfp) < NR_ZONE_TYPES && !(gfp & ~GFP_KNOWN)))
		return true;
	errno = EINVAL;
	return false;
}

/* The program's number of a node, as ours; NID_NONE and EINVAL: there is none. */
static inline int api_nid(int node)
{
	if (node == BM_NODE_ANY)
		return NID_ANY;
	api_start();
	for (unsigned nid = 0; nid < READ_ONCE(topo.known); nid++)
		if (READ_ONCE(topo.node_id[nid]) == node)
			return (int)nid;
	errno = EINVAL;
	return NID_NONE;
}

/* A slow path; NULL and ENOMEM: there can be none now. */
static inline struct slot *api_enter(uint32_t *nr)
{
	struct slot *slot = mm_enter_slot(nr);

	if (unlikely(!slot))
		errno = ENOMEM;
	return slot;
}

/* True, and ENOMEM: a call that no page, object or heap can be given to. */
static inline bool api_nested(void)
{
	if (likely(!seat.inside))
		return false;
	errno = ENOMEM;
	return true;
}

/* Whether the address has a descriptor that may be read. */
static inline bool api_present(const void *p)
{
	api_start();
	return pfn_present(pfn_find(p));
}

/*
 * The length of an object that is a block of pages: of one of malloc's classes,
 * a power of two, in a slab that begins at a multiple of it. 0: p is none.
 */
static inline size_t api_object_bytes(const void *p, unsigned entry)
{
	unsigned class = entry & CLASS_MASK;
	size_t bytes = class < NR_SMALL ? class_bytes(class) : 0;

	return bytes >= page_bytes() && is_pow2(bytes) &&
			       !((uintptr_t)p & (bytes - 1))
		       ? bytes
		       : 0;
}

/* The length of a block of pages; anything else ends the process. */
static inline size_t api_block_bytes(const void *p)
{
	unsigned entry = page_entry(p);
	size_t bytes;

	/* Over the descriptors of a slab's pages lies its bitmap. */
	if (!entry)
		return large_size(p, "free");
	bytes = api_object_bytes(p, entry);
	if (!bytes)
		fatal("invalid free of %p: not the start of a block", p);
	return bytes;
}

#endif
