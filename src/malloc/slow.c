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

bool mm_enter(void)
{
	if (seat.inside)
		return false;
	seat.inside = 1;
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
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	seat.inside = 0;
	if (unlikely(READ_ONCE(seat.deferred)))
		nested_drain();
}

/* The slow path of a class: loops while the sheaf fills under its eyes. */
static void *alloc_class(struct cache *cache, bool *zeroed)
{
	void *p = NULL;

	for (;;) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);
		enum sheaf_result r = cache_alloc(cache, slot, nr, &p, zeroed);

		slot_exit(slot);
		if (r == SHEAF_FAILED)
			return NULL;
		if (r == SHEAF_RETRY)
			p = rseq_pop(cache->class);
		if (p)
			return p;
	}
}

/* Small blocks only; *zeroed as cache_alloc() has it. */
static void *small_alloc(size_t size, bool *zeroed)
{
	void *p = NULL;

	if (!mm_enter())
		return nested_alloc(size, 16);
	if (likely(percpu_switch.started))
		p = alloc_class(&caches[class_of(size ? size : 1)], zeroed);
	mm_leave();
	if (unlikely(!p))
		errno = ENOMEM;
	return p;
}

void *malloc_slow(size_t size)
{
	if (size > SMALL_MAX)
		return large_alloc(size, 1, false);
	return small_alloc(size, NULL);
}

void *malloc_zeroed(size_t size)
{
	bool zeroed = false;
	void *p = NULL;

	if (unlikely(size > SMALL_MAX))
		return large_alloc(size, 1, true);
	if (likely(size))
		p = rseq_pop(class_of(size));
	if (unlikely(!p)) {
		p = small_alloc(size, &zeroed);
		if (!p || zeroed)
			return p;
	}
	return memset(p, 0, size);
}

/*
 * Objects lie at multiples of their size in slabs that are aligned to at
 * least 64 KiB, so a class whose size is a multiple of align will do: 48
 * bytes aligned to 32 are of the class 64.
 */
void *malloc_aligned(size_t align, size_t size)
{
	unsigned class;

	if (align <= 16)
		return malloc_fast(size);
	if (unlikely(!percpu_switch.started)) {
		if (mm_enter())
			mm_leave();
		if (!percpu_switch.started)
			return nested_alloc(size, align);
	}
	if (size <= SMALL_MAX && align <= SMALL_MAX) {
		class = class_of(size ? size : 1);
		while (class < NR_CLASSES && class_bytes(class) % align)
			class++;
		if (class < NR_CLASSES)
			return seat.inside ? nested_alloc(size, align)
					   : malloc_fast(class_bytes(class));
	}
	return large_alloc(size, align, false);
}

static void free_small(void *p, unsigned entry)
{
	for (;;) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);
		enum sheaf_result r = cache_free(p, entry, slot, nr);

		slot_exit(slot);
		if (r != SHEAF_RETRY || rseq_push(p, entry))
			return;
	}
}

void free_slow(void *p)
{
	int saved = errno;

	if (!p)
		return;
	if (unlikely(!window_owns(p))) {
		if (nested_owns(p))
			nested_free(p);
		else
			foreign_free(p);
	} else if (!mm_enter()) {
		nested_free(p);
	} else {
		unsigned entry = READ_ONCE(*map_entry(p));

		if (entry)
			free_small(p, entry);
		else
			large_free(p);
		mm_leave();
	}
	errno = saved;
}
