/* SPDX-License-Identifier: MIT */
/*
 * What:  the owner of a slab, six bits of its map entry: the node where its
 *        memory lies and, below, a hint of the slot that last took from it.
 * Door:  owner_of() and its inverses.
 * Invariant: three bits of hint, fewer with more than 8 nodes. With 2 nodes
 *        slot 11 of node 1 is the owner 1 << 3 | 11 % 8 = 11; with 64 nodes
 *        an owner is a node and nothing else.
 */
#ifndef BM_SLAB_OWNER_H
#define BM_SLAB_OWNER_H

#include "base/bits.h"
#include "os/rseq.h"
#include "topo/topo.h"

static inline unsigned owner_hint_bits(void)
{
	return (unsigned)min_u64(HINT_BITS, OWNER_BITS - log2_ceil(topo.nodes));
}

static inline unsigned owner_of(unsigned nid, uint32_t slot)
{
	unsigned bits = owner_hint_bits();

	return nid << bits | (slot & ((1u << bits) - 1));
}

static inline unsigned owner_node(unsigned owner)
{
	return owner >> owner_hint_bits();
}

static inline unsigned owner_hint(unsigned owner)
{
	return owner & ((1u << owner_hint_bits()) - 1);
}

static inline unsigned entry_owner(unsigned entry)
{
	return entry >> CLASS_BITS;
}

#endif
