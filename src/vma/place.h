/* SPDX-License-Identifier: MIT */
/*
 * What:  mmap:place: where a large mapping of the program's goes.
 * Door:  place_hint() before, place_node() after the kernel's mmap.
 * Locks: none; one word remembers the last place.
 * Invariant: only wishes. A hint that does not fit is ignored by the kernel; a
 *        node is preferred, never bound, and only where the thread has no
 *        policy of its own. Reservations (PROT_NONE), stacks, files, shared
 *        memory and mappings with an address are left alone.
 */
#ifndef BM_VMA_PLACE_H
#define BM_VMA_PLACE_H

#include "base/compiler.h"

enum { PLACE_MIN = 4 << 20 };

/* Such a mapping as is placed at all. */
bool place_wants(const void *addr, size_t bytes, int prot, int flags);
/* An address for it that begins a huge page; NULL: none is known. */
void *place_hint(size_t bytes);
/* It was put here. True: it prefers the caller's node now. */
bool place_node(void *addr, size_t bytes);

#endif
