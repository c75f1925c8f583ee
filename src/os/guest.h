/* SPDX-License-Identifier: MIT */
/*
 * What:  a function of the program's that we call, which another thread may
 *        take away meanwhile.
 * Door:  guest_claim(), fill in what it is, guest_open(); guest_enter() and
 *        guest_exit() around each call; guest_close(), guest_wait().
 * Locks: none; state and users are one word, so no step sees half of another.
 * Invariant: between guest_enter() and guest_exit() what was filled in stays.
 *
 *            claim        open        close(wait)           wait
 *      FREE -------> CLAIMED ----> LIVE ------> LEAVING, users ----> FREE
 *                                    \ close                 last exit
 *                                     `------> LEFT, users ---------> FREE
 */
#ifndef BM_OS_GUEST_H
#define BM_OS_GUEST_H

#include "base/compiler.h"

enum {
	GUEST_FREE = 0,
	GUEST_CLAIMED = 1 << 28,
	GUEST_LIVE = 2 << 28,
	GUEST_LEAVING = 3 << 28,	/* somebody waits for the users */
	GUEST_LEFT = 4 << 28,		/* nobody does */
	GUEST_STATES = 7 << 28,
};

struct guest {
	uint32_t word;	/* (A) state | users; a futex word */
};

static inline bool guest_lives(const struct guest *g)
{
	return (READ_ONCE(g->word) & GUEST_STATES) == GUEST_LIVE;
}

/* False: it is taken. */
bool guest_claim(struct guest *g);
void guest_open(struct guest *g);
/* guest_exit() follows in any case; true: it may be called in between. */
bool guest_enter(struct guest *g);
void guest_exit(struct guest *g);
/*
 * Nobody enters any more. False: it was not live. wait: guest_wait() follows;
 * else (whoever is in a call must not wait for itself) the last one out frees
 * the place.
 */
bool guest_close(struct guest *g, bool wait);
void guest_wait(struct guest *g);
/* In a fork child, where this thread alone may be in it: users is 1 or 0. */
void guest_child(struct guest *g, uint32_t users);

#endif
