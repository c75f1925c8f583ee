/* SPDX-License-Identifier: MIT */
/*
 * The pages inside slabs on which nothing lives go back: nine tenths of a heap
 * of mixed sizes are freed at random, so that every slab holds some. By
 * bm_reclaim() at once; by itself while the program frees; with a thread, when
 * it rests. Contents stay, the books balance, and the same while threads
 * allocate and free. A program that swings keeps what it takes again.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

enum { MB = 1 << 20, NR_MAX = 1 << 18, THREADS = 3 };

static struct object {
	char *at;
	unsigned size;
} *objects;
static size_t nr;

/* With larger pages few have nothing on them. */
static bool small_pages(void)
{
	return sysconf(_SC_PAGESIZE) <= 4096;
}

static struct bm_stats stats(void)
{
	struct bm_stats s;

	bm_stats(&s);
	return s;
}

static void take(size_t i, size_t size)
{
	char *p = malloc(size);

	T_CHECK(p);
	t_fill(p, size, i);
	objects[i] = (struct object){ p, (unsigned)size };
}

static void drop(size_t i)
{
	T_CHECK(t_verify(objects[i].at, objects[i].size, i) < 0, "spoiled");
	free(objects[i].at);
	objects[i].at = NULL;
}

static void fill(size_t bytes, uint64_t *rnd)
{
	size_t size;

	for (nr = 0; nr < NR_MAX && bytes; nr++, bytes -= size) {
		size = 16 + t_below(rnd, 1500);
		size = size < bytes ? size : bytes;
		take(nr, size);
	}
}

/* With pauses a program frees for a second or two. */
static void drop_most(uint64_t *rnd, useconds_t pause)
{
	for (size_t i = 0; i < nr; i++) {
		if (objects[i].at && t_below(rnd, 10))
			drop(i);
		if (pause && i % (nr / 30) == 0)
			usleep(pause);
	}
}

static void verify(void)
{
	for (size_t i = 0; i < nr; i++)
		if (objects[i].at)
			T_CHECK(t_verify(objects[i].at, objects[i].size, i) < 0,
				"spoiled");
}

static int by_address(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Bytes of the pages on which something lives. The objects get sorted. */
static size_t pages_in_use(void)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes = 0, from, to, last = 0;

	qsort(objects, nr, sizeof(*objects), by_address);
	for (size_t i = 0; i < nr; i++) {
		if (!objects[i].at)
			continue;
		from = (size_t)objects[i].at & -page;
		to = ((size_t)objects[i].at + objects[i].size - 1) & -page;
		bytes += to - (from > last ? from : last + page) + page;
		last = to;
	}
	return bytes;
}

/* But for the few objects that the libraries have. */
static void balanced(void)
{
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	T_CHECK(stats().hollow_bytes < MB, "%zu", stats().hollow_bytes);
}

static void drop_all(void)
{
	for (size_t i = 0; i < nr; i++)
		free(objects[i].at);
	nr = 0;
	balanced();
}

/* Nine tenths of it are gone, and what they lay on. */
static void fill_thin(size_t bytes, uint64_t *rnd)
{
	fill(bytes, rnd);
	drop_most(rnd, 0);
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
}

static void at_once(uint64_t *rnd)
{
	size_t base, full, after, least;

	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	base = t_rss();
	fill(96 * MB, rnd);
	full = t_rss() - base;
	drop_most(rnd, 0);
	T_CHECK(t_sabotage("keep") || bm_reclaim(BM_NODE_ANY, SIZE_MAX));
	verify();
	after = t_rss() - base;
	t_say("%zu MiB, nine tenths freed: %zu", full / MB, after / MB);
	/* What goes is counted, and another time there is nothing to do. */
	T_CHECK(stats().hollow_bytes > 16 * MB || !small_pages() ||
		t_sabotage("keep"));
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	T_CHECK(bm_reclaim(BM_NODE_ANY, SIZE_MAX) < 64 << 10);
	least = pages_in_use();
	if (t_rss_counts())
		T_CHECK(after < least + least / 20 + 4 * MB, "%zu > %zu", after,
			least);
	drop_all();
}

