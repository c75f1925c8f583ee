/* SPDX-License-Identifier: MIT */
/*
 * What:  who is told of the program's calls: its hooks, and the trace.
 * Door:  call_begins() and call_ends() around each call that makes, changes
 *        or ends a block; hooks_tell() for mappings; hooks_add(), hooks_del().
 * Locks: none while a hook runs: it may allocate. Hooks come and go as
 *        os/guest.h tells; hooks_refresh() runs with the gate shut.
 * Invariant: while `watch.heap` is not 0 no call is served by a fast path
 *        (malloc/fork.c diverts them), so none that begins is missed.
 *        A thread in a hook (seat.hook) is told of nothing, and a call inside
 *        a call (seat.muted) is not told of.
 */
#ifndef BM_PROFILE_HOOK_H
#define BM_PROFILE_HOOK_H

#include "buddymalloc.h"
#include "profile/trace.h"

enum { WATCH_TRACE = 1, WATCH_HOOKS = 2 };

struct watch {
	uint32_t heap;	/* (A) WATCH_TRACE | WATCH_HOOKS */
	uint32_t maps;	/* (A) a hook wants mappings */
};

extern struct watch watch __attribute__((visibility("hidden")));

static always_inline bool watched(void)
{
	return unlikely(watch.heap);
}

/* The number of a new one; -1: there are as many as there can be. */
int hooks_add(unsigned events, bm_hook_fn *before, bm_hook_fn *after,
	      void *arg);
/* Nobody enters it any more; false: there is none. hooks_wait() follows. */
bool hooks_del(int id);
void hooks_wait(int id);
/* Who is to be told, by the hooks that there are now. */
void hooks_refresh(void);
void hooks_child(void);

/* errno is kept. */
void hooks_tell(const struct bm_event *e, bool after) cold;

void call_announce(enum trace_op op, size_t align, size_t size, void *p) cold;
void call_report(enum trace_op op, size_t align, size_t size, void *old,
	       void *p) cold;

/* old: the block that is freed or resized. */
static always_inline void call_begins(enum trace_op op, size_t align,
				      size_t size, void *old)
{
	if (watched())
		call_announce(op, align, size, old);
}

/* p: what the call gives; NULL: it failed, or frees. */
static always_inline void call_ends(enum trace_op op, size_t align,
				    size_t size, void *old, void *p)
{
	if (watched())
		call_report(op, align, size, old, p);
}

#endif
