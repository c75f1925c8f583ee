/* SPDX-License-Identifier: MIT */
/*
 * What:  what time does to a heap: fragmentation, where the resident size is
 *        the point, and storms of forks.
 * Door:  age_works
 * Invariant: the bytes alive at each moment are the same under any allocator,
 *        so what is resident above them is the allocator's.
 * See:   object.h
 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "object.h"

/* ---- many small, then most of them freed, then large ---- */

#define SMALL 300000
#define LARGE 1024
#define CLUSTER 512	/* objects of one request, so to say */

static void **small, **large;
static uint64_t dice;

static void frag_setup(struct run *r)
{
	(void)r;
	sizes_even(16, 512);
	small = space(SMALL * sizeof(*small));
	large = space(LARGE * sizeof(*large));
	dice = seeded(0);
}

/*
 * Which of the small ones stay: one in ten anywhere, so that nearly each page
 * keeps one; or of one cluster in ten all, and of the others one in 256.
 */
static int stays(const struct run *r, long i, long round)
{
	uint32_t number = below(&dice, 2560);

	if (!r->work->live)
		return number < 256;
	return (i / CLUSTER + round) % 10 == 0 || number < 10;
}

/*
 * One round: the small ones that are missing, about 50 MB in all, then only a
 * tenth of them, then large ones for what was freed. The large ones go and the
 * next round begins.
 */
static void frag_round(struct run *r, long round)
{
	size_t freed = 0, size;
	long i, n;

	for (i = 0; i < SMALL; i++)
		if (!small[i])
			small[i] = object_new(sizes[(i + round) % SIZES], i);
	for (i = 0; i < SMALL; i++)
		if (!stays(r, i, round)) {
			freed += ((struct object *)small[i])->size;
			object_free(small[i], &r->sum);
			small[i] = NULL;
		}
	for (n = 0; n < LARGE && freed > 65536; n++) {
		size = 16384 + below(&dice, 65536 - 16384);
		large[n] = object_new(size, n);
		freed -= size;
	}
	while (n--)
		object_free(large[n], &r->sum);
}

static void frag_step(struct run *r)
{
	long i;

	for (i = 0; i < r->ops; i++)
		frag_round(r, r->steps * r->ops + i);
}

static void frag_teardown(struct run *r)
{
	long i;

	for (i = 0; i < SMALL; i++)
		object_free(small[i], &r->sum);
	space_free(small, SMALL * sizeof(*small));
	space_free(large, LARGE * sizeof(*large));
}

/* ---- a cache whose values change their size with the years ---- */

#define BUDGET (48 << 20)
#define ENTRIES (BUDGET / 16)
#define ERAS 8

static struct {
	void **entry;
	long n;
	size_t bytes;
} cache;

static void drift_setup(struct run *r)
{
	(void)r;
	cache.entry = space(ENTRIES * sizeof(*cache.entry));
	cache.n = cache.bytes = 0;
	dice = seeded(0);
}

static void evict(struct run *r)
{
	long i = below(&dice, cache.n);
	void *p = cache.entry[i];

	cache.entry[i] = cache.entry[--cache.n];
	cache.bytes -= ((struct object *)p)->size;
	object_free(p, &r->sum);
}

/* An era's values are 32 << era / 2 to twice as long: 32 bytes to 724. */
static void drift_step(struct run *r)
{
	static const uint32_t least[ERAS] = {
		32, 45, 64, 90, 128, 181, 256, 362
	};
	size_t size;
	long i;

	for (i = 0; i < r->ops; i++) {
		uint32_t from = least[i * ERAS / r->ops];

		size = from + below(&dice, from);
		while (cache.bytes + size > BUDGET)
			evict(r);
		cache.bytes += size;
		cache.entry[cache.n++] = object_new(size, i);
	}
}

static void drift_teardown(struct run *r)
{
	while (cache.n)
		evict(r);
	space_free(cache.entry, ENTRIES * sizeof(*cache.entry));
}

/* ---- forks ---- */

#define PARENT 100000	/* objects alive when it forks: some 30 MB */
#define CHANGED 500	/* of them, by the child and by the parent */
#define MEANWHILE 2000	/* pairs of each other thread, for each fork */

static void **parent;

static void fork_setup(struct run *r)
{
	long i;

	sizes_roll(r->work->arg);
	parent = space(PARENT * sizeof(*parent));
	for (i = 0; i < PARENT; i++)
		parent[i] = object_new(sizes[i % SIZES], i);
}

static void change(uint64_t *d, uint64_t *sum)
{
	int i;

	for (i = 0; i < CHANGED; i++) {
		void **p = &parent[below(d, PARENT)];

		object_free(*p, sum);
		*p = object_new(sizes[below(d, SIZES)], i);
	}
}

/* What the child read comes back through a pipe. */
static void fork_once(struct worker *w)
{
	uint64_t sum = 0;
	int ends[2], status;
	pid_t child;

	if (pipe(ends))
		die("no pipe");
	child = fork();
	if (child < 0)
		die("cannot fork");
	if (!child) {
		change(&w->dice, &sum);
		_exit(write(ends[1], &sum, sizeof(sum)) != sizeof(sum));
	}
	close(ends[1]);
	change(&w->dice, &w->sum);
	if (read(ends[0], &sum, sizeof(sum)) != sizeof(sum))
		die("a child died");
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		die("a child ended with status %d", status);
	w->sum += sum;
}

/* The first thread forks, whatever the others are doing. */
static void forks(struct worker *w)
{
	long i, n = w->run->ops;
	void *mine[16] = { NULL }, **p;

	for (i = 0; !w->id && i < n; i++)
		fork_once(w);
	for (i = 0; w->id && i < n * MEANWHILE; i++) {
		p = &mine[below(&w->dice, ARRAY_SIZE(mine))];
		object_free(*p, &w->sum);
		*p = object_new(sizes[i % SIZES], i);
	}
	for (i = 0; i < (long)ARRAY_SIZE(mine); i++)
		object_free(mine[i], &w->sum);
}

static void fork_step(struct run *r)
{
	in_team(r, forks);
}

static void fork_teardown(struct run *r)
{
	long i;

	for (i = 0; i < PARENT; i++)
		object_free(parent[i], &r->sum);
	space_free(parent, PARENT * sizeof(*parent));
}

const struct work age_works[] = {
	{ .name = "frag-scatter", .group = "age",
	  .what = "300,000 small ones, all but any tenth freed, large ones for "
		  "it (op: such a round)",
	  .threads = { 1 }, .ops = 8, .setup = frag_setup,
	  .step = frag_step, .teardown = frag_teardown },
	{ .name = "frag-cluster", .group = "age", .live = 1,
	  .what = "the same, but what stays are neighbours, and one in 256 of "
		  "the rest",
	  .threads = { 1 }, .ops = 8, .setup = frag_setup,
	  .step = frag_step, .teardown = frag_teardown },
	{ .name = "drift", .group = "age",
	  .what = "a cache of 48 MiB evicts at random; values grow from 32 to "
		  "724 bytes over eight eras",
	  .threads = { 1 }, .ops = 2 * M, .setup = drift_setup,
	  .step = drift_step, .teardown = drift_teardown },
	{ .name = "fork", .group = "age",
	  .what = "forks with 100,000 objects alive; parent and child change "
		  "500; other threads allocate (op: a fork)",
	  .threads = { 1, 4 }, .ops = 100, .arg = &server_mix,
	  .setup = fork_setup, .step = fork_step, .teardown = fork_teardown },
	{ .name = NULL }
};
