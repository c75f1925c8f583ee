/* SPDX-License-Identifier: MIT */
/*
 * What:  the micro loops of several threads: objects that one thread makes and
 *        another frees.
 * Door:  micro_threads_works
 * Invariant: as in micro.c; where the one who frees writes to the object, it
 *        reads it too, and that is the checksum. The time is that of the wall
 *        clock over the operations of all threads; only fs differs: both
 *        threads do the whole count, each at its own pace.
 * See:   harness.h
 */
#include <pthread.h>

#include "micro.h"

/* ---- one producer, one consumer ---- */

/*
 * A ring that one thread fills and another empties; each owns one index and
 * tells it at the end of a batch, so that the ring itself costs little.
 */
#define RING 16384
#define BATCH 64

static struct {
	_Alignas(128) long made;	/* the producer's */
	_Alignas(128) long used;	/* the consumer's */
	_Alignas(128) void *slot[RING];
} ring;

static void *consume(void *arg)
{
	struct run *r = arg;
	long i = 0, made, total = r->ops;
	uint64_t sum = 0;

	while (i < total) {
		made = __atomic_load_n(&ring.made, __ATOMIC_ACQUIRE);
		for (; i < made; i++) {
			volatile char *p = ring.slot[i % RING];

			sum += *p;
			*p = 2;
			free((void *)p);
		}
		__atomic_store_n(&ring.used, i, __ATOMIC_RELEASE);
	}
	r->sum += sum;
	return NULL;
}

/* The main thread produces. */
static void pipe_step(struct run *r)
{
	long i = 0, end, total = r->ops, size = r->work->min;
	pthread_t consumer;

	ring.made = ring.used = 0;
	if (pthread_create(&consumer, NULL, consume, r))
		die("cannot make a thread");
	while (i < total) {
		end = i + BATCH < total ? i + BATCH : total;
		while (end > __atomic_load_n(&ring.used, __ATOMIC_ACQUIRE) +
			     RING)
			;
		for (; i < end; i++)
			ring.slot[i % RING] = object(size);
		__atomic_store_n(&ring.made, i, __ATOMIC_RELEASE);
	}
	pthread_join(consumer, NULL);
}

/* ---- false sharing ---- */

#define WRITES 500

static void share(struct worker *w)
{
	size_t size = w->run->work->min;
	uint64_t sum = 0;
	long i;
	int k;

	free(w->own);		/* a neighbour of the other's */
	for (i = 0; i < w->ops; i++) {
		volatile unsigned char *p = malloc(size);

		*p = 0;
		for (k = 0; k < WRITES; k++)
			(*p)++;
		sum += *p;
		free((void *)p);
	}
	w->sum += sum;
}

static void sharing_step(struct run *r)
{
	int i;

	for (i = 0; i < r->threads; i++)
		worker(i)->own = object(r->work->min);
	in_threads_each(r, r->threads, share, r->ops);
}

/* ---- a server: short-lived threads inherit the objects of others ---- */

#define GENERATIONS 20

static void server_setup(struct run *r)
{
	uint64_t dice = seeded(0);
	int i;

	roll_sizes(r->work, &dice);
	for (i = 0; i < r->threads; i++)
		worker(i)->own = fill(r->work->live);
}

static void serve(struct worker *w)
{
	const struct work *work = w->run->work;
	uint64_t d = w->dice;
	void **obj = w->own;
	long i;

	for (i = 0; i < w->ops; i++) {
		void **victim = &obj[below(&d, work->live)];

		free(*victim);
		*victim = object(work->min +
				 below(&d, work->max - work->min + 1));
	}
	w->dice = d;
}

static void server_step(struct run *r)
{
	int i;

	for (i = 0; i < GENERATIONS; i++)
		in_threads_each(r, r->threads, serve,
				r->ops / GENERATIONS / r->threads);
}

static void server_teardown(struct run *r)
{
	int i;

	for (i = 0; i < r->threads; i++)
		empty(worker(i)->own, r->work->live, &r->sum);
}

/* ---- many producers ---- */

/*
 * Producers put sacks of objects into one bounded queue; consumers free the
 * objects and the sack. The lock is taken once a sack, so the allocator is
 * what is measured: every object is freed by another thread.
 */
#define SACK 512
#define QUEUE 64

struct sack {
	struct sack *next;
	int n;
	void *obj[SACK];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	struct sack *first, **last;
	int n;
	long left;		/* objects that nobody has taken yet */
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .more = PTHREAD_COND_INITIALIZER,
	    .less = PTHREAD_COND_INITIALIZER };

static void put(struct sack *s)
{
	s->next = NULL;
	pthread_mutex_lock(&queue.lock);
	while (queue.n >= QUEUE)
		pthread_cond_wait(&queue.less, &queue.lock);
	*queue.last = s;
	queue.last = &s->next;
	queue.n++;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

/* NULL: no sack will ever come. */
static struct sack *take(void)
{
	struct sack *s = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.n && queue.left)
		pthread_cond_wait(&queue.more, &queue.lock);
	if (queue.n) {
		s = queue.first;
		queue.first = s->next;
		if (!queue.first)
			queue.last = &queue.first;
		queue.n--;
		queue.left -= s->n;
		if (!queue.left)	/* nobody needs to wait any longer */
			pthread_cond_broadcast(&queue.more);
		pthread_cond_signal(&queue.less);
	}
	pthread_mutex_unlock(&queue.lock);
	return s;
}

static void produce_sacks(struct worker *w)
{
	const struct work *work = w->run->work;
	long left = w->ops;

	while (left) {
		struct sack *s = must(malloc(sizeof(*s)));

		for (s->n = 0; s->n < SACK && left; s->n++, left--)
			s->obj[s->n] = object(work->min +
				below(&w->dice, work->max - work->min + 1));
		put(s);
	}
}

