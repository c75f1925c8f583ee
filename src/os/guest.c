/* SPDX-License-Identifier: MIT */
#include "os/guest.h"

#include "os/os.h"

static bool change(struct guest *g, uint32_t *from, uint32_t to)
{
	return __atomic_compare_exchange_n(&g->word, from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool guest_claim(struct guest *g)
{
	uint32_t free = GUEST_FREE;

	return change(g, &free, GUEST_CLAIMED);
}

/* Somebody may just look in: the users are kept. */
void guest_open(struct guest *g)
{
	__atomic_add_fetch(&g->word, GUEST_LIVE - GUEST_CLAIMED,
			   __ATOMIC_SEQ_CST);
}

bool guest_enter(struct guest *g)
{
	uint32_t word = __atomic_add_fetch(&g->word, 1, __ATOMIC_SEQ_CST);

	return (word & GUEST_STATES) == GUEST_LIVE;
}

void guest_exit(struct guest *g)
{
	uint32_t word = __atomic_sub_fetch(&g->word, 1, __ATOMIC_SEQ_CST);

	if (word == GUEST_LEAVING)
		os_wake_all(&g->word);
	else if (word == GUEST_LEFT)
		change(g, &word, GUEST_FREE);
}

bool guest_close(struct guest *g, bool wait)
{
	uint32_t word = READ_ONCE(g->word), users, to;

	do {
		if ((word & GUEST_STATES) != GUEST_LIVE)
			return false;
		users = word & ~(uint32_t)GUEST_STATES;
		to = wait ? GUEST_LEAVING : users ? GUEST_LEFT : GUEST_FREE;
	} while (!change(g, &word, to | users));
	return true;
}

void guest_wait(struct guest *g)
{
	uint32_t word = GUEST_LEAVING;

	while (!change(g, &word, GUEST_FREE)) {
		/* A fork child has freed it already, in a handler. */
		if ((word & GUEST_STATES) != GUEST_LEAVING)
			return;
		os_wait(&g->word, word);
		word = GUEST_LEAVING;
	}
}

/* What other threads had begun to fill or to close stays undone. */
void guest_child(struct guest *g, uint32_t users)
{
	uint32_t state = g->word & GUEST_STATES;

	if (state == GUEST_LIVE || (users && state == GUEST_LEFT))
		g->word = state | users;
	else if (users && state == GUEST_LEAVING)
		g->word = GUEST_LEFT | users;
	else
		g->word = GUEST_FREE;
}
