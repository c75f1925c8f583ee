/* SPDX-License-Identifier: MIT */
/*
 * What:  the calls that make and end mappings, told to the program's hooks.
 * Door:  told_mmap(), told_munmap(), told_mremap(); preload/mmap.c and
 *        api/mmap.c call them, and they call vma/call.h.
 * Locks: none.
 * Invariant: without a hook for mappings a call is one load and one branch
 *        longer; results and errno are call.h's.
 */
#ifndef BM_VMA_TOLD_H
#define BM_VMA_TOLD_H

#include "base/compiler.h"

/* As in call.h. */
void *told_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		int64_t offset, const void *who);
int told_munmap(void *addr, size_t bytes);
void *told_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		  void *new_addr);

#endif
