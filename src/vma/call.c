/* SPDX-License-Identifier: MIT */
#include "vma/call.h"

#include <errno.h>
#include <sys/mman.h>

#include "conf/conf.h"
#include "os/mapping.h"
#include "vma/place.h"
#include "vma/serve.h"
#include "vma/track.h"

/* Names that older headers lack; the numbers are the kernel's ABI. */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef PROT_GROWSDOWN
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP 0x02000000
#endif

uint32_t vma_watch;

static bool tracked(void)
{
	return READ_ONCE(vma_watch) & VMA_TRACK;
}

static bool serving(void)
{
	return unlikely(READ_ONCE(vma_watch) & VMA_SERVE);
}

bool vma_init(void)
{
	uint32_t watch = VMA_TRACK;

	if (conf.mmap == MMAP_OFF)
		return true;
	/* What is there already; without /proc the tree fills as calls come. */
	track_reconcile();
	if (conf.mmap >= MMAP_PLACE)
		watch |= VMA_PLACE;
	if (conf.mmap == MMAP_SERVE && serve_init())
		watch |= VMA_SERVE;
	WRITE_ONCE(vma_watch, watch);
	return true;
}

/* Nothing is noted while the pages of the tree are copied. */
static bool prepared;

void vma_prepare(void)
{
	if (serving())
		serve_prepare();
	prepared = tracked() && track_enter(0);
}

void vma_parent(void)
{
	if (!prepared)
		return;
	prepared = false;
	track_leave();
}

void vma_child(void)
{
	if (!prepared) {
		vma_recover();
		return;
	}
	prepared = false;
	serve_child();
	track_child();
	track_leave();
}

void vma_recover(void)
{
	prepared = false;
	if (tracked()) {
		serve_child();
		track_forget();
	}
}

void vma_serve_stop(void)
{
	if (serving())
		serve_stop();
}

bool vma_idle(void)
{
	return serving() && serve_idle();
}

bool vma_release(void)
{
	return serving() && serve_release();
}

static uint32_t flags_of(int prot, int flags)
{
	uint32_t f = (uint32_t)prot & VMA_PROT;
	bool shared = (flags & MAP_TYPE) == MAP_SHARED ||
		      (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

	if (shared)
		f |= VMA_SHARED;
	/* What the kernel backs by a file of its own counts as one. */
	if (shared || !(flags & MAP_ANONYMOUS) || flags & MAP_HUGETLB)
		f |= VMA_FILE;
	if (flags & MAP_GROWSDOWN)
		f |= VMA_STACK;
	if (flags & MAP_LOCKED)
		f |= VMA_LOCKED;
	return f;
}

static cold void *mmap_watched(void *addr, size_t bytes, int prot, int flags,
			       int fd, int64_t offset, const void *who)
{
	bool place = READ_ONCE(vma_watch) & VMA_PLACE &&
		     place_wants(addr, bytes, prot, flags);
	bool serve = serving() && serve_wants(addr, bytes, prot, flags, offset);
	uint32_t f = flags_of(prot, flags);
	void *p = serve ? serve_take(bytes, who, &serve) : NULL;

	if (p) {
		track_mapped((uintptr_t)p, bytes, f | VMA_SERVED, 0, who);
		return p;
	}
	if (serving() && flags & MAP_FIXED)
		serve_forget(addr, bytes);
	if (place)
		addr = place_hint(bytes);
	p = os_sys_mmap(addr, bytes, prot, flags, fd, offset);
	if (p == MAP_FAILED && errno == ENOMEM && serving() && serve_release())
		p = os_sys_mmap(addr, bytes, prot, flags, fd, offset);
	if (p == MAP_FAILED) {
		/* What was in the place may have gone nevertheless. */
		if (flags & MAP_FIXED)
			track_miss();
		return p;
	}
	if (place && place_node(p, bytes))
		f |= VMA_NODE;
	track_mapped((uintptr_t)p, bytes, f, (uint64_t)offset, who);
	if (serve)
		serve_note(p, bytes, who);
	/* Rounded to its huge pages, or more than was asked for. */
	if (flags & (MAP_HUGETLB | MAP_GROWSDOWN))
		track_miss();
	return p;
}

void *vma_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
	       int64_t offset, const void *who)
{
	if (likely(!READ_ONCE(vma_watch)))
		return os_sys_mmap(addr, bytes, prot, flags, fd, offset);
	return mmap_watched(addr, bytes, prot, flags, fd, offset, who);
}

int vma_munmap(void *addr, size_t bytes)
{
	struct track_call call;
	int result;

	if (likely(!tracked()))
		return os_sys_munmap(addr, bytes);
	track_take(&call, (uintptr_t)addr, bytes);
	result = serving() && serve_keep(addr, bytes)
			 ? 0
			 : os_sys_munmap(addr, bytes);
	track_taken(&call, result == 0);
	return result;
}

