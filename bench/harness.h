/* SPDX-License-Identifier: MIT */
/*
 * What:  the harness of the benchmarks. A workload is a set-up, a step that is
 *        measured, a tear-down, and parameters; the harness runs it and knows
 *        nothing of the allocator, so that any library may be preloaded.
 * Door:  the fronts (rows.c, google.cc) call row_*() and run_*(); a workload
 *        (work/) fills in `struct work` and uses the rest of this file.
 * Invariant: what a step computes from the bytes it reads back depends on the
 *        number of operations only, never on addresses or on who was faster,
 *        so the checksum is the same under every allocator.
 *        Example: objects are stamped from the dice, and whoever frees one
 *        adds what it reads to its own sum; the order of a sum is free.
 * See:   bench/README.md tells how to add a workload.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_THREADS 100
#define M 1000000

#ifdef __cplusplus
extern "C" {
#endif

struct run;

/* ---- a workload ---- */

struct work {
	const char *name;	/* the row is called NAME/THREADS; NULL: the end */
	const char *group;
	const char *what;	/* and what an operation is, if not a pair */
	int threads[8];		/* a row for each; 0 ends the list */
	long ops;		/* of a whole run, by all threads together */
	void (*setup)(struct run *r);		/* or NULL */
	void (*step)(struct run *r);		/* does r->ops operations */
	void (*teardown)(struct run *r);	/* or NULL: frees all */
	/* what the functions above make of these is their matter */
	long live;		/* objects alive at a time */
	long min, max;		/* sizes */
	const void *arg;
};

/* One thread of a workload; it lives as long as the run. */
struct worker {
	struct run *run;
	int id;
	long ops;		/* this thread's share of the step */
	uint64_t dice;		/* a state of roll() */
	uint64_t sum;		/* of what was read back; goes to the run's */
	void *own;		/* the workload's */
} __attribute__((aligned(128)));

struct run {
	const struct work *work;
	int threads;
	long ops;		/* this step's */
	long steps;		/* that were done before this one */
	uint64_t sum;
	uint64_t stopped, aside;	/* clock_stop(), and what it left out */
};

/* The families, one a file; each ends with a work without a name. */
extern const struct work micro_works[], micro_threads_works[];
extern const struct work lifetime_works[], block_works[], growth_works[];
extern const struct work exchange_works[], server_works[], age_works[];
extern const struct work tide_works[], api_works[], trace_works[];

/* ---- what the fronts call ---- */

extern const char *bench_name;	/* of the program, for messages */

/* Calls fn for each row, in order. */
void row_each(void (*fn)(const struct work *w, int threads, void *arg),
	      void *arg);
/* NULL: there is no such row. */
const struct work *row_find(const char *row, int *threads);

void run_setup(struct run *r, const struct work *w, int threads);
/* Returns the nanoseconds that it took. */
uint64_t run_step(struct run *r, long ops);
/* Also ends what the checksum is made of. */
void run_teardown(struct run *r);
uint64_t run_checksum(const struct run *r);

/* VmHWM, which other than ru_maxrss does not survive exec. */
long peak_kib(void);
long resident_kib(void);
const char *malloc_owner(void);	/* the file whose malloc it is */

/* ---- what workloads call ---- */

void die(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

static inline void *must(void *p)
{
	if (__builtin_expect(!p, 0))
		die("out of memory");
	return p;
}

typedef void worker_fn(struct worker *w);

/*
 * Runs fn in all threads of the run, which share r->ops, and waits for them.
 * They live from the first call to the end of the tear-down, so that they meet
 * their own objects again; the first of them is the main thread.
 */
void in_team(struct run *r, worker_fn *fn);

/*
 * Runs fn in n new threads and waits for their end; each does so many
 * operations, or (start_workers) what stands in its worker. A worker's dice go
 * on from where the thread before left them.
 */
void in_threads_each(struct run *r, int n, worker_fn *fn, long ops);
void start_workers(struct run *r, int n, worker_fn *fn);
struct worker *worker(int id);

/*
 * What a step does between these two is not measured (Google Benchmark has a
 * clock of its own, which goes on).
 */
void clock_stop(struct run *r);
void clock_go(struct run *r);

/* Memory that is not the allocator's, so it is no part of what is measured. */
void *space(size_t bytes);
void space_free(void *p, size_t bytes);

/* The compiler must believe that somebody looks at p. */
static inline void *keep(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Marsaglia's xorshift, 13-7-17: never 0, 2^64 - 1 states. */
static inline uint64_t roll(uint64_t *dice)
{
	uint64_t d = *dice;

	d ^= d << 13;
	d ^= d >> 7;
	d ^= d << 17;
	return *dice = d;
}

/* A number below n (n < 2^32), without a division. */
static inline uint32_t below(uint64_t *dice, uint32_t n)
{
	return ((roll(dice) >> 32) * n) >> 32;
}

uint64_t seeded(uint64_t n);

#ifdef __cplusplus
}
#endif
#endif