/* What is taken again is whole, cleared where it is asked to be, and counted. */
static void taken_again(uint64_t *rnd)
{
	size_t hollow;

	fill_thin(48 * MB, rnd);
	hollow = stats().hollow_bytes;
	for (size_t i = 0; i < nr; i++) {
		size_t size = 16 + t_below(rnd, 1500);
		char *p;

		if (objects[i].at)
			continue;
		p = calloc(1, size);
		T_CHECK(p);
		for (size_t k = 0; k < size; k++)
			T_CHECK(!p[k]);
		t_fill(p, size, i);
		objects[i] = (struct object){ p, (unsigned)size };
	}
	verify();
	T_CHECK(stats().hollow_bytes < hollow / 8);
	drop_all();
}

/* By itself: while it frees, and (with a thread) when it rests. */
static void by_itself(uint64_t *rnd, bool rests)
{
	size_t base = t_rss(), full, after = 0;

	fill(96 * MB, rnd);
	full = t_rss() - base;
	drop_most(rnd, 80000);
	for (int i = 0; i < 100; i++) {
		after = t_rss() - base;
		if (!rests || after < full / 2)
			break;
		usleep(100000);
	}
	t_say("%zu MiB, nine tenths freed in time%s: %zu", full / MB,
	      rests ? ", at rest" : "", after / MB);
	verify();
	if (t_rss_counts() && small_pages())
		T_CHECK(after < full - full / (rests ? 2 : 4));
	drop_all();
}

/* Of what swings nothing goes, if it is back before half a second is over. */
static void swings(uint64_t *rnd)
{
	int went = 0;

	fill(32 * MB, rnd);
	for (int round = 0; round < 12; round++) {
		double start = t_now();

		drop_most(rnd, 0);
		went += stats().hollow_bytes && t_now() - start < 0.3;
		for (size_t i = 0; i < nr; i++)
			if (!objects[i].at)
				take(i, objects[i].size);
	}
	T_CHECK(went <= 2, "%d times", went);
	drop_all();
}

static atomic_bool stop;

static void *churn(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg + 100);
	static __thread struct object mine[20000];

	while (!atomic_load(&stop)) {
		unsigned keep = t_below(&rnd, 2) ? 8 : 1;

		for (size_t i = 0; i < 20000 && !atomic_load(&stop); i++) {
			if (mine[i].at) {
				T_CHECK(t_verify(mine[i].at, mine[i].size, i) < 0);
				free(mine[i].at);
				mine[i].at = NULL;
			}
			if (t_below(&rnd, 10) >= keep)
				continue;
			mine[i].size = 16 + i % 1200;
			mine[i].at = malloc(mine[i].size);
			t_fill(mine[i].at, mine[i].size, i);
		}
	}
	for (size_t i = 0; i < 20000; i++)
		free(mine[i].at);
	return NULL;
}

static void threads(void)
{
	pthread_t th[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&th[i], NULL, churn, (void *)i));
	for (int i = 0; i < (t_long() ? 20000 : 200); i++) {
		bm_reclaim(BM_NODE_ANY, SIZE_MAX);
		usleep(5000);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	balanced();
}

static void forks(uint64_t *rnd)
{
	pid_t pid;

	fill_thin(16 * MB, rnd);
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid) {
		verify();
		drop_all();
		_exit(0);
	}
	t_wait_ok(pid, "the child");
	verify();
	drop_all();
}

/* A cache with a constructor keeps what that made, wherever nothing lives. */
static void construct(void *object)
{
	memset(object, 0xc5, 200);
}

