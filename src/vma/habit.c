/* SPDX-License-Identifier: MIT */
#include "vma/habit.h"

#include "base/bits.h"

enum {
	HABITS = 64,
	LOOK_DENSE = 64,
	LOOK_SPARSE = 16,
};

static struct habit habits[HABITS];

struct habit *habit_of(uintptr_t who, size_t bytes)
{
	uint64_t key = (uint64_t)who + log2_floor(bytes);

	return &habits[(key * 0x9e3779b97f4a7c15u >> 58) % HABITS];
}

bool habit_looks(struct habit *h)
{
	uint8_t left = READ_ONCE(h->left);

	if (READ_ONCE(h->seen) && left) {
		WRITE_ONCE(h->left, (uint8_t)(left - 1));
		return false;
	}
	WRITE_ONCE(h->left,
		   (uint8_t)((habit_dense(h) ? LOOK_DENSE : LOOK_SPARSE) - 1));
	return true;
}

bool habit_seen(struct habit *h, size_t pages, long resident)
{
	unsigned was = READ_ONCE(h->seen), now = 0;

	if (resident > 0)
		now = (unsigned)((size_t)resident * HABIT_FULL / pages);
	WRITE_ONCE(h->seen,
		   (uint8_t)(1 + (was ? (3 * (was - 1) + now) / 4 : now)));
	return now >= HABIT_DENSE && habit_dense(h);
}
