/* SPDX-License-Identifier: MIT */
/*
 * CPUs go away and come back while threads allocate, exchange and free blocks
 * that carry a pattern. Nothing is lost: each block is what it was, and at
 * the end the heap is as full as in the beginning.
 */
#include "numa.h"

#include "buddymalloc.h"

enum { THREADS = 16, SLOTS = 4096 };

struct block {
	size_t size;
	uint64_t key;
};

static _Atomic(struct block *) slot[SLOTS];
static atomic_bool stop;
static atomic_size_t made, gone;
static pthread_barrier_t barrier;

static void check_and_free(struct block *b)
{
	ssize_t at;

	if (!b)
		return;
	T_CHECK(b->size > sizeof(*b) && b->size < 1 << 20, "a block's head is gone");
	at = t_verify(b + 1, b->size - sizeof(*b), b->key);
	T_CHECK(at < 0, "byte %zd of a block of %zu is wrong", at, b->size);
	free(b);
	atomic_fetch_add(&gone, 1);
}

static void *load(void *arg)
{
	uint64_t rng = t_seed_for((unsigned)(uintptr_t)arg);

	while (!atomic_load(&stop)) {
		size_t size = sizeof(struct block) +
			      t_logsize(&rng, t_below(&rng, 50) ? 2000 : 200000);
		struct block *b = malloc(size);

		T_CHECK(b);
		b->size = size;
		b->key = t_rand(&rng);
		t_fill(b + 1, size - sizeof(*b), b->key);
		if (t_sabotage("flip") && atomic_load(&made) == 5000)
			((char *)(b + 1))[0] ^= 1;
		atomic_fetch_add(&made, 1);
		check_and_free(atomic_exchange(&slot[t_below(&rng, SLOTS)], b));
	}
	pthread_barrier_wait(&barrier);
	for (size_t i = (uintptr_t)arg; i < SLOTS; i += THREADS)
		check_and_free(atomic_exchange(&slot[i], NULL));
	return NULL;
}

static bool turn(int cpu, bool on)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return n_write(path, on ? "1" : "0");
}

static size_t live(void)
{
	void (*stats)(struct bm_stats *) = (void (*)(struct bm_stats *))t_sym("bm_stats");
	struct bm_stats st;

	if (!stats)
		return 0;
	stats(&st);
	return st.live_bytes;
}

int main(int argc, char **argv)
{
	double seconds = n_option(argc, argv, "--seconds", 20), end;
	int last = (int)sysconf(_SC_NPROCESSORS_CONF) - 1, turns = 0;
	size_t before, after;
	pthread_t th[THREADS];
	uint64_t rng;

	t_under_preload(argv);
	t_start("numa/hotplug", 60 + (unsigned)seconds);
	if (!getenv("BM_GUEST"))
		t_skip("it takes CPUs away: in a guest only (BM_GUEST=1)");
	if (last < 1)
		t_skip("one CPU");
	if (!turn(last, false) || !turn(last, true))
		t_skip("CPU %d cannot be taken away: %s", last, strerror(errno));
	rng = t_seed_for(1000);
	pthread_barrier_init(&barrier, NULL, THREADS);
	/* What threads cost for ever is there before it is counted. */
	free(malloc(100));
	before = live();
	for (uintptr_t i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&th[i], NULL, load, (void *)i));
	for (end = t_now() + seconds; t_now() < end; turns++) {
		int cpu = 1 + (int)t_below(&rng, (uint64_t)last);

		if (turns % 4 == 3) {	/* all but the first at once */
			for (cpu = 1; cpu <= last; cpu++)
				turn(cpu, false);
			usleep(50000);
			for (cpu = 1; cpu <= last; cpu++)
				T_CHECK(turn(cpu, true), "CPU %d", cpu);
		} else {
			turn(cpu, false);
			usleep(50000);
			T_CHECK(turn(cpu, true), "CPU %d", cpu);
		}
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	after = live();
	t_say("%s: %zu blocks, %d times CPUs went and came; live before %zu, after %zu",
	      n_malloc(), atomic_load(&made), turns, before, after);
	T_CHECK(atomic_load(&made) == atomic_load(&gone), "%zu made, %zu freed",
		atomic_load(&made), atomic_load(&gone));
	T_CHECK(turns > 3, "CPUs went away %d times only", turns);
	/* Thread stacks' bookkeeping may stay; a thousand blocks may not. */
	T_CHECK(after <= before + (64 << 10), "%zu bytes are lost", after - before);
	return t_done();
}
