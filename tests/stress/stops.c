/* SPDX-License-Identifier: MIT */
/*
 * Threads allocate and free while others stop all caches (bm_stats() does) and
 * the process forks: sequences are aborted at every instruction, and none may
 * hand out an object twice.
 */
#include "../lib/t.h"
#include <buddymalloc.h>
#include <pthread.h>

enum { WORKERS = 3, STOPPERS = 3, LIVE = 64 };

static int ended;

static bool done(void)
{
	return __atomic_load_n(&ended, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	uint64_t dice = t_seed_for((unsigned)(long)arg);
	struct { unsigned char *p; size_t size; } live[LIVE] = { { 0 } };

	for (unsigned char stamp = 1; !done(); stamp++) {
		unsigned i;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		i = dice >> 40 & (LIVE - 1);
		if (live[i].p) {
			T_CHECK(live[i].p[0] == live[i].p[live[i].size - 1]);
			bm_free(live[i].p);
		}
		live[i].size = 1 + (dice >> 48 & 2047);
		live[i].p = bm_malloc(live[i].size);
		T_CHECK(live[i].p);
		live[i].p[0] = live[i].p[live[i].size - 1] = stamp;
	}
	for (unsigned i = 0; i < LIVE; i++)
		bm_free(live[i].p);
	return NULL;
}

static void *stop(void *arg)
{
	struct bm_stats stats;

	(void)arg;
	while (!done())
		bm_stats(&stats);
	return NULL;
}

int main(void)
{
	pthread_t threads[WORKERS + STOPPERS];

	t_start("stress/stops", 60);
	for (long i = 0; i < WORKERS + STOPPERS; i++)
		T_CHECK(!pthread_create(&threads[i], NULL,
					i < WORKERS ? work : stop, (void *)i));
	for (int i = 0; i < (t_long() ? 2000 : 150); i++) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (!pid)
			_exit(0);
		T_CHECK(!t_wait(pid));
		usleep(10000);
	}
	__atomic_store_n(&ended, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < WORKERS + STOPPERS; i++)
		T_CHECK(!pthread_join(threads[i], NULL));
	return t_done();
}
