/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go: 20,000 (BM_LONG=1: 200,000), a few at a time.
 * Each allocates, frees some, frees what an earlier one left, and ends
 * without a clean-up. Contents hold, the resident size stays, and the caches
 * hold at most 1 MiB or a sixteenth of what is live (and a sheaf a CPU).
 */
#include "../lib/t.h"
#include "buddymalloc.h"

enum { AT_ONCE = 8, SHARED = 512 };

static struct left {
	pthread_mutex_t lock;
	void *p;
	size_t n;
	uint64_t key;
} left[SHARED];

static void *life(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	void *own[20];
	int i;

	for (i = 0; i < 20; i++) {
		own[i] = malloc(t_logsize(&rnd, 2000));
		T_CHECK(own[i]);
		*(char *)own[i] = 1;
	}
	for (i = 0; i < 6; i++) {
		struct left *l = &left[t_below(&rnd, SHARED)], old;
		size_t n = t_logsize(&rnd, i ? 4000 : 100000);
		void *p = malloc(n);
		uint64_t key = t_rand(&rnd);

		T_CHECK(p);
		t_fill(p, n, key);
		pthread_mutex_lock(&l->lock);
		old = *l;
		l->p = p;
		l->n = n;
		l->key = key;
		pthread_mutex_unlock(&l->lock);
		if (old.p) {
			ssize_t bad = t_verify(old.p, old.n, old.key);

			T_CHECK(bad < 0, "%p of %zu bytes: wrong at %zd", old.p, old.n, bad);
			if (!t_sabotage("skip-free"))
				free(old.p);
		}
	}
	for (i = 0; i < 20; i++)
		free(own[i]);
	return NULL;
}

int main(void)
{
	unsigned total = t_long() ? 200000 : 20000, done, i;
	pthread_t th[AT_ONCE];
	pthread_attr_t attr;
	size_t early = 0, late, cap;
	void (*stats)(struct bm_stats *);
	struct bm_stats st;

	t_start("stress/threads", t_long() ? 600 : 90);
#ifdef PREFIXED
	stats = bm_stats;
#else
	stats = (void (*)(struct bm_stats *))t_sym("bm_stats");
#endif
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < SHARED; i++)
		pthread_mutex_init(&left[i].lock, NULL);
	for (done = 0; done < total; done += AT_ONCE) {
		for (i = 0; i < AT_ONCE; i++)
			T_CHECK(!pthread_create(&th[i], &attr, life, (void *)(uintptr_t)(done + i)));
		for (i = 0; i < AT_ONCE; i++)
			pthread_join(th[i], NULL);
		if (done == total / 4)
			early = t_rss();
	}
	late = t_rss();
	t_say("%u threads: RSS %zu KiB, then %zu KiB", done, early >> 10, late >> 10);
	if (stats) {
		stats(&st);
		t_say("%zu KiB live, %zu KiB in caches", st.live_bytes >> 10, st.cached_bytes >> 10);
		cap = st.live_bytes / 16 > 8 << 20 ? st.live_bytes / 16 : 8 << 20;
		T_CHECK(st.cached_bytes <= cap + cap / 4);
	}
	T_CHECK(!t_rss_counts() || late < early + early / 8 + (3 << 20));
	return t_done();
}
