/* SPDX-License-Identifier: MIT */
/*
 * fork() in a signal handler that interrupted malloc, free or fill, hundreds of
 * times; the child allocates, the parent's blocks stay what they were.
 */
#include "../lib/t.h"
#include <sys/time.h>

enum { LIVE = 500 };

static _Atomic int signals, forks;

static void on_signal(int sig)
{
	int saved = errno, i, st;
	pid_t pid;

	(void)sig;
	if (signals++ % 5)
		return;
	pid = fork();
	if (pid == 0) {
		t_child(10);
		for (i = 0; i < 300; i++)
			free(malloc(i * 37 % 5000));
		free(malloc(1 << 20));
		_exit(t_sabotage("exit"));
	}
	if (pid > 0) {
		st = t_wait(pid);
		T_CHECK(!st, "child: status %x", st);
		forks++;
	}
	errno = saved;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };
	static void *p[LIVE];
	static size_t n[LIVE];
	uint64_t rnd;
	double until;

	t_start("life/sigfork", t_long() ? 300 : 40);
	rnd = t_seed_for(1);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	until = t_now() + (t_long() ? 60 : 3);
	while (t_now() < until) {
		int i = t_below(&rnd, LIVE);

		if (p[i])
			T_CHECK(t_verify(p[i], n[i], i) < 0);
		free(p[i]);
		n[i] = t_logsize(&rnd, t_below(&rnd, 20) ? 3000 : 3 << 20);
		p[i] = malloc(n[i]);
		T_CHECK(p[i]);
		t_fill(p[i], n[i], i);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	t_say("%d forks", (int)forks);
	T_CHECK(forks > 20);
	return t_done();
}
