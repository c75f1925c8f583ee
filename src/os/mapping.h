/* SPDX-License-Identifier: MIT */
/*
 * What:  the program's own calls on mappings, passed to the kernel as they
 *        are: its results, its errno, no check and no change in between.
 * Door:  os_sys_*(), from vma/call.c only.
 * Locks: none may be held: a call may sleep, or kill by a signal.
 * Invariant: errno is set by a call that failed and untouched by one that did
 *        not, as libc's functions of these names have it.
 */
#ifndef BM_OS_MAPPING_H
#define BM_OS_MAPPING_H

#include "base/compiler.h"

void *os_sys_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		  int64_t offset);
int os_sys_munmap(void *addr, size_t bytes);
void *os_sys_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		    void *new_addr);
int os_sys_mprotect(void *addr, size_t bytes, int prot);
int os_sys_madvise(void *addr, size_t bytes, int advice);
int os_sys_mlock(const void *addr, size_t bytes);
int os_sys_mlock2(const void *addr, size_t bytes, unsigned flags);
int os_sys_munlock(const void *addr, size_t bytes);
int os_sys_mlockall(int flags);
int os_sys_munlockall(void);

#endif
