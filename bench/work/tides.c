/* SPDX-License-Identifier: MIT */
/*
 * What:  heaps that come and go, with pauses: does memory go back when it is
 *        not wanted, and stay when it is wanted again in a moment? And a heap
 *        so large that huge pages decide.
 * Door:  tide_works
 * Invariant: pauses are no part of the time. How large a heap is follows from
 *        the number of operations, so a small part of a row's work is small
 *        (`--scale 0.25` has a quarter of the heap). What lives at a moment is
 *        the same under any allocator; the runner's curves show what is
 *        resident.
 * See:   object.h
 */
#include <time.h>
#include <unistd.h>

#include "object.h"

#define MIB (1L << 20)

/* As many bytes in each doubling from 64 bytes (4 KiB) to 1 MiB. */
static const struct mix tide_mix = { {
	{ 64, 0 }, { 128, 8192 }, { 256, 4096 }, { 512, 2048 },
	{ 1024, 1024 }, { 2048, 512 }, { 4096, 256 }, { 8192, 128 },
	{ 16384, 64 }, { 32768, 32 }, { 65536, 16 }, { 131072, 8 },
	{ 262144, 4 }, { 524288, 2 }, { 1048576, 1 },
} };
static const struct mix block_mix = { {
	{ 4096, 0 }, { 8192, 128 }, { 16384, 64 }, { 32768, 32 },
	{ 65536, 16 }, { 131072, 8 }, { 262144, 4 }, { 524288, 2 },
	{ 1048576, 1 },
} };

static void rest(struct run *r, long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	clock_stop(r);
	nanosleep(&t, NULL);
	clock_go(r);
}

static void tides_setup(struct run *r)
{
	sizes_roll(r->work->arg);
}

/* ---- what each thread has ---- */

#define MEAN 96		/* no mix has a smaller mean size */

static long most_mib;	/* that all threads have at a time */

static void open_pool(struct worker *w)
{
	own_begin(w, most_mib * MIB / MEAN / w->run->threads + SIZES);
}

static void close_pool(struct worker *w)
{
	own_end(w);
}

/*
 * Makes so many bytes, as far as there are slots; own->next counts objects. Of
 * blocks only a word in each page is touched, or 100 ms would not do.
 */
static void rise(struct worker *w, long bytes)
{
	struct own *own = w->own;
	size_t step = w->run->work->min;

	while (bytes > 0 && own->next < own->live) {
		uint32_t size = sizes[below(&w->dice, SIZES)];

		own->slot[own->next] = object_stamp(malloc(size), size,
						    own->next, step);
		own->next++;
		bytes -= size;
	}
}

/* Any of them; the last one takes its place. */
static void fall(struct worker *w, long bytes)
{
	struct own *own = w->own;

	while (bytes > 0 && own->next) {
		long i = below(&w->dice, own->next);
		struct object *o = own->slot[i];

		bytes -= o->size;
		own->slot[i] = own->slot[--own->next];
		own->slot[own->next] = NULL;
		object_free(o, &w->sum);
	}
}

static void rise_share(struct worker *w)
{
	rise(w, w->ops * MIB);
}

static void fall_share(struct worker *w)
{
	fall(w, w->ops * MIB);
}

/* ---- everything comes, goes, and then nothing happens ---- */

static void ebb(struct worker *w)
{
	rise(w, w->ops * MIB);
	fall(w, w->ops * MIB + MIB);
}

static long idle_ms;

static void ebb_step(struct run *r)
{
	most_mib = r->ops;
	in_team(r, open_pool);
	in_team(r, ebb);
	in_team(r, close_pool);
	idle_ms = r->ops * 10000 / r->work->ops;
}

/* The threads are still there. */
static void ebb_teardown(struct run *r)
{
	(void)r;
	usleep(idle_ms * 1000);
}

/* ---- up and down, again and again ---- */

#define LEVEL 1024	/* MiB; the other level is twice as high */
#define BEAT 100	/* ms */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void base_share(struct worker *w)
{
	open_pool(w);
	rise_share(w);
}

static void tide_step(struct run *r)
{
	long ops = r->ops, left = ops, level = ops < LEVEL ? ops : LEVEL;
	uint64_t beat;
	int turn = 0;

	clock_stop(r);
	r->ops = level;
	most_mib = 2 * level;
	in_team(r, base_share);
	clock_go(r);
	for (beat = now_ms() + BEAT; left > 0; beat += BEAT, turn++) {
		r->ops = left < level ? left : level;
		in_team(r, turn % 2 ? fall_share : rise_share);
		left -= r->ops;
		if (now_ms() < beat)
			rest(r, beat - now_ms());
		else
			beat = now_ms();	/* late: from here on */
	}
	clock_stop(r);
	in_team(r, close_pool);
	clock_go(r);
	r->ops = ops;
}

