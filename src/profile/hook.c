/* SPDX-License-Identifier: MIT */
#include "profile/hook.h"

#include <errno.h>

#include "os/guest.h"
#include "os/rseq.h"

enum {
	HOOKS = 32,
	OF_THE_HEAP = BM_EVENT_MALLOC | BM_EVENT_FREE | BM_EVENT_REALLOC,
};

struct watch watch;

static struct hook {
	struct guest guest;
	unsigned events;		/* (guest claimed), as all below */
	bm_hook_fn *before, *after;
	void *arg;
} hooks[HOOKS] set_apart;
static uint32_t nr_hooks;	/* (A) places up to the last live one */

int hooks_add(unsigned events, bm_hook_fn *before, bm_hook_fn *after, void *arg)
{
	for (int i = 0; i < HOOKS; i++) {
		struct hook *h = &hooks[i];

		if (!guest_claim(&h->guest))
			continue;
		h->events = events;
		h->before = before;
		h->after = after;
		h->arg = arg;
		guest_open(&h->guest);
		return i;
	}
	return -1;
}

/*
 * One that takes itself out, or another, must not wait for itself; nor must a
 * handler in a slow path, whose slot the hook may need.
 */
static bool may_wait(void)
{
	return !seat.hook && !seat.inside;
}

bool hooks_del(int id)
{
	return id >= 0 && id < HOOKS &&
	       guest_close(&hooks[id].guest, may_wait());
}

void hooks_wait(int id)
{
	if (may_wait())
		guest_wait(&hooks[id].guest);
}

void hooks_refresh(void)
{
	unsigned events = 0;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < HOOKS; i++) {
		if (!guest_lives(&hooks[i].guest))
			continue;
		events |= hooks[i].events;
		nr = i + 1;
	}
	WRITE_ONCE(nr_hooks, nr);
	if (events & OF_THE_HEAP)
		__atomic_or_fetch(&watch.heap, WATCH_HOOKS, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(&watch.heap, ~(uint32_t)WATCH_HOOKS,
				   __ATOMIC_SEQ_CST);
	WRITE_ONCE(watch.maps, events & ~(unsigned)OF_THE_HEAP);
}

void hooks_child(void)
{
	for (uint32_t i = 0; i < HOOKS; i++)
		guest_child(&hooks[i].guest, seat.hook == i + 1);
}

static bm_hook_fn *wanted(const struct hook *h, unsigned what, bool after)
{
	if (!(READ_ONCE(h->events) & what))
		return NULL;
	return after ? READ_ONCE(h->after) : READ_ONCE(h->before);
}

void hooks_tell(const struct bm_event *e, bool after)
{
	uint32_t nr = READ_ONCE(nr_hooks);
	int saved = errno;

	if (seat.hook)
		return;
	for (uint32_t i = 0; i < nr; i++) {
		struct hook *h = &hooks[i];
		bm_hook_fn *fn;

		/* A look from outside saves two atomics; inside it counts. */
		if (!guest_lives(&h->guest) || !wanted(h, e->what, after))
			continue;
		/* Also for a signal handler that comes in between. */
		seat.hook = i + 1;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (guest_enter(&h->guest)) {
			fn = wanted(h, e->what, after);
			if (fn)
				fn(e, h->arg);
		}
		guest_exit(&h->guest);
	}
	seat.hook = 0;
	errno = saved;
}

static void tell(enum trace_op op, size_t align, size_t size, void *old,
		 void *p, bool after)
{
	struct bm_event e = {
		.what = op == TRACE_FREE      ? BM_EVENT_FREE
			: op == TRACE_REALLOC ? BM_EVENT_REALLOC
					      : BM_EVENT_MALLOC,
		.fd = -1,
		.ptr = old,
		.result = p,
		.size = size,
		.align = align,
	};

	if (after && !p && op != TRACE_FREE)
		e.error = ENOMEM;
	hooks_tell(&e, after);
}

void call_announce(enum trace_op op, size_t align, size_t size, void *old)
{
	if (seat.muted)
		return;
	if (op == TRACE_FREE || op == TRACE_REALLOC)
		trace_record(op, 0, 0, old);
	if (watch.heap & WATCH_HOOKS)
		tell(op, align, size, old, NULL, false);
}

void call_report(enum trace_op op, size_t align, size_t size, void *old,
		 void *p)
{
	if (seat.muted)
		return;
	if (op != TRACE_FREE)
		trace_record(op == TRACE_REALLOC ? TRACE_REALLOC_TO : op,
			     align, size, p);
	if (watch.heap & WATCH_HOOKS)
		tell(op, align, size, old, p, true);
}
