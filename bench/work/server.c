/* SPDX-License-Identifier: MIT */
/*
 * What:  servers whose threads come and go, and false sharing, as an allocator
 *        may cause it (active) or keep it up (passive).
 * Door:  server_works
 * Invariant: a lane is what a connection would be: sessions that outlive the
 *        threads that serve them, one after another. A thread starts its
 *        successor and ends, so there are as many threads as lanes at any
 *        time, and each allocates from a new thread's point of view.
 * See:   object.h; micro_threads.c for a server that does nothing else
 */
#include <pthread.h>

#include "object.h"

/* ---- a server ---- */

#define SESSIONS 400	/* objects that a lane keeps */
#define REQUEST 12	/* small objects that live for a request */
#define PER_REQUEST (REQUEST + 4)	/* with a buffer and three sessions */
#define SERVED 2500	/* requests after which a thread ends */

struct lane {
	void *session[SESSIONS];
	struct worker *worker;
	long left;		/* requests */
	uint64_t sum;
};

static struct lane *lanes;	/* MAX_THREADS of them */
#define LANES_BYTES (MAX_THREADS * sizeof(*lanes))

static struct {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int lanes;		/* with requests left */
} server = { .lock = PTHREAD_MUTEX_INITIALIZER,
	     .ended = PTHREAD_COND_INITIALIZER };

static void request(struct lane *lane, uint64_t *dice, uint64_t *sum)
{
	void *part[REQUEST], *buffer, **session;
	int i;

	buffer = object_new(4096 + below(dice, 12288), 1);
	for (i = 0; i < REQUEST; i++)
		part[i] = object_new(sizes[below(dice, SIZES)], i);
	for (i = 0; i < 3; i++) {
		session = &lane->session[below(dice, SESSIONS)];
		object_free(*session, sum);
		*session = object_new(sizes[below(dice, SIZES)], i);
	}
	for (i = REQUEST; i--; )
		object_free(part[i], sum);
	object_free(buffer, sum);
}

static void start_thread(struct lane *lane);

static void *serve(void *arg)
{
	struct lane *lane = arg;
	uint64_t dice = lane->worker->dice, sum = 0;
	long n = lane->left < SERVED ? lane->left : SERVED, i;

	for (i = 0; i < n; i++)
		request(lane, &dice, &sum);
	lane->worker->dice = dice;
	lane->sum += sum;
	lane->left -= n;
	if (lane->left) {
		start_thread(lane);
		return NULL;
	}
	pthread_mutex_lock(&server.lock);
	if (!--server.lanes)
		pthread_cond_signal(&server.ended);
	pthread_mutex_unlock(&server.lock);
	return NULL;
}

static void start_thread(struct lane *lane)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, serve, lane))
		die("cannot make a thread");
	pthread_attr_destroy(&attr);
}

static void server_setup(struct run *r)
{
	sizes_roll(r->work->arg);
	lanes = space(LANES_BYTES);
}

static void server_step(struct run *r)
{
	long requests = r->ops / PER_REQUEST / r->threads;
	int i;

	if (!requests)
		requests = 1;
	server.lanes = r->threads;
	for (i = 0; i < r->threads; i++) {
		lanes[i].worker = worker(i);
		lanes[i].left = requests;
		lanes[i].sum = 0;
		start_thread(&lanes[i]);
	}
	pthread_mutex_lock(&server.lock);
	while (server.lanes)
		pthread_cond_wait(&server.ended, &server.lock);
	pthread_mutex_unlock(&server.lock);
	for (i = 0; i < r->threads; i++)
		r->sum += lanes[i].sum;
}

static void server_teardown(struct run *r)
{
	int i, k;

	for (i = 0; i < r->threads; i++)
		for (k = 0; k < SESSIONS; k++)
			object_free(lanes[i].session[k], &r->sum);
	space_free(lanes, LANES_BYTES);
}

/* ---- false sharing ---- */

#define WRITES 200
#define ROUND 200	/* pairs between two meetings */
#define GIVEN 8		/* neighbours that each thread gets */

static pthread_barrier_t meeting;
static void *given[MAX_THREADS][GIVEN];

static void sharing_setup(struct run *r)
{
	pthread_barrier_init(&meeting, NULL, r->threads);
}

static void sharing_teardown(struct run *r)
{
	(void)r;
	pthread_barrier_destroy(&meeting);
}

static void write_objects(struct worker *w, long pairs)
{
	size_t size = w->run->work->min;
	uint64_t sum = 0;
	long i;
	int k;

	for (i = 0; i < pairs; i++) {
		volatile unsigned char *p = must(malloc(size));

		*p = 0;
		for (k = 0; k < WRITES; k++)
			(*p)++;
		sum += *p;
		free((void *)p);
	}
	w->sum += sum;
}

/*
 * Active: threads that allocate at the same time should not get neighbours.
 * Passive: one thread makes neighbours and gives them away; who got one frees
 * it and allocates, and should not get the same line as the others again.
 */
static void sharing(struct worker *w)
{
	int passive = w->run->work->live, n = w->run->threads, i;
	long left = w->run->ops / n, pairs;

	for (; left > 0; left -= pairs) {
		pairs = left < ROUND ? left : ROUND;
		if (passive && !w->id)
			for (i = 0; i < GIVEN * n; i++)
				given[i % n][i / n] =
					must(malloc(w->run->work->min));
		pthread_barrier_wait(&meeting);
		for (i = 0; passive && i < GIVEN; i++)
			free(given[w->id][i]);
		write_objects(w, pairs);
		pthread_barrier_wait(&meeting);
	}
}

static void sharing_step(struct run *r)
{
	in_team(r, sharing);
}

#define SHARING .setup = sharing_setup, .step = sharing_step, \
		.teardown = sharing_teardown

const struct work server_works[] = {
	{ .name = "server", .group = "server",
	  .what = "requests of 16 objects, 400 sessions a thread; after 2,500 "
		  "requests a new thread goes on",
	  .threads = { 1, 2, 4, 8, 32 }, .ops = 8 * M, .arg = &server_mix,
	  .setup = server_setup, .step = server_step,
	  .teardown = server_teardown },
	{ .name = "fs-active", .group = "sharing", .min = 16,
	  .what = "threads allocate 16 bytes at the same time and write to "
		  "them 200 times",
	  .threads = { 2, 4, 8, 32 }, .ops = M / 2, SHARING },
	{ .name = "fs-passive", .group = "sharing", .min = 16, .live = 1,
	  .what = "the same, but each got neighbours from one thread and frees "
		  "them first",
	  .threads = { 2, 4, 8, 32 }, .ops = M / 2, SHARING },
	{ .name = NULL }
};
