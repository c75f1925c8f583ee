/* SPDX-License-Identifier: MIT */
/*
 * What:  objects that one thread makes and another frees: pipes, many to one,
 *        one to many; structures that are built and then freed as a whole, by
 *        their own thread or by another.
 * Door:  exchange_works
 * Invariant: threads hand over batches through channels that sleep when they
 *        are full or empty, so with more threads than CPUs nobody spins. What
 *        a sender makes depends on its own dice only, and all of it is freed
 *        within the step.
 * See:   object.h
 */
#include <pthread.h>

#include "object.h"

/* ---- a channel ---- */

#define BATCH 64
#define BATCHES 32	/* that wait at most: 2,048 objects */

struct batch {
	void *obj[BATCH];
	int n;
};

struct channel {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	struct batch wait[BATCHES];
	unsigned first, n;
	int senders;		/* that did not close it yet */
};

static struct channel *channels;	/* MAX_THREADS of them */
#define CHANNELS_BYTES (MAX_THREADS * sizeof(*channels))

static void channel_open(struct channel *c, int senders)
{
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	pthread_cond_init(&c->less, NULL);
	c->first = c->n = 0;
	c->senders = senders;
}

static void channel_put(struct channel *c, const struct batch *b)
{
	pthread_mutex_lock(&c->lock);
	while (c->n == BATCHES)
		pthread_cond_wait(&c->less, &c->lock);
	c->wait[(c->first + c->n++) % BATCHES] = *b;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

static void channel_close(struct channel *c)
{
	pthread_mutex_lock(&c->lock);
	if (!--c->senders)
		pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
}

/* false: it is empty, and all senders have closed it */
static int channel_take(struct channel *c, struct batch *b)
{
	int got;

	pthread_mutex_lock(&c->lock);
	while (!c->n && c->senders)
		pthread_cond_wait(&c->more, &c->lock);
	got = c->n > 0;
	if (got) {
		*b = c->wait[c->first];
		c->first = (c->first + 1) % BATCHES;
		c->n--;
		pthread_cond_signal(&c->less);
	}
	pthread_mutex_unlock(&c->lock);
	return got;
}

static void channels_setup(struct run *r)
{
	sizes_roll(r->work->arg);
	channels = space(CHANNELS_BYTES);
}

static void channels_teardown(struct run *r)
{
	(void)r;
	space_free(channels, CHANNELS_BYTES);
}

/* ---- senders and receivers ---- */

static void send_objects(struct worker *w, struct channel *c, long ops)
{
	long i = 0, at = below(&w->dice, SIZES);
	struct batch b;

	while (i < ops) {
		for (b.n = 0; b.n < BATCH && i < ops; i++)
			b.obj[b.n++] = object_new(sizes[(at + i) % SIZES], i);
		channel_put(c, &b);
	}
	channel_close(c);
}

static void receive_objects(struct worker *w, struct channel *c)
{
	uint64_t sum = 0;
	struct batch b;
	int i;

	while (channel_take(c, &b))
		for (i = 0; i < b.n; i++)
			object_free(b.obj[i], &sum);
	w->sum += sum;
}

/* The share of the one who sends, of `senders`. */
static long share(const struct worker *w, int senders, int which)
{
	long ops = w->run->ops;

	return ops / senders + (which < ops % senders);
}

static void pipes(struct worker *w)
{
	struct channel *c = &channels[w->id / 2];

	if (w->id % 2)
		receive_objects(w, c);
	else
		send_objects(w, c, share(w, w->run->threads / 2, w->id / 2));
}

static void pipes_step(struct run *r)
{
	int i;

	for (i = 0; i < r->threads / 2; i++)
		channel_open(&channels[i], 1);
	in_team(r, pipes);
}

static void many_to_one(struct worker *w)
{
	if (!w->id)
		receive_objects(w, channels);
	else
		send_objects(w, channels,
			     share(w, w->run->threads - 1, w->id - 1));
}

static void many_to_one_step(struct run *r)
{
	channel_open(channels, r->threads - 1);
	in_team(r, many_to_one);
}

static void one_to_many(struct worker *w)
{
	if (w->id)
		receive_objects(w, channels);
	else
		send_objects(w, channels, w->run->ops);
}

static void one_to_many_step(struct run *r)
{
	channel_open(channels, 1);
	in_team(r, one_to_many);
}

/*
 * A relay: messages go round through all threads; each copies a message into
 * one of its own and frees the one that came, as layers of a server do. Each
 * thread has one batch under way, so no channel is ever full.
 */
static void relay(struct worker *w)
{
	int n = w->run->threads, hop, i;
	struct channel *in = &channels[w->id], *out = &channels[(w->id + 1) % n];
	long left = w->run->ops / n / n, made = 0, at = w->id * 1000;
	struct batch b;

	if (!left)
		left = 1;

	while (left > 0) {
		for (b.n = 0; b.n < BATCH && left; left--, made++)
			b.obj[b.n++] = object_new(sizes[(at + made) % SIZES],
						  made);
		channel_put(out, &b);
		for (hop = 1; hop < n; hop++) {
			channel_take(in, &b);
			for (i = 0; i < b.n; i++) {
				struct object o = *(struct object *)b.obj[i];

				object_free(b.obj[i], &w->sum);
				b.obj[i] = object_new(o.size, o.tag);
			}
			channel_put(out, &b);
		}
		channel_take(in, &b);		/* our own, all the way round */
		for (i = 0; i < b.n; i++)
			object_free(b.obj[i], &w->sum);
	}
}

static void relay_step(struct run *r)
{
	int i;

	for (i = 0; i < r->threads; i++)
		channel_open(&channels[i], 1);
	in_team(r, relay);
}

/* ---- structures that are freed as a whole ---- */

#define NODES 20000

static void **nodes;		/* NODES for each thread */
static pthread_barrier_t all_built, all_freed;

static void nodes_setup(struct run *r)
{
	sizes_roll(r->work->arg);
	nodes = space(r->threads * NODES * sizeof(*nodes));
	pthread_barrier_init(&all_built, NULL, r->threads);
	pthread_barrier_init(&all_freed, NULL, r->threads);
}

static void nodes_teardown(struct run *r)
{
	space_free(nodes, r->threads * NODES * sizeof(*nodes));
	pthread_barrier_destroy(&all_built);
	pthread_barrier_destroy(&all_freed);
}

static void build(struct worker *w, long n)
{
	void **node = nodes + w->id * NODES;
	long i;

	for (i = 0; i < n; i++)
		node[i] = object_new(sizes[i % SIZES], i);
}

/* In the order of making, backwards, or all over the place, in turn. */
static void unbuild(struct worker *w, int whose, long n, int order)
{
	void **node = nodes + whose * NODES;
	uint64_t sum = 0;
	long i, at;

	for (i = 0; i < (order == 2 ? NODES : n); i++) {
		at = order == 0 ? i : order == 1 ? n - 1 - i :
		     i * 7919 % NODES;	/* 7919: prime to NODES */
		if (at < n)
			object_free(node[at], &sum);
	}
	w->sum += sum;
}

static void bulk(struct worker *w)
{
	int away = w->run->work->live, round = 0;
	int whose = (w->id + away) % w->run->threads;
	/* the same for all: they wait for each other */
	long left = w->run->ops / w->run->threads, n;

	for (; left > 0; left -= n) {
		n = left < NODES ? left : NODES;
		build(w, n);
		if (away)
			pthread_barrier_wait(&all_built);
		unbuild(w, whose, n, round++ % 3);
		if (away)
			pthread_barrier_wait(&all_freed);
	}
}

static void bulk_step(struct run *r)
{
	in_team(r, bulk);
}

#define CHANNELS .setup = channels_setup, .teardown = channels_teardown

const struct work exchange_works[] = {
	{ .name = "pipe", .group = "exchange",
	  .what = "half of the threads produce, each for one that consumes, a "
		  "server's sizes",
	  .threads = { 2, 8, 32 }, .ops = 6 * M, .arg = &server_mix,
	  CHANNELS, .step = pipes_step },
	{ .name = "fan-in", .group = "exchange",
	  .what = "all threads but one produce, that one consumes, a server's "
		  "sizes",
	  .threads = { 4, 8, 32 }, .ops = 3 * M, .arg = &server_mix,
	  CHANNELS, .step = many_to_one_step },
	{ .name = "fan-out", .group = "exchange",
	  .what = "one thread produces, all others consume, a server's sizes",
	  .threads = { 4, 8, 32 }, .ops = 3 * M, .arg = &server_mix,
	  CHANNELS, .step = one_to_many_step },
	{ .name = "relay", .group = "exchange",
	  .what = "messages go round through all threads, each makes a copy "
		  "and frees what came, a server's sizes",
	  .threads = { 2, 4, 8 }, .ops = 3 * M, .arg = &server_mix,
	  CHANNELS, .step = relay_step },
	{ .name = "bulk", .group = "exchange",
	  .what = "each thread makes 20,000 objects, then frees them all, an "
		  "interpreter's sizes",
	  .threads = { 1, 2, 4, 8, 32 }, .ops = 8 * M,
	  .arg = &interpreter_mix, .setup = nodes_setup, .step = bulk_step,
	  .teardown = nodes_teardown },
	{ .name = "bulk-away", .group = "exchange", .live = 1,
	  .what = "each thread makes 20,000 objects, then frees all of its "
		  "neighbour's, an interpreter's sizes",
	  .threads = { 2, 4, 8, 32 }, .ops = 6 * M,
	  .arg = &interpreter_mix, .setup = nodes_setup, .step = bulk_step,
	  .teardown = nodes_teardown },
	{ .name = NULL }
};
