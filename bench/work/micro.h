/* SPDX-License-Identifier: MIT */
/*
 * What:  what the micro loops have in common: objects of which one byte is
 *        touched, and sizes that were rolled beforehand, since the dice are
 *        not what is measured.
 * Door:  micro.c, micro_threads.c
 */
#ifndef BENCH_WORK_MICRO_H
#define BENCH_WORK_MICRO_H
#include "../harness.h"

/* An object with its first byte written. */
static inline char *object(size_t size)
{
	char *p = malloc(size);

	*(volatile char *)p = 1;
	return p;
}

static inline void *read_object(void *p, uint64_t *sum)
{
	*sum += *(unsigned char *)p;
	return p;
}

#define SIZES 65536
static uint16_t sizes[SIZES];

static inline void roll_sizes(const struct work *w, uint64_t *dice)
{
	long i;

	for (i = 0; i < SIZES; i++)
		sizes[i] = w->min + below(dice, w->max - w->min + 1);
}

static inline void **fill(long live)
{
	void **obj = must(calloc(live, sizeof(*obj)));
	long i;

	for (i = 0; i < live; i++) {
		obj[i] = must(malloc(sizes[i % SIZES]));
		*(volatile char *)obj[i] = 1;
	}
	return obj;
}

/* NULLs among them are left out. */
static inline void empty(void **obj, long live, uint64_t *sum)
{
	while (live--)
		if (obj[live])
			free(read_object(obj[live], sum));
	free(obj);
}

#endif
