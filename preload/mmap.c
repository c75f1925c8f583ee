/* SPDX-License-Identifier: MIT */
/*
 * What:  libc's names for the calls on mappings, in the preload library only.
 * Door:  mmap(), munmap() and their kin; each goes to vma/ at once.
 * Invariant: what libc's functions do beside the system call is done here
 *        (posix_madvise returns the error and does not discard, mremap takes
 *        its fifth argument only with a flag that has one); nothing else is.
 * See:   hooks.c for the calls that concern the heap. Not here: brk and sbrk,
 *        which share a word with libc, and what libc calls inside itself
 *        (thread stacks, ld.so): the tree learns of those from /proc.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "malloc/mm.h"
#include "vma/call.h"
#include "vma/told.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

BM_EXPORT void *mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		     off_t offset)
{
	return told_mmap(addr, bytes, prot, flags, fd, offset,
			 __builtin_return_address(0));
}

/* off_t has 64 bits on every machine that we know. */
BM_EXPORT void *mmap64(void *addr, size_t bytes, int prot, int flags, int fd,
		       off_t offset)
{
	return told_mmap(addr, bytes, prot, flags, fd, offset,
			 __builtin_return_address(0));
}

BM_EXPORT int munmap(void *addr, size_t bytes)
{
	return told_munmap(addr, bytes);
}

BM_EXPORT void *mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		       ...)
{
	void *new_addr = NULL;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_list ap;

		va_start(ap, flags);
		new_addr = va_arg(ap, void *);
		va_end(ap);
	}
	return told_mremap(addr, bytes, new_bytes, flags, new_addr);
}

BM_EXPORT int mprotect(void *addr, size_t bytes, int prot)
{
	return vma_mprotect(addr, bytes, prot);
}

BM_EXPORT int madvise(void *addr, size_t bytes, int advice)
{
	return vma_madvise(addr, bytes, advice);
}

/* POSIX's DONTNEED keeps the contents, which the kernel's does not. */
BM_EXPORT int posix_madvise(void *addr, size_t bytes, int advice)
{
	int saved = errno, error = 0;

	if (advice != POSIX_MADV_DONTNEED &&
	    vma_madvise(addr, bytes, advice)) {
		error = errno;
		errno = saved;
	}
	return error;
}

BM_EXPORT int mlock(const void *addr, size_t bytes)
{
	return vma_mlock(addr, bytes);
}

BM_EXPORT int mlock2(const void *addr, size_t bytes, unsigned flags)
{
	return vma_mlock2(addr, bytes, flags);
}

BM_EXPORT int munlock(const void *addr, size_t bytes)
{
	return vma_munlock(addr, bytes);
}

BM_EXPORT int mlockall(int flags)
{
	int result = vma_mlockall(flags);

	/* Over RLIMIT_MEMLOCK: the unused window counts too. */
	if (result && errno == ENOMEM) {
		mm_give_address_space(0);
		result = vma_mlockall(flags);
	}
	return result;
}

BM_EXPORT int munlockall(void)
{
	return vma_munlockall();
}
