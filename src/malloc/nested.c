/* SPDX-License-Identifier: MIT */
/*
 * What:  calls from a signal handler that interrupted its own thread inside a
 *        slow path.
 * Locks: none, ever. Small blocks come from a pool whose free places are bits
 *        of one word; larger ones are mappings noted in a table; blocks of the
 *        heap that are freed wait on the thread's list until the slow path
 *        that was interrupted ends.
 * Who excludes whom:
 *        take a place / give a place    atomic or / and of the word: all may
 *        table add / remove             compare-and-store of the base: all may
 *        defer / drain                  same thread; a signal may come between
 */
#include <errno.h>
#include <string.h>

#include "malloc/fast.h"
#include "os/os.h"

enum { PLACE_BYTES = 1024, PLACES = 64, MAPPINGS = 256 };

static char places[PLACES][PLACE_BYTES] set_apart aligned_to(PLACE_BYTES);
static uint64_t places_used;			/* (A) */
static struct mapping {
	char *base;	/* (A) NULL: free; 1: being filled */
	size_t bytes;
} mappings[MAPPINGS] set_apart;
static uint64_t calls;				/* (A) */

uint64_t nested_calls(void)
{
	return READ_ONCE(calls);
}

static void *take_place(void)
{
	uint64_t used = READ_ONCE(places_used);

	while (~used) {
		unsigned i = (unsigned)__builtin_ctzll(~used);

		if (__atomic_compare_exchange_n(&places_used, &used,
						used | 1ull << i, false,
						__ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return places[i];
	}
	return NULL;
}

static void *take_mapping(size_t size, size_t align)
{
	size_t slack = align > 4096 ? align : 0;
	size_t bytes = align_up(size + slack, 65536);
	char *p;

	if (size > PTRDIFF_MAX - slack - 65536)
		return NULL;
	for (unsigned i = 0; i < MAPPINGS; i++) {
		struct mapping *m = &mappings[i];
		char *none = NULL;

		if (READ_ONCE(m->base) ||
		    !__atomic_compare_exchange_n(&m->base, &none, (char *)1,
						 false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		p = os_map(bytes);
		m->bytes = bytes;
		store_release(&m->base, p);
		return p ? (void *)align_up((uintptr_t)p, align) : NULL;
	}
	return NULL;
}

void *nested_alloc(size_t size, size_t align)
{
	void *p = NULL;

	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	if (size <= PLACE_BYTES && align <= PLACE_BYTES)
		p = take_place();
	if (p)
		return memset(p, 0, PLACE_BYTES);
	p = take_mapping(size, align);
	if (!p)
		errno = ENOMEM;
	return p;
}

static bool is_place(const void *p)
{
	return (uintptr_t)p - (uintptr_t)places < sizeof(places);
}

static struct mapping *mapping_of(const void *p)
{
	for (unsigned i = 0; i < MAPPINGS; i++) {
		char *base = load_acquire(&mappings[i].base);

		if ((uintptr_t)base > 1 &&
		    (uintptr_t)p - (uintptr_t)base < mappings[i].bytes)
			return &mappings[i];
	}
	return NULL;
}

bool nested_owns(const void *p)
{
	return is_place(p) || (READ_ONCE(calls) && mapping_of(p));
}

size_t nested_size(const void *p)
{
	struct mapping *m;

	if (is_place(p))
		return PLACE_BYTES;
	m = mapping_of(p);
	return m ? (size_t)(m->base + m->bytes - (const char *)p) : 0;
}

/* The first word of a block that waits is its link. */
static void defer(void *p)
{
	void *head = READ_ONCE(seat.deferred);

	do
		*(void **)p = head;
	while (!__atomic_compare_exchange_n(&seat.deferred, &head, p, false,
					    __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED));
}

void nested_free(void *p)
{
	struct mapping *m;

	if (is_place(p)) {
		uint64_t i = ((uintptr_t)p - (uintptr_t)places) / PLACE_BYTES;

		__atomic_and_fetch(&places_used, ~(1ull << i),
				   __ATOMIC_RELEASE);
		return;
	}
	m = mapping_of(p);
	if (m) {
		char *base = load_acquire(&m->base);
		size_t bytes = m->bytes;

		/*
		 * Nobody may find the entry once the address is unmapped: it
		 * may be mapped anew at once, by another thread.
		 */
		if ((uintptr_t)base > 1 &&
		    __atomic_compare_exchange_n(&m->base, &base, (char *)1,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED)) {
			os_unmap(base, bytes);
			store_release(&m->base, NULL);
		}
		return;
	}
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	defer(p);
}

void nested_drain(void)
{
	void *p = __atomic_exchange_n(&seat.deferred, NULL, __ATOMIC_RELAXED);

	/* The trace has them already. */
	trace_mute();
	while (p) {
		void *next = *(void **)p;

		/* The link spoilt what its constructor had made. */
		if (is_named(p) && cache_of(p)->ctor)
			cache_of(p)->ctor(p);
		free_fast(p);
		p = next;
	}
	trace_unmute();
}
