/* SPDX-License-Identifier: MIT */
/*
 * Behind the fast paths: the class's cache when a sheaf is empty or full, and
 * everything that is not a small block.
 */
#include "malloc/fast.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "conf/conf.h"
#include "slab/middle.h"

bool mm_enter(void)
{
	if (seat.inside)
		return false;
	seat.inside = INSIDE;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(!READ_ONCE(percpu_switch.started))) {
		if (!mm_init())
			return true;
		/* Started, but the word is wiped: a child of _Fork or clone. */
		if (!READ_ONCE(percpu_switch.started))
			fork_recover();
	}
	return true;
}

void mm_leave(void)
{
	if (unlikely(READ_ONCE(balance.idle) == IDLE_LEFT))
		idle_kick();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	seat.inside = 0;
	if (unlikely(READ_ONCE(seat.deferred)))
		nested_drain();
	if (unlikely(READ_ONCE(quota.pressed)))
		pressure_soft();
}

/*
 * The slow path of a class. When the sheaf filled under its eyes the fast path
 * is tried once more, and if that fails the slab is asked: so it always ends,
 * even where every sequence is aborted (a debugger that steps).
 */
static void *alloc_class(struct cache *cache, bool *zeroed)
{
	void *p = NULL;

	for (bool again = false;; again = true) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);
		enum sheaf_result r = cache_alloc(cache, slot, nr, again, &p,
						  zeroed);

		slot_exit(slot);
		if (r == SHEAF_RETRY)
			p = rseq_pop(cache->class);
		if (p || r == SHEAF_FAILED)
			return p;
	}
}

/*
 * An object of a middle class or a run, whatever the class has by now. Where
 * there is no memory for a slab there may be for a run.
 */
static void *middle_alloc(size_t size, bool zero)
{
	unsigned class = class_of_middle(size);
	bool zeroed = false;
	void *p;

	if (!middle_has_objects(class)) {
		middle_note(class);
		return large_alloc(size, 1, zero);
	}
	p = rseq_pop(class);
	if (!p && middle_goes_on(class) && mm_enter()) {
		if (likely(mm_booted()))
			p = alloc_class(&caches[class], zero ? &zeroed : NULL);
		if (!p)
			middle_reset();
		mm_leave();
	}
	if (!p)
		return large_alloc(size, 1, zero);
	return zero && !zeroed ? memset(p, 0, size) : p;
}

static void *over_small(size_t size, bool zero)
{
	return size > MIDDLE_MAX ? large_alloc(size, 1, zero)
				 : middle_alloc(size, zero);
}

/* Small blocks only; *zeroed as cache_alloc() has it. */
static void *small_alloc(size_t size, bool *zeroed)
{
	void *p = NULL;

	do {
		if (!mm_enter())
			return nested_alloc(size, 16);
		if (likely(mm_booted()))
			p = alloc_class(&caches[class_of(size ? size : 1)],
					zeroed);
		mm_leave();
	} while (unlikely(!p) && mm_oom(size));
	if (unlikely(!p))
		errno = ENOMEM;
	return p;
}

void *malloc_nogrow(size_t size)
{
	void *p = NULL;

	call_begins(TRACE_MALLOC, 0, size, NULL);
	if (size > SMALL_MAX)
		p = large_alloc_from(NID_ANY, GFP_MOVABLE | GFP_NOGROW, size,
					1, NULL);
	else if (mm_enter()) {
		seat.inside |= INSIDE_NOGROW;
		if (likely(mm_booted()))
			p = alloc_class(&caches[class_of(size ? size : 1)],
					NULL);
		mm_leave();
	}
	if (!p)
		errno = ENOMEM;
	call_ends(TRACE_MALLOC, 0, size, NULL, p);
	return p;
}

void *malloc_slow(size_t size)
{
	void *p;

	call_begins(TRACE_MALLOC, 0, size, NULL);
	p = size > SMALL_MAX ? over_small(size, false)
			     : small_alloc(size, NULL);
	call_ends(TRACE_MALLOC, 0, size, NULL, p);
	return p;
}

static cold void *zeroed_slow(size_t size)
{
	bool zeroed = false;
	void *p;

	call_begins(TRACE_CALLOC, 0, size, NULL);
	if (size > SMALL_MAX) {
		p = over_small(size, true);
	} else {
		p = small_alloc(size, &zeroed);
		if (p && !zeroed)
			memset(p, 0, size);
	}
	call_ends(TRACE_CALLOC, 0, size, NULL, p);
	return p;
}

