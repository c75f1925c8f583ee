/* SPDX-License-Identifier: MIT */
/*
 * A machine that pretends to have 256 CPUs needs at most 10 % more resident
 * memory than with 2, for the same work: 8 threads that keep about 32 MiB.
 * Runs itself with slots:256 and slots:2.
 */
#include "../lib/t.h"

enum { THREADS = 8, SLOTS = 6000 };

static _Atomic uint64_t sum;

static void *work(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	void **tab = calloc(SLOTS, sizeof(void *));
	long k;

	for (k = 0; k < 400000; k++) {
		unsigned i = t_below(&rnd, SLOTS);
		size_t n = t_logsize(&rnd, 4000);

		free(tab[i]);
		tab[i] = malloc(n);
		T_CHECK(tab[i]);
		memset(tab[i], 1, n);
	}
	for (k = 0; k < SLOTS; k++)
		if (tab[k])
			sum += malloc_usable_size(tab[k]);
	return NULL;
}

static int child(void)
{
	pthread_t th[THREADS];
	size_t anon;
	int i;

	for (i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&th[i], NULL, work, (void *)(uintptr_t)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	anon = t_anon(0, 0);
	if (t_sabotage("grow") && strstr(getenv("BUDDYMALLOC_CONF"), "256"))
		anon += anon / 4;
	T_CHECK(write(1, &anon, sizeof(anon)) == sizeof(anon));
	return 0;
}

static size_t with_slots(char *self, int slots)
{
	const char *old = getenv("BM_OUTER_CONF");
	char conf[600], seed[40];
	int pfd[2], st;
	size_t anon = 0;
	pid_t pid;

	snprintf(conf, sizeof(conf), "%s%sslots:%d", old ? old : "", old && *old ? "," : "", slots);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)t_seed);
	T_CHECK(!pipe(pfd));
	pid = fork();
	if (pid == 0) {
		setenv("BUDDYMALLOC_CONF", conf, 1);
		setenv("BM_SEED", seed, 1);
		dup2(pfd[1], 1);
		close(pfd[0]);
		close(pfd[1]);
		execl(self, self, "child", (char *)NULL);
		_exit(98);
	}
	close(pfd[1]);
	T_CHECK(read(pfd[0], &anon, sizeof(anon)) == sizeof(anon));
	close(pfd[0]);
	st = t_wait(pid);
	T_CHECK(st == 0, "slots:%d: status %x", slots, st);
	return anon;
}

int main(int argc, char **argv __attribute__((unused)))
{
	size_t few = SIZE_MAX, many = SIZE_MAX, kib;
	const char *conf = getenv("BUDDYMALLOC_CONF");
	int i;

	t_start("stress/manycpus", 120);
	if (argc > 1)
		return child();
	setenv("BM_OUTER_CONF", conf ? conf : "", 1);
	/* The least of three or more: how threads meet is the machine's doing. */
	for (i = 0; i < 3 || (i < 8 && many > few + few / 10); i++) {
		kib = with_slots("/proc/self/exe", 2) >> 10;
		few = kib < few ? kib : few;
		kib = with_slots("/proc/self/exe", 256) >> 10;
		many = kib < many ? kib : many;
	}
	t_say("2 CPUs: %zu KiB, 256 CPUs: %zu KiB", few, many);
	if (!t_ours())
		t_skip("the limit holds for buddymalloc only");
	T_CHECK(many <= few + few / 10);
	return t_done();
}
