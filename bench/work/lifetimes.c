/* SPDX-License-Identifier: MIT */
/*
 * What:  objects of mixed sizes that live for a call, in a queue, or for a
 *        random time; each thread with objects of its own.
 * Door:  lifetime_works
 * Invariant: an object is written when it is made and read before it is freed
 *        (object.h). What is alive at the end is freed by the tear-down.
 * See:   mix.c for the mixes
 */
#include "object.h"

/* What a thread has: `live` objects of all, or `min` of its own. */
static void own_setup(struct worker *w)
{
	struct run *r = w->run;

	own_begin(w, r->work->min ? r->work->min
				  : r->work->live / r->threads);
}

static void own_fill(struct worker *w)
{
	struct own *own;
	long i;

	own_setup(w);
	own = w->own;
	for (i = 0; i < own->live; i++)
		own->slot[i] = object_new(sizes[below(&w->dice, SIZES)], i);
}

static void setup(struct run *r)
{
	sizes_roll(r->work->arg);
	in_team(r, own_setup);
}

static void setup_full(struct run *r)
{
	sizes_roll(r->work->arg);
	in_team(r, own_fill);
}

static void teardown(struct run *r)
{
	in_team(r, own_end);
}

/* ---- calls: bursts of pushes and pops ---- */

static inline void pop(struct own *own, long depth, uint64_t *sum)
{
	object_free(own->slot[depth], sum);
	own->slot[depth] = NULL;
}

static void calls(struct worker *w)
{
	struct own *own = w->own;
	long depth = 0, want, i = 0;
	uint64_t sum = 0;

	while (i < w->ops) {
		/* a call tree goes up and down; its depth is at most `live` */
		want = below(&w->dice, own->live);
		for (; depth < want && i < w->ops; depth++, i++)
			own->slot[depth] = object_new(sizes[i % SIZES], i);
		while (depth > want)
			pop(own, --depth, &sum);
	}
	while (depth)
		pop(own, --depth, &sum);
	w->sum += sum;
}

static void calls_step(struct run *r)
{
	in_team(r, calls);
}

/* ---- a queue ---- */

static void queue(struct worker *w)
{
	struct own *own = w->own;
	long i, next = own->next;
	uint64_t sum = 0;

	for (i = 0; i < w->ops; i++) {
		object_free(own->slot[next], &sum);
		own->slot[next] = object_new(sizes[i % SIZES], i);
		if (++next == own->live)
			next = 0;
	}
	own->next = next;
	w->sum += sum;
}

static void queue_step(struct run *r)
{
	in_team(r, queue);
}

/* ---- random lifetimes ---- */

/*
 * Most objects die young: of four, three live until 16 more were made, and one
 * takes the place of any that is alive.
 */
#define YOUNG 16

static void random_lives(struct worker *w)
{
	struct own *own = w->own;
	void *young[YOUNG] = { NULL }, **victim;
	uint64_t sum = 0, d = w->dice;
	long i;

	for (i = 0; i < w->ops; i++) {
		victim = i & 3 ? &young[i % YOUNG] :
				 &own->slot[below(&d, own->live)];
		object_free(*victim, &sum);
		*victim = object_new(sizes[i % SIZES], i);
	}
	for (i = 0; i < YOUNG; i++)
		object_free(young[i], &sum);
	w->dice = d;
	w->sum += sum;
}

static void random_step(struct run *r)
{
	in_team(r, random_lives);
}

#define ALL_THREADS { 1, 2, 4, 8, 32 }
#define RANDOM(KIND, LIVE, LIVE_NAME, OPS, ...) \
	{ .name = "rnd-" #KIND "-" LIVE_NAME, .group = "lifetimes", \
	  .what = LIVE_NAME " live objects of a " #KIND ", most new ones die " \
		  "young", \
	  .threads = __VA_ARGS__, .ops = OPS, .live = LIVE, \
	  .arg = &KIND##_mix, .setup = setup_full, .step = random_step, \
	  .teardown = teardown }

const struct work lifetime_works[] = {
	{ .name = "calls", .group = "lifetimes",
	  .what = "last in, first out: bursts up to 100 deep, an interpreter's "
		  "sizes",
	  .threads = ALL_THREADS, .ops = 12 * M, .min = 100,
	  .arg = &interpreter_mix,
	  .setup = setup, .step = calls_step, .teardown = teardown },
	{ .name = "queue", .group = "lifetimes",
	  .what = "first in, first out: 4,000 in all queues, a server's sizes",
	  .threads = ALL_THREADS, .ops = 8 * M, .live = 4000,
	  .arg = &server_mix,
	  .setup = setup, .step = queue_step, .teardown = teardown },
	RANDOM(server, 10000, "10k", 8 * M, { 1 }),
	RANDOM(server, 100000, "100k", 6 * M, ALL_THREADS),
	RANDOM(server, 1000000, "1m", 3 * M, { 1 }),
	RANDOM(interpreter, 10000, "10k", 12 * M, { 1 }),
	RANDOM(interpreter, 100000, "100k", 10 * M, ALL_THREADS),
	RANDOM(interpreter, 1000000, "1m", 4 * M, { 1 }),
	RANDOM(compiler, 10000, "10k", 6 * M, { 1 }),
	RANDOM(compiler, 100000, "100k", 3 * M, { 1 }),
	RANDOM(compiler, 1000000, "1m", 1 * M, { 1 }),
	{ .name = NULL }
};
