/* SPDX-License-Identifier: MIT */
/*
 * What:  the micro loops of one thread: each allocates and frees in one
 *        pattern and does nothing else, so that the allocator is most of the
 *        time.
 * Door:  micro_works
 * Invariant: an object is touched when it is made (its first byte, and not at
 *        all in lifo) and never when it is freed: what an allocator itself
 *        touches shows. So the checksum reads what is alive at the end.
 * See:   harness.h; micro_threads.c for several threads
 */
#include "micro.h"

static void *stack[64];

static void lifo_setup(struct run *r)
{
	long i;

	for (i = 0; i < 100000; i++)
		free(keep(malloc(r->work->min)));
}

static void lifo(struct run *r)
{
	long size = r->work->min, ops = r->ops, i;

	for (i = 0; i < ops; i++)
		free(keep(malloc(size)));
}

static void lifo_teardown(struct run *r)
{
	free(read_object(object(r->work->min), &r->sum));
}

static void stack_step(struct run *r)
{
	long size = r->work->min, ops = r->ops, live = r->work->live, i, k;

	for (i = 0; i < ops; i += live) {
		for (k = 0; k < live; k++)
			stack[k] = object(size);
		while (k--)
			free(stack[k]);
	}
}

static void calloc_step(struct run *r)
{
	long size = r->work->min, ops = r->ops, live = r->work->live, i, k;

	for (i = 0; i < ops; i += live) {
		for (k = 0; k < live; k++) {
			stack[k] = calloc(1, size);
			*(volatile char *)stack[k] = 1;
		}
		while (k--)
			free(stack[k]);
	}
}

/* One more round, which is not measured, but read. */
static void stack_teardown(struct run *r)
{
	long size = r->work->min, live = r->work->live, k;

	for (k = 0; k < live; k++)
		stack[k] = object(size);
	while (k--)
		free(read_object(stack[k], &r->sum));
}

static void calloc_teardown(struct run *r)
{
	long size = r->work->min, live = r->work->live, k;

	for (k = 0; k < live; k++) {
		stack[k] = must(calloc(1, size));
		*(volatile char *)stack[k] += 1;
	}
	while (k--)
		free(read_object(stack[k], &r->sum));
}

/* Nothing is freed before the end: a heap that grows by cleared objects. */
static void *chain;

static void grow(struct run *r)
{
	long size = r->work->min, ops = r->ops, i;

	for (i = 0; i < ops; i++) {
		void **p = keep(calloc(1, size));

		*p = chain;
		chain = p;
	}
}

static void grow_teardown(struct run *r)
{
	while (chain) {
		void **p = chain;

		chain = *p;
		r->sum += 1 + ((char *)p)[sizeof(*p)];
		free(p);
	}
}

/* ---- many live objects ---- */

static void **live_objects;
static uint64_t dice;
static long oldest;

static void live_setup(struct run *r)
{
	dice = seeded(0);
	oldest = 0;
	roll_sizes(r->work, &dice);
	live_objects = fill(r->work->live);
}

static void live_teardown(struct run *r)
{
	empty(live_objects, r->work->live, &r->sum);
}

static void ring(struct run *r)
{
	long live = r->work->live, ops = r->ops, i;
	void **obj = live_objects;

	for (i = 0; i < ops; i++) {
		free(obj[oldest]);
		obj[oldest] = object(sizes[i % SIZES]);
		if (++oldest == live)
			oldest = 0;
	}
}

static void at_random(struct run *r)
{
	long live = r->work->live, ops = r->ops, i;
	void **obj = live_objects;
	uint64_t d = dice;

	for (i = 0; i < ops; i++) {
		void **victim = &obj[below(&d, live)];

		free(*victim);
		*victim = object(sizes[i % SIZES]);
	}
	dice = d;
}

#define ROW(NAME, WHAT, OPS, LIVE, MIN, MAX, SETUP, STEP, TEARDOWN) \
	{ .name = NAME, .group = "micro", .what = WHAT, .threads = { 1 }, \
	  .ops = OPS, .live = LIVE, .min = MIN, .max = MAX, \
	  .setup = SETUP, .step = STEP, .teardown = TEARDOWN }

const struct work micro_works[] = {
	ROW("lifo", "one object of 32 bytes, not touched", 40 * M, 1, 32, 32,
	    lifo_setup, lifo, lifo_teardown),
	ROW("buf70k", "a buffer of 70,000 bytes, not touched", 10 * M, 1,
	    70000, 70000, lifo_setup, lifo, lifo_teardown),
	ROW("lifo8", "a stack of eight of 64 bytes", 40 * M, 8, 64, 64,
	    NULL, stack_step, stack_teardown),
	ROW("fifo10k", "a ring of 10,000, oldest first, 16 to 1,024 bytes",
	    10 * M, 10000, 16, 1024, live_setup, ring, live_teardown),
	ROW("rnd10k", "10,000 replaced at random, 16 to 1,024 bytes",
	    8 * M, 10000, 16, 1024, live_setup, at_random, live_teardown),
	ROW("rnd100k", "100,000 replaced at random, 16 to 1,024 bytes",
	    6 * M, 100000, 16, 1024, live_setup, at_random, live_teardown),
	ROW("rnd1m", "1,000,000 replaced at random, 16 to 1,024 bytes",
	    5 * M, 1000000, 16, 1024, live_setup, at_random, live_teardown),
	ROW("rnd32k", "1,000 replaced at random, 4 to 32 KiB",
	    2 * M, 1000, 4 << 10, 32 << 10, live_setup, at_random,
	    live_teardown),
	ROW("rnds100k", "100,000 replaced at random, 16 to 64 bytes",
	    6 * M, 100000, 16, 64, live_setup, at_random, live_teardown),
	ROW("cal", "calloc, a stack of 64 of 128 bytes", 10 * M, 64, 128, 128,
	    NULL, calloc_step, calloc_teardown),
	ROW("cb1k", "calloc of 1,000 bytes, none freed (op: a calloc)",
	    40000, 0, 1000, 1000, NULL, grow, grow_teardown),
	ROW("cb16k", "calloc of 16,000 bytes, none freed (op: a calloc)",
	    4000, 0, 16000, 16000, NULL, grow, grow_teardown),
	{ .name = NULL }
};