void *malloc_zeroed(size_t size)
{
	void *p;

	if (unlikely(size - 1 >= SMALL_MAX))
		return zeroed_slow(size);
	p = rseq_pop(class_of(size));
	return likely(p) ? memset(p, 0, size) : zeroed_slow(size);
}

/*
 * Objects lie at multiples of their size in slabs that are aligned to at
 * least 64 KiB, so a class whose size is a multiple of align will do: 48
 * bytes aligned to 32 are of the class 64.
 */
static void *aligned(size_t align, size_t size)
{
	unsigned class;

	if (unlikely(!READ_ONCE(percpu_switch.started))) {
		if (mm_enter())
			mm_leave();
		if (!READ_ONCE(percpu_switch.started))
			return nested_alloc(size, align);
	}
	if (size <= SMALL_MAX && align <= SMALL_MAX) {
		class = class_of(size ? size : 1);
		while (class < NR_SMALL && class_bytes(class) & (align - 1))
			class++;
		if (class < NR_SMALL)
			return seat.inside ? nested_alloc(size, align)
					   : malloc_fast(class_bytes(class));
	}
	return large_alloc(size, align, false);
}

void *malloc_aligned(size_t align, size_t size)
{
	void *p;

	if (align <= 16)
		return malloc_fast(size);
	if (!watched())
		return aligned(align, size);
	call_begins(TRACE_ALIGNED, align, size, NULL);
	trace_mute();
	p = aligned(align, size);
	trace_unmute();
	call_ends(TRACE_ALIGNED, align, size, NULL, p);
	return p;
}

/* A small block past the slot's sheaves; NULL: those are of the node. */
static void *take_on(unsigned nid, size_t size, bool *own)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);
	void *p = NULL;

	*own = slot->node == nid;
	if (!*own && !slab_take(&caches[class_of(size ? size : 1)],
				owner_of(nid, nr), &slot->pcp, &p, 1, NULL))
		p = NULL;
	slot_exit(slot);
	return p;
}

static void *alloc_on(unsigned nid, size_t size)
{
	bool own = true;
	void *p;

	if (size > SMALL_MAX) {
		p = large_alloc_from((int)nid, GFP_MOVABLE, size, 1, NULL);
	} else {
		do {
			if (!mm_enter())
				return nested_alloc(size, 16);
			p = mm_booted() ? take_on(nid, size, &own) : NULL;
			mm_leave();
		} while (!p && !own && mm_oom(size));
		if (own)
			return malloc_fast(size);
		if (!p)
			errno = ENOMEM;
	}
	return p;
}

void *malloc_on(unsigned nid, size_t size)
{
	void *p;

	if (!watched())
		return alloc_on(nid, size);
	call_begins(TRACE_MALLOC, 0, size, NULL);
	trace_mute();
	p = alloc_on(nid, size);
	trace_unmute();
	call_ends(TRACE_MALLOC, 0, size, NULL, p);
	return p;
}

static void free_named(void *p, unsigned entry)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);

	named_free(p, entry, slot, nr);
	slot_exit(slot);
}

static void free_small(void *p, unsigned entry)
{
	for (bool again = false;; again = true) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);
		enum sheaf_result r = cache_free(p, entry, slot, nr, again);

		slot_exit(slot);
		if (r != SHEAF_RETRY || rseq_push(p, entry))
			return;
	}
}

void free_slow(void *p)
{
	int saved = errno;
	bool told;

	if (!p)
		return;
	/* Named caches' objects are no blocks. */
	told = watched() && !is_named(p);
	if (unlikely(told))
		call_begins(TRACE_FREE, 0, 0, p);
	if (unlikely(!is_ours(p))) {
		if (nested_owns(p))
			nested_free(p);
		else
			foreign_free(p);
	} else if (!mm_enter()) {
		nested_free(p);
	} else {
		unsigned entry = page_entry(p);

		if (unlikely(entry_is_named(entry)))
			free_named(p, entry);
		else if (entry)
			free_small(p, entry);
		else
			large_free(p);
		mm_leave();
	}
	if (unlikely(told))
		call_ends(TRACE_FREE, 0, 0, p, NULL);
	errno = saved;
}
