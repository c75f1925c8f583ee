/* SPDX-License-Identifier: MIT */
/* The program's hooks: profile/hook.c has the mechanics. */
#include "api/api.h"

enum {
	EVENTS = BM_EVENT_MALLOC | BM_EVENT_FREE | BM_EVENT_REALLOC |
		 BM_EVENT_MMAP | BM_EVENT_MUNMAP | BM_EVENT_MREMAP,
};

/* In a handler that interrupted a slow path nobody can be led elsewhere. */
static bool too_deep(void)
{
	if (likely(!seat.inside))
		return false;
	errno = EAGAIN;
	return true;
}

BM_EXPORT int bm_register_hook(unsigned events, bm_hook_fn *before,
			       bm_hook_fn *after, void *arg)
{
	int id;

	if (!events || events & ~(unsigned)EVENTS || (!before && !after)) {
		errno = EINVAL;
		return -1;
	}
	if (too_deep())
		return -1;
	api_start();
	id = hooks_add(events, before, after, arg);
	if (id < 0) {
		errno = ENOSPC;
		return -1;
	}
	mm_rewatch();
	return id;
}

BM_EXPORT int bm_unregister_hook(int id)
{
	if (too_deep())
		return -1;
	if (!hooks_del(id)) {
		errno = ENOENT;
		return -1;
	}
	mm_rewatch();
	hooks_wait(id);
	return 0;
}
