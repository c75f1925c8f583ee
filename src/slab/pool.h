/* SPDX-License-Identifier: MIT */
/*
 * What:  how a sheaf is laid out (the picture is in slab/sheaf.h), the pool of
 *        those that hold nothing, and what all of them may hold together.
 * Door:  sheaf_new(), sheaf_drop(), for sheaf.c and drain.c alone.
 * Locks: the pool's (SHEAVES), taken and left inside; a sheaf belongs to
 *        whoever took it out of a row, a spare or a barn.
 */
#ifndef BM_SLAB_POOL_H
#define BM_SLAB_POOL_H

#include "slab/percpu.h"
#include "slab/slab.h"

/* The first word of a sheaf; never a place of an object. */
struct sheaf {
	uint32_t link;		/* next top of a chain, or next free sheaf */
	uint8_t capacity;
	uint8_t class;
};

/*
 * The pool cuts blocks of SHEAF_BYTES into one sheaf, two, four or eight: how
 * often each is halved. It lies apart from the sheaves, whose lines are written
 * by their CPUs all the time.
 */
extern uint8_t sheaf_halves[SHEAVES_MAX / SHEAF_BYTES]
	__attribute__((visibility("hidden")));

/* Places of a sheaf: 125, 61, 29 or 13. Head and NULLs are none. */
static inline unsigned sheaf_places(unsigned half)
{
	return (SHEAF_BYTES / 8 >> half) - SHEAF_WORDS;
}

/* The smallest that has so many. */
static inline unsigned sheaf_half_for(unsigned places)
{
	unsigned half = SHEAF_HALVES - 1;

	while (half && sheaf_places(half) < places)
		half--;
	return half;
}

static inline void **place(uint32_t top)
{
	return (void **)(percpu.base + top);
}

static inline struct sheaf *sheaf_at(uint32_t base)
{
	return (struct sheaf *)(percpu.base + base);
}

static inline unsigned sheaf_half(uint32_t top)
{
	return sheaf_halves[(top - percpu.sheaves) / SHEAF_BYTES];
}

static inline uint32_t sheaf_bytes(uint32_t top)
{
	return (uint32_t)SHEAF_BYTES >> sheaf_half(top);
}

static inline uint32_t sheaf_base(uint32_t top)
{
	return top & ~(sheaf_bytes(top) - 1);
}

static inline struct sheaf *sheaf_of(uint32_t top)
{
	return sheaf_at(sheaf_base(top));
}

static inline uint32_t sheaf_first(uint32_t top)
{
	uint32_t base = sheaf_base(top);

	return base + sheaf_bytes(top) - 8 - sheaf_at(base)->capacity * 8u;
}

static inline unsigned sheaf_count(uint32_t top)
{
	return (top - sheaf_first(top)) / 8;
}

static inline bool sheaf_has_any(uint32_t top)
{
	return *place(top - 8);
}

static inline bool sheaf_full(uint32_t top)
{
	return !*place(top);
}

/* Bytes of objects that all sheaves may hold, and that those there are can. */
size_t sheaves_budget(void);
size_t sheaves_claimed(void);
/* They could all hold 1 MiB more, and it were less than 1/64 of the heap. */
bool sheaves_are_little(void);

/* An empty sheaf for at least one object, its top; 0: there is none. */
uint32_t sheaf_new(const struct cache *cache, unsigned capacity, bool own);
void sheaf_drop(uint32_t top);
/* Every object goes home, the sheaf to the pool. */
void sheaf_empty(uint32_t top, struct pcp *pcp);

#endif
