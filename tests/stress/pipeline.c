/* SPDX-License-Identifier: MIT */
/*
 * One thread allocates, another frees, for seconds (BM_LONG=1: minutes): the
 * resident size must not grow. Small blocks, mixed sizes, and both at once
 * with two pairs.
 */
#include "../lib/t.h"

enum { RING = 4096 };

struct pair {
	void *_Atomic ring[RING];
	_Atomic size_t head __attribute__((aligned(64)));
	_Atomic size_t tail __attribute__((aligned(64)));
	size_t max;
	unsigned stream;
};

static _Atomic bool stop;

static void *producer(void *arg)
{
	struct pair *q = arg;
	uint64_t rnd = t_seed_for(q->stream);
	size_t i;

	for (i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
		size_t n = q->max > 1000 ? t_logsize(&rnd, q->max) : 16 + t_below(&rnd, q->max);
		char *p;

		while (i - atomic_load_explicit(&q->tail, memory_order_acquire) >= RING) {
			if (atomic_load_explicit(&stop, memory_order_relaxed))
				return NULL;
			sched_yield();
		}
		p = malloc(n);
		T_CHECK(p);
		p[0] = 1;
		p[n - 1] = 1;
		atomic_store_explicit(&q->ring[i % RING], p, memory_order_relaxed);
		atomic_store_explicit(&q->head, i + 1, memory_order_release);
	}
	return NULL;
}

static void *consumer(void *arg)
{
	struct pair *q = arg;
	size_t i = 0;

	/* What is alive at most is alive once before anything is judged. */
	while (atomic_load_explicit(&q->head, memory_order_acquire) < RING &&
	       !atomic_load_explicit(&stop, memory_order_relaxed))
		sched_yield();
	for (;; i++) {
		while (i >= atomic_load_explicit(&q->head, memory_order_acquire)) {
			if (atomic_load_explicit(&stop, memory_order_relaxed))
				return NULL;
			sched_yield();
		}
		if (!(t_sabotage("skip-free") && i % 16 == 0))
			free(atomic_load_explicit(&q->ring[i % RING], memory_order_relaxed));
		atomic_store_explicit(&q->tail, i + 1, memory_order_release);
	}
}

static void run(int pairs, size_t max, double seconds)
{
	static struct pair q[2];
	pthread_t p[2], c[2];
	size_t first = 0, now = 0, peak = 0, i, ops = 0;
	double start = t_now(), warm = seconds / 2;

	atomic_store(&stop, false);
	for (i = 0; i < (size_t)pairs; i++) {
		memset(&q[i], 0, sizeof(q[i]));
		q[i].max = max;
		q[i].stream = i + max;
		T_CHECK(!pthread_create(&p[i], NULL, producer, &q[i]));
		T_CHECK(!pthread_create(&c[i], NULL, consumer, &q[i]));
	}
	while (t_now() < start + seconds) {
		usleep(50000);
		now = t_rss();
		if (t_now() < start + warm) {
			if (now > first)
				first = now;
		} else if (now > peak) {
			peak = now;
		}
	}
	atomic_store(&stop, true);
	for (i = 0; i < (size_t)pairs; i++) {
		pthread_join(p[i], NULL);
		pthread_join(c[i], NULL);
		ops += q[i].head;
		for (size_t k = q[i].tail; k < q[i].head; k++)
			free(q[i].ring[k % RING]);
	}
	t_say("%d pair(s), up to %zu bytes: %zu blocks, RSS %zu KiB then at most %zu KiB", pairs,
	      max, ops, first >> 10, peak >> 10);
	if (getenv("BM_SLOW") || !t_rss_counts())
		return;
	T_CHECK(ops > 10000);
	/*
	 * Sheaves fill for a while, up to their bound; and what the rings held
	 * in small blocks at one time and in large ones at another stays warm.
	 */
	T_CHECK(peak <= first + first / 10 + (max > 1000 ? 40 << 20 : 8 << 20));
}

int main(void)
{
	double s = t_long() ? 60 : 3;

	t_start("stress/pipeline", t_long() ? 600 : 60);
	run(1, 64, s);
	run(1, 900, s);
	run(2, 900, s);
	run(2, 60000, s);
	return t_done();
}
