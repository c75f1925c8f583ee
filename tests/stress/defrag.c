/* SPDX-License-Identifier: MIT */
/*
 * Active defragmentation: nine tenths of a heap of mixed sizes are freed at
 * random, so that every slab holds some; then the program moves what lives with
 * one pass of bm_defrag(). What is resident comes near to what lives, contents
 * stay, and nothing is moved for nothing. The same while other threads allocate
 * and free, in a fork child, and for a cache of the program's own.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

enum { MB = 1 << 20, NR_MAX = 1 << 20 };

static struct object {
	char *at;
	unsigned size;
} *objects;
static size_t nr, live;
static struct bm_cache *cache;
static size_t cached;	/* size of its objects; 0: malloc's */

/* An array that is not the heap's, so that only the heap's size counts. */
static void make_array(void)
{
	objects = mmap(NULL, NR_MAX * sizeof(*objects), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
		       MAP_POPULATE, -1, 0);
	T_CHECK(objects != MAP_FAILED);
}

static void take(size_t i, size_t size)
{
	char *p = cached ? bm_cache_alloc(cache, 0) : malloc(size);

	T_CHECK(p);
	t_fill(p, size, i);
	objects[i] = (struct object){ p, (unsigned)size };
	live += size;
}

static void drop(size_t i)
{
	T_CHECK(t_verify(objects[i].at, objects[i].size, i) < 0, "spoiled");
	if (cached)
		bm_cache_free(cache, objects[i].at);
	else
		free(objects[i].at);
	live -= objects[i].size;
	objects[i].at = NULL;
}

static void fill(size_t bytes, uint64_t *rnd)
{
	for (nr = 0; nr < NR_MAX && live < bytes; nr++)
		take(nr, cached ? cached : 16 + t_below(rnd, 1500));
}

static void drop_most(unsigned of_ten, uint64_t *rnd)
{
	for (size_t i = 0; i < nr; i++)
		if (objects[i].at && t_below(rnd, 10) < of_ten)
			drop(i);
}

/* What redis does for each key: ask, move, change the pointer. */
static size_t pass(void)
{
	size_t moved = 0;

	for (size_t i = 0; i < nr; i++) {
		char *to, *was = objects[i].at;
		int hint;

		if (!was)
			continue;
		hint = bm_defrag_hint(was);
		to = bm_defrag(was);
		T_CHECK(hint || !to, "moved though it lay well");
		if (!to)
			continue;
		T_CHECK(to != was && bm_owns(to));
		T_CHECK(bm_usable_size(to) >= objects[i].size);
		objects[i].at = to;
		moved += objects[i].size;
	}
	return moved;
}

static size_t sparse(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < nr; i++)
		if (objects[i].at && bm_defrag_hint(objects[i].at))
			bytes += objects[i].size;
	return bytes;
}

static size_t rss(void)
{
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	return t_rss();
}

static void drop_all(void)
{
	for (size_t i = 0; i < nr; i++)
		if (objects[i].at)
			drop(i);
	T_CHECK(!live);
}

static void shrinks(const char *what, unsigned of_ten, uint64_t *rnd)
{
	size_t base = rss(), full, freed, after, moved, promised;

	fill(96 * MB, rnd);
	full = t_rss() - base;
	drop_most(of_ten, rnd);
	freed = rss() - base;
	T_CHECK(!sparse(), "a hint without a plan");
	promised = bm_compact();
	moved = t_sabotage("pass") ? 0 : pass();
	after = rss() - base;
	t_say("%s: %zu KiB, %zu of %zu freed: %zu resident; %zu promised, %zu moved: %zu",
	      what, full >> 10, live >> 10, full >> 10, freed >> 10,
	      promised >> 10, moved >> 10, after >> 10);
	if (t_rss_counts()) {
		/* Classes waste a fifth at most, a tail and descriptors a little. */
		T_CHECK(after < live + live / 4 + 4 * MB);
		T_CHECK(promised < freed && freed - promised < after + 4 * MB);
	}
	T_CHECK(moved <= live);
	T_CHECK(sparse() < live / 50, "left behind");
	/* A second time there is next to nothing to do. */
	bm_compact();
	T_CHECK(pass() < live / 50 + MB, "moved again");
	drop_all();
}

