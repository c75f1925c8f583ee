/* SPDX-License-Identifier: MIT */
#include "os/place.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/os.h"

/* Older headers lack it. Kernels that do take the address as a wish. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum {
	/* Below lie what must not be mapped, old programs and their breaks. */
	LOWEST = 16 << 20,
	TRIES = 64,
};

bool os_reserve_at(void *addr, size_t bytes)
{
	void *p = (void *)syscall(SYS_mmap, addr, bytes, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
					  MAP_FIXED_NOREPLACE,
				  -1, 0L);

	if (p == MAP_FAILED)
		return false;
	if (p != addr) {
		os_unmap(p, bytes);
		return false;
	}
	syscall(SYS_madvise, p, bytes, MADV_DONTDUMP);
	return true;
}

/* From high to low: the heap of a program that is not PIE grows upwards. */
void *os_reserve_below(size_t bytes, size_t align, uintptr_t below)
{
	uintptr_t step = align_up(max_u64((below - LOWEST) / TRIES, 1), align);
	uintptr_t at;

	if (bytes > below - LOWEST)
		return NULL;
	for (at = align_down(below - bytes, align); at >= LOWEST; at -= step)
		if (os_reserve_at((void *)at, bytes))
			return (void *)at;
	return NULL;
}

bool os_pin(void *addr, size_t bytes)
{
	/*
	 * Else the first write after a fork would copy a page, and which of
	 * the two processes keeps the one that a device knows is chance.
	 */
	return syscall(SYS_madvise, addr, bytes, MADV_DONTFORK) == 0 &&
	       syscall(SYS_mlock, addr, bytes) == 0;
}
