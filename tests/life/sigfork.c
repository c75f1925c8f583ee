/* SPDX-License-Identifier: MIT */
/*
 * fork() and _Fork() in a signal handler that interrupted malloc, free or fill,
 * hundreds of times; the child allocates, the parent's blocks stay what they
 * were. Every other child returns from the handler into what was interrupted,
 * goes on, and makes a thread (which needs its thread's own words whole).
 */
#include "../lib/t.h"
#include <sys/time.h>

enum { LIVE = 500 };

static _Atomic int signals, forks;
static bool child;

static void on_signal(int sig)
{
	int saved = errno, i, st, turn = signals++;
	pid_t pid;

	(void)sig;
	if (turn % 5 || child)
		return;
	pid = turn / 5 % 4 < 2 ? fork() : _Fork();
	if (pid == 0 && turn / 5 % 2) {
		child = true;
		t_child(10);
	} else if (pid == 0) {
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

static void *nothing(void *arg)
{
	free(malloc(100));
	return arg;
}

static void end_of_child(void)
{
	pthread_t t;

	T_CHECK(!pthread_create(&t, NULL, nothing, NULL) && !pthread_join(t, NULL));
	_exit(t_sabotage("exit"));
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };
	static void *p[LIVE];
	static size_t n[LIVE];
	uint64_t rnd;
	double until;
	int left = 300;

	t_start("life/sigfork", t_long() ? 300 : 40);
	rnd = t_seed_for(1);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	until = t_now() + (t_long() ? 60 : 3);
	while (t_now() < until) {
		int i = t_below(&rnd, LIVE);

		if (child && !left--)
			end_of_child();
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