/* Where little was freed little is moved: the emptiest slabs only. */
static void spares(uint64_t *rnd)
{
	size_t moved;

	fill(64 * MB, rnd);
	drop_most(1, rnd);
	bm_compact();
	moved = pass();
	t_say("a tenth freed: %zu of %zu KiB moved", moved >> 10, live >> 10);
	T_CHECK(moved < live / 5);
	drop_all();
}

static atomic_bool stop;

static void *churn(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg + 100);
	static __thread char *mine[2000];

	while (!atomic_load(&stop)) {
		size_t i = t_below(&rnd, 2000), size = 16 + i % 700;

		if (mine[i]) {
			T_CHECK(t_verify(mine[i], size, i) < 0);
			free(mine[i]);
			mine[i] = NULL;
		} else {
			mine[i] = malloc(size);
			t_fill(mine[i], size, i);
		}
	}
	for (size_t i = 0; i < 2000; i++)
		free(mine[i]);
	return NULL;
}

static void threads(uint64_t *rnd)
{
	pthread_t th[3];

	for (size_t i = 0; i < 3; i++)
		T_CHECK(!pthread_create(&th[i], NULL, churn, (void *)i));
	for (int round = 0; round < 6; round++) {
		fill(24 * MB, rnd);
		drop_most(8, rnd);
		bm_compact();
		pass();
		for (size_t i = 0; i < nr; i++)
			if (!objects[i].at && t_below(rnd, 2))
				take(i, 16 + t_below(rnd, 1500));
		pass();
		drop_all();
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
}

/* A plan that was made before a fork holds in the child. */
static void forks(uint64_t *rnd)
{
	pid_t pid;

	fill(16 * MB, rnd);
	drop_most(9, rnd);
	bm_compact();
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid) {
		T_CHECK(pass() > live / 2);
		drop_all();
		_exit(0);
	}
	T_CHECK(pass() > live / 2);
	t_wait_ok(pid, "the child");
	drop_all();
}

static void others(void)
{
	static char here[100];
	char *large = malloc(MB), *small = malloc(100);

	T_CHECK(!bm_defrag_hint(NULL) && !bm_defrag(NULL));
	T_CHECK(!bm_defrag_hint(here) && !bm_defrag(here));
	T_CHECK(!bm_defrag_hint(large) && !bm_defrag(large));
	errno = 77;
	T_CHECK(!bm_defrag(small) && errno == 77);
	free(large);
	free(small);
}

/* No more than was asked for goes back, of that node. */
static void reclaims(void)
{
	static char *block[64];
	size_t got, before;

	for (int i = 0; i < 64; i++) {
		block[i] = malloc(MB);
		memset(block[i], 1, MB);
	}
	for (int i = 0; i < 64; i++)
		free(block[i]);
	errno = 0;
	T_CHECK(!bm_reclaim(4711, MB) && errno == EINVAL);
	T_CHECK(!bm_reclaim(0, 0));
	before = t_rss();
	got = bm_reclaim(bm_node_of(block[0]), 10 * MB);
	T_CHECK(got >= 10 * MB && got < 10 * MB + 3 * MB, "%zu", got);
	if (t_rss_counts())
		T_CHECK(before - t_rss() >= 9 * MB);
	T_CHECK(bm_reclaim(BM_NODE_ANY, SIZE_MAX) >= 30 * MB);
}

int main(void)
{
	uint64_t rnd;

	t_start("stress/defrag", 280);
	rnd = t_seed_for(1);
	make_array();
	others();
	reclaims();
	shrinks("malloc", 9, &rnd);
	shrinks("malloc, half", 5, &rnd);
	spares(&rnd);
	forks(&rnd);
	threads(&rnd);
	cached = 200;
	cache = bm_cache_create("defrag", cached, 0, 0, NULL);
	shrinks("a cache", 9, &rnd);
	T_CHECK(!bm_cache_destroy(cache));
	return t_done();
}
