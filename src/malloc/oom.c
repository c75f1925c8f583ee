/* SPDX-License-Identifier: MIT */
/*
 * What:  what the program may do when memory runs out: shrinkers give back
 *        what it can make again, then the handler has the last word.
 * Locks: none while the program's functions run: they may allocate and free.
 *        A shrinker's entry is taken and left by atomics:
 *          add      FREE -> FILLING -> LIVE
 *          call     users + 1, only if still LIVE; users - 1
 *          remove   LIVE -> LEAVING, waits for users = 0, -> FREE
 * Invariant: a thread that is in a callback is not sent into another one:
 *        what it asks for there fails at once.
 * See:   the kernel's struct shrinker and oom_notify_list.
 */
#include <errno.h>

#include "malloc/mm.h"
#include "os/os.h"

enum { SHRINKERS = 64, HANDLERS = 16, NAP_NS = 1000000 };
enum state { FREE, FILLING, LIVE, LEAVING };

static struct shrinker {
	uint32_t state;		/* (A) */
	uint32_t users;		/* (A) calls that run; a futex word */
	size_t (*count)(void *arg);		/* (FILLING) */
	size_t (*scan)(size_t nr, void *arg);	/* (FILLING) */
	void *arg;				/* (FILLING) */
} shrinkers[SHRINKERS];

/*
 * Function and argument change together: each pair has a place of its own,
 * which is not used again for a long while.
 */
static struct handler {
	int (*fn)(size_t bytes, void *arg);
	void *arg;
} handlers[HANDLERS];
static struct handler *handler;		/* (A) */
static uint32_t next_handler;		/* (A) */

static uint32_t nr_shrinkers;		/* (A) */
static thread_local_word uint32_t in_callback;

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
		uint32_t free = FREE;

		if (!__atomic_compare_exchange_n(&s->state, &free, FILLING,
						 false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		s->count = count;
		s->scan = scan;
		s->arg = arg;
		store_release(&s->state, LIVE);
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

static bool enter(struct shrinker *s)
{
	__atomic_add_fetch(&s->users, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&s->state, __ATOMIC_SEQ_CST) == LIVE;
}

static void leave(struct shrinker *s)
{
	if (!__atomic_sub_fetch(&s->users, 1, __ATOMIC_SEQ_CST) &&
	    READ_ONCE(s->state) == LEAVING)
		os_wake_all(&s->users);
}

bool mm_shrinker_del(int id)
{
	uint32_t live = LIVE, users;
	struct shrinker *s;

	if (id < 0 || id >= SHRINKERS)
		return false;
	s = &shrinkers[id];
	if (!__atomic_compare_exchange_n(&s->state, &live, LEAVING, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	__atomic_sub_fetch(&nr_shrinkers, 1, __ATOMIC_RELAXED);
	/* One that takes itself out, or another, must not wait for itself. */
	while ((users = __atomic_load_n(&s->users, __ATOMIC_SEQ_CST)) &&
	       !in_callback)
		os_wait(&s->users, users);
	store_release(&s->state, FREE);
	return true;
}

size_t mm_shrinkers(void)
{
	size_t freed = 0;

	if (!READ_ONCE(nr_shrinkers) || in_callback || seat.inside)
		return 0;
	in_callback = 1;
	for (struct shrinker *s = shrinkers; s < shrinkers + SHRINKERS; s++) {
		if (READ_ONCE(s->state) != LIVE)
			continue;
		if (enter(s))
			freed += shrink(s);
		leave(s);
	}
	in_callback = 0;
	return freed;
}

bool mm_oom(size_t bytes)
{
	struct handler *h;
	bool again;

	if (pressure_relieve() || mm_shrinkers())
		return true;
	h = load_acquire(&handler);
	if (!h || in_callback || seat.inside)
		return false;
	in_callback = 1;
	again = h->fn(bytes, h->arg) != 0;
	in_callback = 0;
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
	/* One that forks leaves by itself; its count is the only one then. */
	if (in_callback)
		return;
	for (struct shrinker *s = shrinkers; s < shrinkers + SHRINKERS; s++) {
		s->users = 0;
		if (s->state == LEAVING || s->state == FILLING)
			s->state = FREE;
	}
}
