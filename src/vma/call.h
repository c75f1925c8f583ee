/* SPDX-License-Identifier: MIT */
/*
 * What:  the calls that make, change and end mappings, as the program makes
 *        them: passed to the kernel and, by the option `mmap`, placed before
 *        and noted after.
 * Door:  vma_mmap() and the rest; preload/mmap.c gives them libc's names, and
 *        api/mmap.c bm_ ones, some by way of told.h.
 * Locks: none is held while the kernel runs.
 * Invariant: results and errno are the kernel's. With vma_watch 0 (the start,
 *        and mmap:off) a call is one load and one branch away from it.
 *        Nothing here allocates or starts the allocator, so the calls work
 *        before libc is ready, in signal handlers and in vfork children.
 * See:   track.h for the tree, place.h for addresses and nodes.
 */
#ifndef BM_VMA_CALL_H
#define BM_VMA_CALL_H

#include "base/compiler.h"

enum {
	VMA_TRACK = 1,
	VMA_PLACE = 2,
	VMA_SERVE = 4,
};

extern uint32_t vma_watch __attribute__((visibility("hidden")));	/* (A) */

/* By the option; the last stage of the start. */
bool vma_init(void);
/* Around fork: the tree is at rest while pages are copied. */
void vma_prepare(void);
void vma_parent(void);
void vma_child(void);
/* In a child that no handler was told of: the tree is forgotten. */
void vma_recover(void);

/* What mmap:serve keeps goes back; true: there was something. */
bool vma_release(void);
/* Of that, what is not wanted: once in half a second. */
bool vma_idle(void);
/* And nothing is served any more. */
void vma_serve_stop(void);

/* who: the return address of the program's call. */
void *vma_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
	       int64_t offset, const void *who);
int vma_munmap(void *addr, size_t bytes);
void *vma_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		 void *new_addr);
int vma_mprotect(void *addr, size_t bytes, int prot);
int vma_madvise(void *addr, size_t bytes, int advice);
int vma_mlock(const void *addr, size_t bytes);
int vma_mlock2(const void *addr, size_t bytes, unsigned flags);
int vma_munlock(const void *addr, size_t bytes);
int vma_mlockall(int flags);
int vma_munlockall(void);

#endif