void *vma_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		 void *new_addr)
{
	struct track_call call;
	bool known;
	void *p;

	if (likely(!tracked()))
		return os_sys_mremap(addr, bytes, new_bytes, flags, new_addr);
	known = serving() && serve_forget(addr, bytes);
	if (serving() && flags & MREMAP_FIXED)
		serve_forget(new_addr, new_bytes);
	track_take(&call, (uintptr_t)addr, bytes);
	p = os_sys_mremap(addr, bytes, new_bytes, flags, new_addr);
	if (p != MAP_FAILED) {
		if (known && !(flags & MREMAP_DONTUNMAP))
			serve_note(p, new_bytes, NULL);
		track_moved(&call, (uintptr_t)p, new_bytes,
			    flags & MREMAP_DONTUNMAP);
		return p;
	}
	track_taken(&call, false);
	if (flags & MREMAP_FIXED)
		track_miss();
	return p;
}

/* The rest changes attributes. past_holes: where there is one it goes on. */
static int noted(int result, const void *addr, size_t bytes, uint32_t clear,
		 uint32_t set, bool past_holes)
{
	int error = errno;

	if (result == 0)
		track_change((uintptr_t)addr, bytes, clear, set);
	else if (error != EINVAL &&
		 (error != ENOMEM ||
		  !track_change_partly((uintptr_t)addr, bytes, clear, set,
				       past_holes)))
		track_miss();
	errno = error;
	return result;
}

int vma_mprotect(void *addr, size_t bytes, int prot)
{
	int result;

	if (serving() && prot != (PROT_READ | PROT_WRITE))
		serve_forget(addr, bytes);
	result = os_sys_mprotect(addr, bytes, prot);
	if (likely(!tracked()))
		return result;
	/* To the end of the stack: how far is not told. */
	if (prot & (PROT_GROWSDOWN | PROT_GROWSUP)) {
		track_miss();
		return result;
	}
	return noted(result, addr, bytes, VMA_PROT, (uint32_t)prot & VMA_PROT,
		     false);
}

/* By this advice pages go, or come; the mapping stays what it is. */
static bool leaves_trace(int advice)
{
	static const int none[] = {
		MADV_DONTNEED, MADV_FREE, MADV_WILLNEED, 20 /* COLD */,
		21 /* PAGEOUT */, 22 /* POPULATE_READ */,
		23 /* POPULATE_WRITE */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (none[i] == advice)
			return false;
	return true;
}

int vma_madvise(void *addr, size_t bytes, int advice)
{
	static const struct {
		int advice;
		uint32_t clear, set;
	} kept[] = {
		{ MADV_HUGEPAGE, VMA_NO_HUGE, VMA_HUGE },
		{ MADV_NOHUGEPAGE, VMA_HUGE, VMA_NO_HUGE },
		{ MADV_DONTFORK, 0, VMA_NO_FORK },
		{ MADV_DOFORK, VMA_NO_FORK, 0 },
		{ MADV_WIPEONFORK, 0, VMA_WIPE },
		{ MADV_KEEPONFORK, VMA_WIPE, 0 },
		{ MADV_DONTDUMP, 0, VMA_NO_DUMP },
		{ MADV_DODUMP, VMA_NO_DUMP, 0 },
	};
	int result;

	if (serving()) {
		if (leaves_trace(advice))
			serve_forget(addr, bytes);
		else
			serve_emptied(addr, bytes);
	}
	result = os_sys_madvise(addr, bytes, advice);
	if (likely(!tracked()))
		return result;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i].advice == advice)
			return noted(result, addr, bytes, kept[i].clear,
				     kept[i].set, true);
	return result;
}

int vma_mlock(const void *addr, size_t bytes)
{
	int result;

	if (serving())
		serve_forget(addr, bytes);
	result = os_sys_mlock(addr, bytes);
	return tracked() ? noted(result, addr, bytes, 0, VMA_LOCKED, false)
			 : result;
}

int vma_mlock2(const void *addr, size_t bytes, unsigned flags)
{
	int result;

	if (serving())
		serve_forget(addr, bytes);
	result = os_sys_mlock2(addr, bytes, flags);
	return tracked() ? noted(result, addr, bytes, 0, VMA_LOCKED, false)
			 : result;
}

int vma_munlock(const void *addr, size_t bytes)
{
	int result = os_sys_munlock(addr, bytes);

	return tracked() ? noted(result, addr, bytes, VMA_LOCKED, 0, false)
			 : result;
}

int vma_mlockall(int flags)
{
	int result;

	vma_serve_stop();
	result = os_sys_mlockall(flags);
	if (tracked() && result == 0)
		track_lock_all(flags & MCL_CURRENT, flags & MCL_FUTURE);
	return result;
}

int vma_munlockall(void)
{
	int result = os_sys_munlockall();

	if (tracked() && result == 0)
		track_lock_all(false, false);
	return result;
}
