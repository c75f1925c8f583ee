/* SPDX-License-Identifier: MIT */
#include "slab/middle.h"

#include "os/os.h"
#include "slab/percpu.h"

uint32_t middle_objects;

/*
 * Two rounds in a row in which runs came every 6 us, in the whole process:
 * then more than a tenth of one CPU's time goes into looking for pages.
 */
enum { RUNS = 64, RUNS_NS = RUNS * 6000 };

static struct {
	uint32_t runs;		/* (A) */
	uint32_t busy;		/* (A) short rounds in a row */
	uint64_t since;		/* (A) when this one began */
} pace;

void middle_note(unsigned class)
{
	/* With check:on there are no sheaves, and objects cost as much. */
	if (percpu.mode == PERCPU_DIRECT)
		return;
	if (__atomic_add_fetch(&pace.runs, 1, __ATOMIC_RELAXED) % RUNS == 0) {
		uint64_t now = os_now(), since = READ_ONCE(pace.since);

		WRITE_ONCE(pace.busy, now - since < RUNS_NS
					      ? READ_ONCE(pace.busy) + 1
					      : 0);
		WRITE_ONCE(pace.since, now);
	}
	if (READ_ONCE(pace.busy) > 1)
		__atomic_or_fetch(&middle_objects, 1u << (class - NR_SMALL),
				  __ATOMIC_RELAXED);
}

void middle_reset(void)
{
	WRITE_ONCE(pace.busy, 0);
	WRITE_ONCE(middle_objects, 0);
}
