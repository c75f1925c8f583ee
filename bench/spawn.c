/* SPDX-License-Identifier: MIT */
/*
 * What:  runs one program and says what it used: wall clock, CPU, peak
 *        resident size, faults, context switches.
 * Door:  spawn FD [NAME=VALUE...] -- PROG ARGS...
 *        writes one line of JSON to FD. The settings are the program's alone:
 *        spawn itself never runs under the allocator that is measured.
 * Invariant: ru_maxrss survives exec, so it is never less than the size of
 *        the process that called exec. That is why this is a small C program:
 *        started by a Python process of 20 MiB, every `true` would have 20
 *        MiB. Both die with their parent (PR_SET_PDEATHSIG).
 * See:   bench/runner/measure.py
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static long long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000ll + t.tv_usec;
}

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	exit(127);
}

__attribute__((noreturn))
static void child(char **settings, char **prog)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; *settings != prog[-1]; settings++)
		if (putenv(*settings))
			die(*settings);
	execvp(*prog, prog);
	die(*prog);
}

int main(int argc, char **argv)
{
	char **prog = argv + 2, *end = NULL;
	struct rusage used;
	long long start;
	int fd, status;
	pid_t pid;

	while (argc > 2 && *prog && strcmp(*prog, "--"))
		prog++;
	fd = argc > 2 ? strtol(argv[1], &end, 10) : -1;
	if (argc < 4 || *end || fd < 0 || !*prog || !*++prog) {
		fprintf(stderr, "usage: spawn FD [NAME=VALUE...] -- PROG [ARGS...]\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC))
		die("FD");
	start = now();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		child(argv + 2, prog);
	while (wait4(pid, &status, 0, &used) < 0)
		if (errno != EINTR)
			die("wait4");
	return dprintf(fd, "{\"wall_ns\": %lld, \"user_us\": %lld, \"sys_us\": %lld, "
		       "\"rss_kib\": %ld, \"minor_faults\": %ld, \"major_faults\": %ld, "
		       "\"switches\": %ld, \"preempted\": %ld, "
		       "\"exit\": %d, \"signal\": %d}\n",
		       now() - start, microseconds(used.ru_utime),
		       microseconds(used.ru_stime), used.ru_maxrss,
		       used.ru_minflt, used.ru_majflt, used.ru_nvcsw,
		       used.ru_nivcsw,
		       WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		       WIFSIGNALED(status) ? WTERMSIG(status) : 0) < 0;
}
