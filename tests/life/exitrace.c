/* SPDX-License-Identifier: MIT */
/* exit() while other threads allocate, with statistics asked for at exit. */
#include "../lib/t.h"

static void *work(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	void *tab[64] = { 0 };

	for (;;) {
		int i = t_below(&rnd, 64);

		free(tab[i]);
		tab[i] = malloc(t_logsize(&rnd, t_below(&rnd, 30) ? 3000 : 300000));
		if (!tab[i])
			abort();
		*(char *)tab[i] = 1;
	}
	return NULL;
}

static void bye(void)
{
	free(malloc(1000));
	usleep(300);
	free(malloc(100000));
}

int main(void)
{
	int r, rounds = t_long() ? 3000 : 200;

	t_start("life/exitrace", 120);
	for (r = 0; r < rounds; r++) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (pid == 0) {
			pthread_t th;
			size_t i;

			t_child(20);
			atexit(bye);
			for (i = 0; i < 4; i++)
				pthread_create(&th, NULL, work, (void *)(r * 4 + i));
			usleep(r % 7 * 300);
			exit(t_sabotage("exit") ? 1 : 0);
		}
		t_wait_ok(pid, "exit");
	}
	return t_done();
}
