/* SPDX-License-Identifier: MIT */
#include "vma/told.h"

#include <errno.h>
#include <sys/mman.h>

#include "profile/hook.h"
#include "vma/call.h"

static void begin(const struct bm_event *e)
{
	hooks_tell(e, false);
}

static void end(struct bm_event *e, void *result)
{
	e->result = result;
	e->error = result == MAP_FAILED ? errno : 0;
	hooks_tell(e, true);
}

void *told_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		int64_t offset, const void *who)
{
	struct bm_event e;
	void *p;

	if (likely(!READ_ONCE(watch.maps)))
		return vma_mmap(addr, bytes, prot, flags, fd, offset, who);
	e = (struct bm_event){
		.what = BM_EVENT_MMAP,
		.prot = prot,
		.flags = flags,
		.fd = fd,
		.ptr = addr,
		.size = bytes,
		.offset = offset,
	};
	begin(&e);
	p = vma_mmap(addr, bytes, prot, flags, fd, offset, who);
	end(&e, p);
	return p;
}

int told_munmap(void *addr, size_t bytes)
{
	struct bm_event e;
	int result;

	if (likely(!READ_ONCE(watch.maps)))
		return vma_munmap(addr, bytes);
	e = (struct bm_event){
		.what = BM_EVENT_MUNMAP, .fd = -1, .ptr = addr, .size = bytes,
	};
	begin(&e);
	result = vma_munmap(addr, bytes);
	end(&e, result ? MAP_FAILED : NULL);
	return result;
}

void *told_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		  void *new_addr)
{
	struct bm_event e;
	void *p;

	if (likely(!READ_ONCE(watch.maps)))
		return vma_mremap(addr, bytes, new_bytes, flags, new_addr);
	e = (struct bm_event){
		.what = BM_EVENT_MREMAP,
		.flags = flags,
		.fd = -1,
		.ptr = addr,
		.size = new_bytes,
		.old_size = bytes,
	};
	begin(&e);
	p = vma_mremap(addr, bytes, new_bytes, flags, new_addr);
	end(&e, p);
	return p;
}
