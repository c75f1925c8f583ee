/* SPDX-License-Identifier: MIT */
#include "os/mapping.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Older headers lack it; the numbers are the kernel's ABI. */
#ifndef SYS_mlock2
#ifdef __x86_64__
#define SYS_mlock2 325
#else
#define SYS_mlock2 284
#endif
#endif

void *os_sys_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		  int64_t offset)
{
	return (void *)syscall(SYS_mmap, addr, bytes, prot, flags, fd, offset);
}

int os_sys_munmap(void *addr, size_t bytes)
{
	return (int)syscall(SYS_munmap, addr, bytes);
}

void *os_sys_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		    void *new_addr)
{
	return (void *)syscall(SYS_mremap, addr, bytes, new_bytes, flags,
			       new_addr);
}

int os_sys_mprotect(void *addr, size_t bytes, int prot)
{
	return (int)syscall(SYS_mprotect, addr, bytes, prot);
}

int os_sys_madvise(void *addr, size_t bytes, int advice)
{
	return (int)syscall(SYS_madvise, addr, bytes, advice);
}

int os_sys_mlock(const void *addr, size_t bytes)
{
	return (int)syscall(SYS_mlock, addr, bytes);
}

int os_sys_mlock2(const void *addr, size_t bytes, unsigned flags)
{
	return (int)syscall(SYS_mlock2, addr, bytes, flags);
}

int os_sys_munlock(const void *addr, size_t bytes)
{
	return (int)syscall(SYS_munlock, addr, bytes);
}

int os_sys_mlockall(int flags)
{
	return (int)syscall(SYS_mlockall, flags);
}

int os_sys_munlockall(void)
{
	return (int)syscall(SYS_munlockall);
}
