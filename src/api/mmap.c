/* SPDX-License-Identifier: MIT */
/*
 * The calls on mappings for those who link: what mmap() and its kin are under
 * the preload library (preload/mmap.c).
 */
#include "api/api.h"
#include "vma/call.h"
#include "vma/told.h"

BM_EXPORT void *bm_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
			int64_t offset)
{
	return told_mmap(addr, bytes, prot, flags, fd, offset,
			 __builtin_return_address(0));
}

BM_EXPORT int bm_munmap(void *addr, size_t bytes)
{
	return told_munmap(addr, bytes);
}

BM_EXPORT void *bm_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
			  void *new_addr)
{
	return told_mremap(addr, bytes, new_bytes, flags, new_addr);
}

BM_EXPORT int bm_mprotect(void *addr, size_t bytes, int prot)
{
	return vma_mprotect(addr, bytes, prot);
}

BM_EXPORT int bm_madvise(void *addr, size_t bytes, int advice)
{
	return vma_madvise(addr, bytes, advice);
}
