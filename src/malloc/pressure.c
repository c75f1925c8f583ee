/* SPDX-License-Identifier: MIT */
/*
 * What:  what is done when too much memory is in use: caches are emptied, so
 *        that slabs and pages come free; then the program is asked
 *        (malloc/oom.c).
 * Door:  pressure_relieve() when a request failed, outside of slow paths;
 *        pressure_soft() at the end of a slow path that went over the limit.
 * Locks: none is held by the caller; those of mm_drain() are taken.
 */
#include "malloc/mm.h"
#include "os/os.h"
#include "vma/call.h"

/* All slots stand still for a drain: not more often than so. */
static const uint64_t pause_ns = 50000000;

static bool due(void)
{
	static uint64_t last;	/* (A) */
	uint64_t was = READ_ONCE(last), now = os_now();

	return (!was || now - was > pause_ns) &&
	       __atomic_compare_exchange_n(&last, &was, now, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool drain(void)
{
	size_t used = residents_used(), rest;
	uint32_t nr;
	struct slot *slot;

	mm_drain();
	slot = slot_enter(&nr);
	caches_thin(NID_ANY, SIZE_MAX);
	rest = residents_used();
	quota_keep();
	slot_exit(slot);
	return vma_release() || rest < used;
}

static bool relieve(void)
{
	bool done;

	if (!mm_enter())
		return false;
	done = percpu_switch.started && drain();
	mm_leave();
	return done;
}

bool pressure_relieve(void)
{
	return due() && relieve();
}

void pressure_soft(void)
{
	WRITE_ONCE(quota.pressed, 0);
	if (due()) {
		relieve();
		if (residents_used() > quota_soft())
			mm_shrinkers();
	}
	WRITE_ONCE(quota.pressed, 0);
}
