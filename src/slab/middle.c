/* SPDX-License-Identifier: MIT */
#include "slab/middle.h"

#include "os/os.h"
#include "slab/slab.h"
#include "slab/percpu.h"

uint32_t middle_objects;

/*
 * Two rounds in a row in which runs came every 3 us, in the whole process:
 * then a quarter of one CPU's time goes into looking for pages. A class has
 * objects for a while, and shows again that it needs them.
 */
enum { RUNS = 64, RUNS_NS = RUNS * 3000 };
static const uint64_t hold_ns = 5000000000;

static struct {
	uint32_t runs;		/* (A) */
	uint32_t busy;		/* (A) short rounds in a row */
	uint64_t since;		/* (A) when this one began */
	uint64_t turned[NR_CLASSES - NR_SMALL];	/* (A) when a class did */
} middle;

static uint32_t bit_of(unsigned class)
{
	return 1u << (class - NR_SMALL);
}

static size_t slab_pages(unsigned class)
{
	return (size_t)1 << caches[class].order;
}

/*
 * Each class begins a slab of 256 KiB to 1 MiB. All that have objects together
 * begin no more than an eighth of what is in use, and 1 MiB in any case.
 */
static bool affordable(unsigned class)
{
	size_t pages = slab_pages(class);

	for (unsigned c = NR_SMALL; c < NR_CLASSES; c++)
		if (middle_has_objects(c))
			pages += slab_pages(c);
	return pages <= max_u64(MIB(1) >> topo.page_shift,
				residents_used() / 8);
}

void middle_note(unsigned class)
{
	/* With check:on there are no sheaves, and objects cost as much. */
	if (percpu.mode == PERCPU_DIRECT)
		return;
	if (__atomic_add_fetch(&middle.runs, 1, __ATOMIC_RELAXED) % RUNS == 0) {
		uint64_t now = os_now(), since = READ_ONCE(middle.since);

		WRITE_ONCE(middle.busy, now - since < RUNS_NS
						? READ_ONCE(middle.busy) + 1
						: 0);
		WRITE_ONCE(middle.since, now);
	}
	if (READ_ONCE(middle.busy) < 2)
		return;
	/* The next class has rounds of its own. */
	WRITE_ONCE(middle.busy, 0);
	if (!affordable(class))
		return;
	WRITE_ONCE(middle.turned[class - NR_SMALL], os_now());
	__atomic_or_fetch(&middle_objects, bit_of(class), __ATOMIC_RELAXED);
}

bool middle_goes_on(unsigned class)
{
	if (os_now() - READ_ONCE(middle.turned[class - NR_SMALL]) < hold_ns)
		return true;
	__atomic_and_fetch(&middle_objects, ~bit_of(class), __ATOMIC_RELAXED);
	return false;
}

void middle_reset(void)
{
	WRITE_ONCE(middle.busy, 0);
	WRITE_ONCE(middle_objects, 0);
}