static void in_cache(uint64_t *rnd, void (*ctor)(void *object))
{
	struct bm_cache *cache = bm_cache_create("thin", 200, 0, 0, ctor);
	static unsigned char *at[100000];
	int n = 0;

	for (int i = 0; i < 100000; i++) {
		T_CHECK((at[i] = bm_cache_alloc(cache, 0)));
		memset(at[i], 0xc5, 200);
	}
	for (int i = 0; i < 100000; i++)
		if (t_below(rnd, 100))
			bm_cache_free(cache, at[i]);
		else
			at[n++] = at[i];
	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	if (ctor)
		T_CHECK(stats().hollow_bytes < MB);
	else
		T_CHECK(stats().hollow_bytes > 4 * MB || !small_pages());
	for (int i = 0; i < n; i++)
		T_CHECK(at[i][0] == 0xc5 && at[i][199] == 0xc5);
	for (int i = n; i < 100000; i++) {
		at[i] = bm_cache_alloc(cache, 0);
		for (int k = 0; ctor && k < 200; k++)
			T_CHECK(at[i][k] == 0xc5, "not as constructed");
	}
	for (int i = 0; i < 100000; i++)
		bm_cache_free(cache, at[i]);
	T_CHECK(!bm_cache_destroy(cache));
	balanced();
}

/* Slabs that bm_compact() chose are thinned as well, and stay chosen. */
static void planned(uint64_t *rnd)
{
	fill(48 * MB, rnd);
	drop_most(rnd, 0);
	T_CHECK(bm_compact());
	T_CHECK(bm_reclaim(BM_NODE_ANY, SIZE_MAX));
	T_CHECK(stats().hollow_bytes > 8 * MB || !small_pages());
	for (size_t i = 0; i < nr; i++)
		if (objects[i].at && bm_defrag_hint(objects[i].at)) {
			char *to = bm_defrag(objects[i].at);

			objects[i].at = to ? to : objects[i].at;
		}
	verify();
	drop_all();
}

/* No more than was asked for, but for the last few slabs. */
static void by_target(uint64_t *rnd)
{
	size_t got;

	bm_reclaim(BM_NODE_ANY, SIZE_MAX);
	fill(96 * MB, rnd);
	drop_most(rnd, 0);
	bm_reclaim(BM_NODE_ANY, 1);
	got = bm_reclaim(BM_NODE_ANY, 12 * MB);
	T_CHECK(got < 18 * MB, "%zu", got);
	drop_all();
}

/* Under hard_limit:64m: pages that went are room, and count when they are back. */
static void limited(uint64_t *rnd)
{
	static char *more[NR_MAX];
	char *block;
	size_t n = 0;

	fill(56 * MB, rnd);
	drop_most(rnd, 0);
	block = malloc(16 * MB);
	T_CHECK(block || !small_pages(), "there was room");
	if (block)
		memset(block, 1, 16 * MB);
	while (n < NR_MAX && (more[n] = malloc(16 + t_below(rnd, 1500)))) {
		*more[n] = 1;
		n++;
	}
	t_say("under 64 MiB: %zu KiB resident", t_rss() >> 10);
	T_CHECK(n && n < NR_MAX);
	if (t_rss_counts())
		T_CHECK(t_rss() < 64 * MB + 10 * MB);
	verify();
	while (n--)
		free(more[n]);
	free(block);
	drop_all();
}

int main(int argc, char **argv)
{
	uint64_t rnd;

	t_start("stress/thin", 280);
	rnd = t_seed_for(1);
	objects = mmap(NULL, NR_MAX * sizeof(*objects), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	T_CHECK(objects != MAP_FAILED);
	if (argc > 1) {
		if (!strcmp(argv[1], "limit"))
			limited(&rnd);
		else
			by_itself(&rnd, !strcmp(argv[1], "rests"));
		return 0;
	}
	at_once(&rnd);
	taken_again(&rnd);
	swings(&rnd);
	forks(&rnd);
	in_cache(&rnd, construct);
	in_cache(&rnd, NULL);
	planned(&rnd);
	by_target(&rnd);
	threads();
	t_again("limit", "hard_limit:64m");
	t_again("frees", "reclaim:caller");
	t_again("rests", "reclaim:thread");
	return t_done();
}
