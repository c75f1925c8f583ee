/* SPDX-License-Identifier: MIT */
/*
 * What:  the harness of the benchmarks: the table of rows, a run from set-up to
 *        tear-down, threads, and what the kernel says of our memory.
 * Door:  harness.h
 * Invariant: nothing here allocates between set-up and tear-down but threads
 *        (by pthread_create), so what is measured is the workload's.
 * See:   harness.h, rows.c, google.cc
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static const struct work *const families[] = {
	micro_works, micro_threads_works, lifetime_works, block_works,
	growth_works, exchange_works, server_works, age_works, tide_works,
	api_works, trace_works,
};

const char *bench_name = "bench";
static const char *row_name;	/* of what runs now */
static struct worker workers[MAX_THREADS];

void die(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "%s: %s%s%s\n", bench_name,
		row_name ? row_name : "", row_name ? ": " : "", text);
	_exit(1);
}

/* ---- rows ---- */

void row_each(void (*fn)(const struct work *w, int threads, void *arg),
	      void *arg)
{
	const struct work *w;
	size_t f, t;

	for (f = 0; f < ARRAY_SIZE(families); f++)
		for (w = families[f]; w->name; w++)
			for (t = 0; t < ARRAY_SIZE(w->threads) &&
				    w->threads[t]; t++)
				fn(w, w->threads[t], arg);
}

struct wanted {
	const char *row;
	const struct work *found;
	int threads;
};

static void compare(const struct work *w, int threads, void *arg)
{
	struct wanted *wanted = arg;
	char row[128];

	snprintf(row, sizeof(row), "%s/%d", w->name, threads);
	if (!strcmp(row, wanted->row)) {
		wanted->found = w;
		wanted->threads = threads;
	}
}

const struct work *row_find(const char *row, int *threads)
{
	struct wanted wanted = { row, NULL, 0 };

	row_each(compare, &wanted);
	*threads = wanted.threads;
	return wanted.found;
}

/* ---- a run ---- */

static void team_dismiss(void);

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t seeded(uint64_t n)
{
	uint64_t dice = 0x9e3779b97f4a7c15u * (n + 1);
	int i;

	for (i = 0; i < 8; i++)
		roll(&dice);
	return dice;
}

struct worker *worker(int id)
{
	return &workers[id];
}

void run_setup(struct run *r, const struct work *w, int threads)
{
	int i;

	*r = (struct run){ .work = w, .threads = threads };
	row_name = w->name;
	for (i = 0; i < MAX_THREADS; i++)
		workers[i] = (struct worker){
			.run = r, .id = i, .dice = seeded(i)
		};
	if (w->setup)
		w->setup(r);
}

uint64_t run_step(struct run *r, long ops)
{
	uint64_t start;

	r->ops = ops;
	r->aside = 0;
	start = now();
	r->work->step(r);
	start = now() - start - r->aside;
	r->steps++;
	return start;
}

void clock_stop(struct run *r)
{
	r->stopped = now();
}

void clock_go(struct run *r)
{
	r->aside += now() - r->stopped;
}

void run_teardown(struct run *r)
{
	if (r->work->teardown)
		r->work->teardown(r);
	team_dismiss();
	row_name = NULL;
}

