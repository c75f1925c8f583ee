/* SPDX-License-Identifier: MIT */
/*
 * What:  what the program may do when memory runs out: shrinkers give back
 *        what it can make again, then the handler has the last word.
 * Locks: none while the program's functions run: they may allocate and free.
 *        Shrinkers come and go as os/guest.h tells.
 * Invariant: a thread that is in a callback is not sent into another one:
 *        what it asks for there fails at once.
 * See:   the kernel's struct shrinker and oom_notify_list.
 */
#include <errno.h>

#include "malloc/mm.h"
#include "os/guest.h"
#include "os/os.h"

enum { SHRINKERS = 64, HANDLERS = 16, NAP_NS = 1000000 };

static struct shrinker {
	struct guest guest;
	size_t (*count)(void *arg);		/* (guest claimed) */
	size_t (*scan)(size_t nr, void *arg);	/* (guest claimed) */
	void *arg;				/* (guest claimed) */
} shrinkers[SHRINKERS] set_apart;

/*
 * Function and argument change together: each pair has a place of its own,
 * which is not used again for a long while.
 */
static struct handler {
	int (*fn)(size_t bytes, void *arg);
	void *arg;
} handlers[HANDLERS] set_apart;
static struct handler *handler;		/* (A) */
static uint32_t next_handler;		/* (A) */

static uint32_t nr_shrinkers;		/* (A) */
/* The shrinker that this thread is in, plus 1, or the handler; 0: neither. */
enum { HANDLER = SHRINKERS + 1 };
static thread_local_word uint32_t in_callback;

/* What the program frees in there is a call of its own, whoever called us. */
static uint32_t unmute(void)
{
	uint32_t muted = seat.muted;

	seat.muted = 0;
	return muted;
}

void mm_set_oom_handler(int (*fn)(size_t bytes, void *arg), void *arg)
{
	uint32_t at = __atomic_fetch_add(&next_handler, 1, __ATOMIC_RELAXED);
	struct handler *h = &handlers[at % HANDLERS];

	h->fn = fn;
	h->arg = arg;
	store_release(&handler, fn ? h : NULL);
}

int mm_shrinker_add(size_t (*count)(void *arg),
		    size_t (*scan)(size_t nr, void *arg), void *arg)
{
	for (int i = 0; i < SHRINKERS; i++) {
		struct shrinker *s = &shrinkers[i];

		if (!guest_claim(&s->guest))
			continue;
		s->count = count;
		s->scan = scan;
		s->arg = arg;
		guest_open(&s->guest);
		__atomic_add_fetch(&nr_shrinkers, 1, __ATOMIC_RELAXED);
		return i;
	}
	return -1;
}

/* It may take itself out in between. */
static size_t shrink(const struct shrinker *s)
{
	size_t (*scan)(size_t nr, void *arg) = s->scan;
	void *arg = s->arg;
	size_t nr = s->count(arg);

	return nr ? scan(nr, arg) : 0;
}

bool mm_shrinker_del(int id)
{
	/*
	 * One that takes itself out, or another, must not wait for itself; nor
	 * must a handler in a slow path, whose slot the shrinker may need.
	 */
	bool wait = !in_callback && !seat.inside;

	if (id < 0 || id >= SHRINKERS ||
	    !guest_close(&shrinkers[id].guest, wait))
		return false;
	__atomic_sub_fetch(&nr_shrinkers, 1, __ATOMIC_RELAXED);
	if (wait)
		guest_wait(&shrinkers[id].guest);
	return true;
}

size_t mm_shrinkers(void)
{
	size_t freed = 0;
	uint32_t muted;

	/* Our own thread is none of libc's: the program's code cannot run there. */
	if (!READ_ONCE(nr_shrinkers) || in_callback || seat.inside ||
	    idle_here())
		return 0;
	muted = unmute();
	for (uint32_t i = 0; i < SHRINKERS; i++) {
		struct shrinker *s = &shrinkers[i];

		if (!guest_lives(&s->guest))
			continue;
		in_callback = i + 1;
		if (guest_enter(&s->guest))
			freed += shrink(s);
		guest_exit(&s->guest);
	}
	in_callback = 0;
	seat.muted = muted;
	return freed;
}

bool mm_oom(size_t bytes)
{
	struct handler *h;
	uint32_t muted;
	bool again;

	if (pressure_relieve() || mm_shrinkers())
		return true;
	h = load_acquire(&handler);
	if (!h || in_callback || seat.inside)
		return false;
	muted = unmute();
	in_callback = HANDLER;
	again = h->fn(bytes, h->arg) != 0;
	in_callback = 0;
	seat.muted = muted;
	return again;
}

bool mm_again(unsigned gfp, size_t bytes)
{
	/* Whoever wants one node, or nothing new, has another plan. */
	if (!(gfp & (GFP_THISNODE | GFP_NOGROW)) && mm_oom(bytes))
		return true;
	if (gfp & GFP_NOFAIL) {
		os_nap(NAP_NS);
		return true;
	}
	errno = ENOMEM;
	return false;
}

void mm_oom_child(void)
{
	for (uint32_t i = 0; i < SHRINKERS; i++)
		guest_child(&shrinkers[i].guest, in_callback == i + 1);
}
