/* SPDX-License-Identifier: MIT */
/*
 * malloc before main (preinit array, early and late constructors), in
 * destructors, in atexit and on_exit handlers, after them; blocks live across
 * all of it. A child checks the end: its last words come from the destructor.
 */
#include "../lib/t.h"

static void *pre, *early, *late;
static int at_exit_fd = -1;

static void *make(size_t n, uint64_t key)
{
	void *p = malloc(n), *q = calloc(1, n);

	if (!p || !q || t_first_nonzero(q, n) >= 0)
		abort();
	free(q);
	p = realloc(p, 2 * n);
	if (!p)
		abort();
	t_fill(p, 2 * n, key);
	return p;
}

static void preinit(void)
{
	pre = make(1000, 1);
	free(make(100000, 1));
}

__attribute__((section(".preinit_array"), used)) static void (*run_first)(void) = preinit;

__attribute__((constructor(101))) static void first(void)
{
	early = make(50000, 2);
	if (t_verify(pre, 2000, 1) >= 0)
		abort();
}

__attribute__((constructor)) static void later(void)
{
	late = make(5 << 20, 3);
	if (t_verify(early, 100000, 2) >= 0)
		abort();
}

__attribute__((destructor(101))) static void last(void)
{
	if (at_exit_fd < 0)
		return;
	free(make(3000, 4));
	if (t_verify(early, 100000, 2) >= 0 || t_verify(late, 10 << 20, 3) >= 0)
		abort();
	free(early);
	free(late);
	free(make(3 << 20, 5));
	malloc_trim(0);
	if (!t_sabotage("quiet") && write(at_exit_fd, "last", 4) != 4)
		abort();
}

static void handler(void)
{
	free(make(200, 6));
	if (t_verify(pre, 2000, 1) >= 0)
		abort();
	free(pre);
}

static void on(int st, void *arg)
{
	(void)st;
	free(arg);
	free(make(200, 7));
}

int main(void)
{
	char buf[16] = "";
	int pfd[2];
	pid_t pid;

	t_start("life/early", 30);
	T_CHECK(t_verify(pre, 2000, 1) < 0);
	T_CHECK(t_verify(early, 100000, 2) < 0);
	T_CHECK(t_verify(late, 10 << 20, 3) < 0);
	T_CHECK(!pipe(pfd));
	pid = fork();
	if (pid == 0) {
		t_child(20);
		at_exit_fd = pfd[1];
		atexit(handler);
		on_exit(on, make(77, 8));
		exit(0);
	}
	close(pfd[1]);
	t_wait_ok(pid, "exit");
	T_CHECK(read(pfd[0], buf, 8) == 4 && !strcmp(buf, "last"), "the destructor did not run");
	return t_done();
}