/* ---- many threads, each with nothing to do most of the time ---- */

#define BURST (16 * MIB)	/* at most */
#define AT_ONCE 4		/* one thread in so many */
#define PAUSE 50		/* ms */

static struct {
	long first, n;		/* who: n of them, each seventh */
} burst;

static int my_turn(const struct worker *w)
{
	long n = w->run->threads, i;

	for (i = 0; i < burst.n; i++)
		if ((burst.first + 7 * i) % n == w->id)
			return 1;
	return 0;
}

/* What was kept of the burst before goes now. */
static void burst_begin(struct worker *w)
{
	if (my_turn(w)) {
		fall(w, BURST);
		rise(w, below(&w->dice, BURST));
	}
}

static void burst_end(struct worker *w)
{
	struct own *own = w->own;
	long kept = my_turn(w) ? own->next / 8 : own->next;

	while (own->next > kept)
		fall(w, 1);
}

static void burst_step(struct run *r)
{
	uint64_t dice = seeded(r->steps);
	long left;

	most_mib = r->threads * (BURST / MIB);
	in_team(r, open_pool);
	for (left = r->ops; left > 0; left -= burst.n) {
		burst.n = r->threads / AT_ONCE;
		burst.n = left < burst.n ? left : burst.n;
		burst.first = below(&dice, r->threads);
		in_team(r, burst_begin);
		rest(r, PAUSE);
		in_team(r, burst_end);
		rest(r, PAUSE);
	}
	in_team(r, close_pool);
}

/* ---- from one object to the next, all over a large heap ---- */

struct node {
	struct node *next;
	uint64_t number;
};

static struct {
	struct node *at;
	long hops;		/* what the heap was made for */
} chase;

#define CHASED 1024		/* MiB, for all of the row's work */

/* One circle through all of them in any order (Sattolo). */
static void chase_build(struct run *r)
{
	long most = CHASED * MIB / 128 * r->ops / r->work->ops + 2, i, k;
	struct node **node = space(most * sizeof(*node)), *p;
	uint64_t dice = seeded(0);

	for (i = 0; i < most; i++) {
		node[i] = must(malloc(sizeof(**node) + below(&dice, 225)));
		node[i]->number = i;
	}
	for (i = most - 1; i > 0; i--) {
		k = below(&dice, i);
		p = node[i];
		node[i] = node[k];
		node[k] = p;
	}
	for (i = 0; i < most; i++)
		node[i]->next = node[(i + 1) % most];
	chase.at = node[0];
	space_free(node, most * sizeof(*node));
}

static void chase_step(struct run *r)
{
	struct node *p;
	uint64_t sum = 0;
	long i;

	if (!chase.at) {
		clock_stop(r);
		chase_build(r);
		clock_go(r);
	}
	p = chase.at;
	for (i = 0; i < r->ops; i++) {
		sum += p->number;
		p = p->next;
	}
	chase.at = p;
	r->sum += sum;
}

static void chase_teardown(struct run *r)
{
	struct node *p = chase.at, *next;

	for (next = p->next; next != p; ) {
		struct node *gone = next;

		next = gone->next;
		r->sum += gone->number;
		free(gone);
	}
	free(p);
	chase.at = NULL;
}

const struct work tide_works[] = {
	{ .name = "ebb", .group = "tides",
	  .what = "2 GiB of mixed blocks are made, then freed in any order; "
		  "10 s at rest (op: a MiB)",
	  .threads = { 1, 4 }, .ops = 2048, .arg = &tide_mix, .min = LINE,
	  .setup = tides_setup, .step = ebb_step, .teardown = ebb_teardown },
	{ .name = "ebb-small", .group = "tides",
	  .what = "the same with a server's small objects",
	  .threads = { 1, 4 }, .ops = 2048, .arg = &server_mix, .min = LINE,
	  .setup = tides_setup, .step = ebb_step, .teardown = ebb_teardown },
	{ .name = "tide", .group = "tides",
	  .what = "between 1 and 2 GiB of blocks over 4 KiB, up or down each 100 ms "
		  "(op: a MiB that comes or goes)",
	  .threads = { 1, 4 }, .ops = 200 * LEVEL, .arg = &block_mix, .min = 4096,
	  .setup = tides_setup, .step = tide_step },
	{ .name = "burst", .group = "tides",
	  .what = "threads that wait, and now and then have up to 16 MiB of "
		  "small objects (op: a burst)",
	  .threads = { 100 }, .ops = 2000, .arg = &server_mix, .min = LINE,
	  .setup = tides_setup, .step = burst_step },
	{ .name = "chase", .group = "tides",
	  .what = "through 1 GiB of small objects in any order (op: a hop)",
	  .threads = { 1 }, .ops = 20 * M,
	  .step = chase_step, .teardown = chase_teardown },
	{ .name = NULL }
};