/* Spreads the bits, so that sums that differ a little look different. */
uint64_t run_checksum(const struct run *r)
{
	uint64_t x = r->sum;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

/* ---- threads ---- */

struct start {
	pthread_t thread;
	worker_fn *fn;
	struct worker *worker;
};

static void *begin(void *arg)
{
	struct start *s = arg;

	s->fn(s->worker);
	return NULL;
}

void start_workers(struct run *r, int n, worker_fn *fn)
{
	struct start s[MAX_THREADS];
	int i, error;

	for (i = 0; i < n; i++) {
		s[i].fn = fn;
		s[i].worker = &workers[i];
		error = pthread_create(&s[i].thread, NULL, begin, &s[i]);
		if (error)
			die("cannot make %d threads: %s", n, strerror(error));
	}
	for (i = 0; i < n; i++) {
		pthread_join(s[i].thread, NULL);
		r->sum += workers[i].sum;
		workers[i].sum = 0;
	}
}

void in_threads_each(struct run *r, int n, worker_fn *fn, long ops)
{
	int i;

	for (i = 0; i < n; i++)
		workers[i].ops = ops;
	start_workers(r, n, fn);
}

/*
 * The team: threads that wait for the next thing to do. A round begins when
 * `round` moves on and is over when `busy` is 0. fn == NULL sends them home.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t go, done;
	pthread_t thread[MAX_THREADS];
	worker_fn *fn;
	unsigned long round;
	int size;		/* with the main thread; 0: no team */
	int busy;
} team = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .go = PTHREAD_COND_INITIALIZER,
	   .done = PTHREAD_COND_INITIALIZER };

static void *member(void *arg)
{
	unsigned long round = 0;
	worker_fn *fn;

	for (;;) {
		pthread_mutex_lock(&team.lock);
		while (team.round == round)
			pthread_cond_wait(&team.go, &team.lock);
		round = team.round;
		fn = team.fn;
		pthread_mutex_unlock(&team.lock);
		if (!fn)
			return NULL;
		fn(arg);
		pthread_mutex_lock(&team.lock);
		if (!--team.busy)
			pthread_cond_signal(&team.done);
		pthread_mutex_unlock(&team.lock);
	}
}

static void team_gather(int n)
{
	int i, error;

	team.round = 0;
	for (i = 1; i < n; i++) {
		error = pthread_create(&team.thread[i], NULL, member,
				       &workers[i]);
		if (error)
			die("cannot make %d threads: %s", n, strerror(error));
	}
	team.size = n;
}

static void team_send(worker_fn *fn)
{
	pthread_mutex_lock(&team.lock);
	team.fn = fn;
	team.busy = team.size - 1;
	team.round++;
	pthread_cond_broadcast(&team.go);
	pthread_mutex_unlock(&team.lock);
}

void in_team(struct run *r, worker_fn *fn)
{
	int n = r->threads, i;

	if (!team.size)
		team_gather(n);
	for (i = 0; i < n; i++)
		workers[i].ops = r->ops / n + (i < r->ops % n);
	if (n > 1)
		team_send(fn);
	fn(&workers[0]);
	if (n > 1) {
		pthread_mutex_lock(&team.lock);
		while (team.busy)
			pthread_cond_wait(&team.done, &team.lock);
		pthread_mutex_unlock(&team.lock);
	}
	for (i = 0; i < n; i++) {
		r->sum += workers[i].sum;
		workers[i].sum = 0;
	}
}

static void team_dismiss(void)
{
	int i;

	if (team.size > 1)
		team_send(NULL);
	for (i = 1; i < team.size; i++)
		pthread_join(team.thread[i], NULL);
	team.size = 0;
}

/* ---- memory ---- */

void *space(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? must(NULL) : p;
}

void space_free(void *p, size_t bytes)
{
	munmap(p, bytes);
}

/* The number behind a word in a file of /proc; 0: it is not there. */
static long proc_number(const char *file, const char *word)
{
	char buf[8192], *at = NULL;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0) {
		buf[n] = '\0';
		at = strstr(buf, word);
	}
	return at ? strtol(at + strlen(word), NULL, 10) : 0;
}

long peak_kib(void)
{
	return proc_number("/proc/self/status", "\nVmHWM:");
}

/* The roll-up counts pages; the status file may be some dozens behind. */
long resident_kib(void)
{
	long kib = proc_number("/proc/self/smaps_rollup", "\nRss:");

	return kib ? kib : proc_number("/proc/self/status", "\nVmRSS:");
}

const char *malloc_owner(void)
{
	Dl_info info;
	void *p = dlsym(RTLD_DEFAULT, "malloc");

	return p && dladdr(p, &info) ? info.dli_fname : "?";
}
