/* SPDX-License-Identifier: MIT */
/*
 * What:  address space in a given place, and memory that stays where it is.
 * Door:  os_reserve_below() for DMA32, os_reserve_at(), os_pin() for DMA.
 * Locks: as os/os.h has it.
 * Invariant: nothing that is mapped is ever mapped over.
 */
#ifndef BM_OS_PLACE_H
#define BM_OS_PLACE_H

#include "base/compiler.h"

/*
 * As os_reserve(), wholly below an address, as high as there is room; its
 * start a multiple of align. NULL: there is no such place, or it is refused.
 */
void *os_reserve_below(size_t bytes, size_t align, uintptr_t below);
/* As os_reserve(), just here. False: something is here already, or refused. */
bool os_reserve_at(void *addr, size_t bytes);
/*
 * Present now, locked for good, and not there in a fork child. False: refused
 * (RLIMIT_MEMLOCK, say), and the pages are in between: uncommit them.
 */
bool os_pin(void *addr, size_t bytes);

#endif
