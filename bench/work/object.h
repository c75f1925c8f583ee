/* SPDX-License-Identifier: MIT */
/*
 * What:  objects as programs have them: of mixed sizes, written when they are
 *        made and read before they are freed; and the mixes of sizes.
 * Door:  object_new(), object_free(); own_begin(), own_end() for those of a
 *        thread; mix_roll(), sizes_roll()
 * Invariant: an object of n bytes is n (4 bytes), a tag (4 bytes), then the
 *        tag's lowest byte at each 64th byte and at the last one. Who frees it
 *        adds size, tag and last byte to a sum, in whatever order: the sum is
 *        that of all objects ever made.
 * See:   mix.c
 */
#ifndef BENCH_WORK_OBJECT_H
#define BENCH_WORK_OBJECT_H
#include "../harness.h"

#define LINE 64
#define LEAST 8

struct object {
	uint32_t size, tag;
};

/* Writes to each step-th byte, and to the last. */
static inline void *object_stamp(void *p, size_t size, uint32_t tag,
				 size_t step)
{
	unsigned char *byte = must(p);
	size_t i;

	for (i = step; i < size; i += step)
		byte[i] = tag;
	if (size > LEAST)
		byte[size - 1] = tag;
	*(struct object *)p = (struct object){ size, tag };
	return p;
}

static inline uint64_t object_read(const void *p)
{
	const struct object *o = p;
	uint64_t last = 0;

	if (o->size > LEAST)
		last = ((const unsigned char *)p)[o->size - 1];
	return o->size * 0x9e3779b97f4a7c15u + o->tag * 0x100000001b3u + last;
}

static inline void *object_new(size_t size, uint32_t tag)
{
	return object_stamp(malloc(size), size, tag, LINE);
}

/* NULL is no object. */
static inline void object_free(void *p, uint64_t *sum)
{
	if (p)
		*sum += object_read(p);
	free(p);
}

/* ---- what a thread has of its own ---- */

struct own {
	void **slot;
	long live;
	long next;	/* of a queue */
};

static inline void own_begin(struct worker *w, long live)
{
	struct own *own = w->own = space(sizeof(*own));

	own->live = live;
	own->slot = space(live * sizeof(*own->slot));
}

static inline void own_end(struct worker *w)
{
	struct own *own = w->own;
	long i;

	for (i = 0; i < own->live; i++)
		object_free(own->slot[i], &w->sum);
	space_free(own->slot, own->live * sizeof(*own->slot));
	space_free(own, sizeof(*own));
}

/* ---- mixes ---- */

/* Of all objects, so many (of the sum) are larger than the size before. */
struct mix {
	struct {
		uint32_t upto, share;
	} part[24];
};

extern const struct mix server_mix, interpreter_mix, compiler_mix;

uint32_t mix_roll(const struct mix *mix, uint64_t *dice);

/* Rolled beforehand, since the dice are not what is measured. */
#define SIZES 65536
extern uint32_t sizes[SIZES];

void sizes_roll(const struct mix *mix);
/* Over min, up to max; each doubling is as frequent as any other. */
void sizes_even(uint32_t min, uint32_t max);

#endif