static void consume_sacks(struct worker *w)
{
	uint64_t sum = 0;
	struct sack *s;

	while ((s = take())) {
		while (s->n--) {
			volatile char *p = s->obj[s->n];

			sum += *p;
			*p = 2;
			free((void *)p);
		}
		free(s);
	}
	w->sum += sum;
}

static void carry(struct worker *w)
{
	if (w->ops)
		produce_sacks(w);
	else
		consume_sacks(w);
}

/* live: so many of the threads consume; 0: half of them */
static void sacks_step(struct run *r)
{
	int consumers = r->work->live ? r->work->live : r->threads / 2;
	int producers = r->threads - consumers, i;
	long each = r->ops / producers;

	queue.first = NULL;
	queue.last = &queue.first;
	queue.left = each * producers;
	for (i = 0; i < r->threads; i++)
		worker(i)->ops = i < producers ? each : 0;
	start_workers(r, r->threads, carry);
}

/*
 * Mailboxes: each thread keeps objects of its own and now and then exchanges
 * one with a mailbox that all see, so any object may be freed anywhere. Most
 * objects are small; one in 16 is up to 16 KiB, one in 512 up to 256 KiB.
 */
#define MAILBOXES 1024

static void *mailbox[MAILBOXES];

static size_t mixed_size(uint64_t *dice)
{
	uint32_t kind = below(dice, 512);

	if (kind == 0)
		return 1 + below(dice, 256 << 10);
	if (kind < 32)
		return 1 + below(dice, 16 << 10);
	return 1 + below(dice, 1 << 10);
}

static void post(struct worker *w)
{
	uint64_t d = w->dice, nothing = 0;
	long i, live = w->run->work->live;
	void **mine;

	mine = must(calloc(live, sizeof(*mine)));
	for (i = 0; i < w->ops; i++) {
		size_t size = mixed_size(&d);
		void **p = &mine[below(&d, live)];
		char *new = object(size);

		*(volatile char *)(new + size - 1) = 1;
		free(*p);
		*p = new;
		if (!(i & 3))
			*p = __atomic_exchange_n(
				&mailbox[below(&d, MAILBOXES)], new,
				__ATOMIC_ACQ_REL);
	}
	w->dice = d;
	empty(mine, live, &nothing);	/* who has how many is a race */
}

static void mail_step(struct run *r)
{
	int i;

	for (i = 0; i < GENERATIONS; i++)
		in_threads_each(r, r->threads, post,
				r->ops / GENERATIONS / r->threads);
}

/* Mailboxes only, and no size is rare: what one takes out it frees. */
static void swap(struct worker *w)
{
	const struct work *work = w->run->work;
	uint64_t d = w->dice;
	long i;

	for (i = 0; i < w->ops; i++) {
		size_t size = work->min + below(&d, work->max - work->min + 1);
		char *new = object(size);

		*(volatile char *)(new + size - 1) = 1;
		free(__atomic_exchange_n(&mailbox[below(&d, MAILBOXES)], new,
					 __ATOMIC_ACQ_REL));
	}
	w->dice = d;
}

static void swap_step(struct run *r)
{
	in_threads_each(r, r->threads, swap, r->ops / r->threads);
}

/* Which mailboxes were ever used does not depend on who was faster. */
static void mail_teardown(struct run *r)
{
	int i;

	for (i = 0; i < MAILBOXES; i++) {
		if (mailbox[i])
			free(read_object(mailbox[i], &r->sum));
		mailbox[i] = NULL;
	}
}

const struct work micro_threads_works[] = {
	{ .name = "pc", .group = "micro", .threads = { 2 }, .ops = 10 * M,
	  .what = "one producer, one consumer, 64 bytes",
	  .min = 64, .step = pipe_step },
	{ .name = "fs", .group = "micro", .threads = { 2 }, .ops = 20000,
	  .what = "threads that got neighbours from one write to their objects "
		  "(op: a pair by each, 500 writes)",
	  .min = 8, .step = sharing_step },
	{ .name = "la", .group = "micro", .threads = { 2, 8, 32 },
	  .ops = 8 * M,
	  .what = "a server: 20 generations of threads, each inherits 1,000 "
		  "objects of 8 to 1,000 bytes",
	  .live = 1000, .min = 8, .max = 1000, .setup = server_setup,
	  .step = server_step, .teardown = server_teardown },
	{ .name = "mp", .group = "micro", .threads = { 3, 5, 9 },
	  .ops = 6 * M,
	  .what = "one consumer, the others produce, 8 to 512 bytes",
	  .live = 1, .min = 8, .max = 512, .step = sacks_step },
	{ .name = "xm", .group = "micro", .threads = { 4, 8 }, .ops = 8 * M,
	  .what = "as many producers as consumers, 64 bytes",
	  .min = 64, .max = 64, .step = sacks_step },
	{ .name = "mb", .group = "micro", .threads = { 2, 8 }, .ops = 4 * M,
	  .what = "mailboxes: anybody frees what anybody made, 1 byte to "
		  "256 KiB",
	  .live = 500, .step = mail_step, .teardown = mail_teardown },
	{ .name = "swap", .group = "micro", .threads = { 2, 8 }, .ops = 3 * M,
	  .what = "threads swap objects in mailboxes and free what was there, "
		  "16 bytes to 16 KiB",
	  .min = 16, .max = 16 << 10, .step = swap_step,
	  .teardown = mail_teardown },
	{ .name = NULL }
};
