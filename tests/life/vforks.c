/* SPDX-License-Identifier: MIT */
/*
 * vfork (under the preload, which replaces it) and posix_spawn while other
 * threads hammer. The vfork child goes to another CPU and allocates there:
 * the kernel has dropped its rseq, and a commit of its own would race.
 */
#include "../lib/t.h"
#include <spawn.h>

enum { LIVE = 300 };

static _Atomic bool stop;
extern char **environ;

struct blk {
	void *p;
	size_t n;
	uint64_t key;
};

static void churn(struct blk *b, uint64_t *rnd, int ops)
{
	int k;

	for (k = 0; k < ops; k++) {
		struct blk *x = &b[t_below(rnd, LIVE)];

		if (x->p) {
			ssize_t bad = t_verify(x->p, x->n, x->key);

			T_CHECK(bad < 0, "%p of %zu bytes: wrong at %zd", x->p, x->n, bad);
			free(x->p);
			x->p = NULL;
		} else {
			x->n = t_logsize(rnd, 500);
			x->p = malloc(x->n);
			T_CHECK(x->p);
			x->key = t_rand(rnd);
			t_fill(x->p, x->n, x->key);
		}
	}
}

static void *hammer(void *arg)
{
	uint64_t rnd = t_seed_for(100 + (unsigned)(uintptr_t)arg);
	static __thread struct blk own[LIVE];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((uintptr_t)arg % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (!atomic_load(&stop))
		churn(own, &rnd, 100);
	return NULL;
}

/* All that the child does happens in the parent's memory and stays. */
__attribute__((noinline)) static void one(struct blk *b, uint64_t *rnd, int cpu)
{
	static struct blk child_blocks[LIVE];
	pid_t pid = vfork();
	int i;

	if (pid == 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		churn(child_blocks, rnd, 3000);
		churn(b, rnd, 300);
		_exit(t_sabotage("exit") ? 3 : 0);
	}
	T_CHECK(pid > 0, "vfork: %s", strerror(errno));
	t_wait_ok(pid, "vfork");
	churn(b, rnd, 300);
	for (i = 0; i < LIVE; i++)
		if (child_blocks[i].p) {
			T_CHECK(t_verify(child_blocks[i].p, child_blocks[i].n,
					 child_blocks[i].key) < 0);
			free(child_blocks[i].p);
			child_blocks[i].p = NULL;
		}
}

__attribute__((noinline)) static void exec_one(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		char *p = malloc(1000), *q = malloc(100000);
		char *argv[] = { "true", NULL };

		if (!p || !q)
			_exit(4);
		free(p);
		free(q);
		execve("/bin/true", argv, environ);
		_exit(5);
	}
	T_CHECK(pid > 0);
	t_wait_ok(pid, "vfork and exec");
}

int main(int argc, char **argv)
{
	uint64_t rnd;
	static struct blk own[LIVE];
	int cpus, r, rounds = t_long() ? 3000 : 150;
	cpu_set_t all, one_cpu;
	pthread_t ham[4];
	size_t i;

	(void)argc;
	t_under_preload(argv);
	t_start("life/vforks", t_long() ? 600 : 90);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	rnd = t_seed_for(1);
	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < 4; i++)
		T_CHECK(!pthread_create(&ham[i], NULL, hammer, (void *)i));
	for (r = 0; r < rounds; r++) {
		CPU_ZERO(&one_cpu);
		CPU_SET(r % cpus, &one_cpu);
		sched_setaffinity(0, sizeof(one_cpu), &one_cpu);
		churn(own, &rnd, 100);
		one(own, &rnd, (r + 1) % cpus);
		if (r % 10 == 0) {
			pid_t pid;
			char *av[] = { "true", NULL };

			exec_one();
			T_CHECK(!posix_spawn(&pid, "/bin/true", NULL, NULL, av, environ));
			t_wait_ok(pid, "posix_spawn");
			T_CHECK(system("exit 7") == 7 << 8);
		}
	}
	sched_setaffinity(0, sizeof(all), &all);
	stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(ham[i], NULL);
	t_say("%d vforks", rounds);
	return t_done();
}
