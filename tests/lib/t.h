/* SPDX-License-Identifier: MIT */
/*
 * What:  the few things every test program shares: a seed, a time limit, a
 *        loud check, child processes, the resident size of parts of the
 *        process, and the sabotage that shows that a check can fail.
 * Door:  t_start() first, t_done() last; T_CHECK() in between.
 * Env:   BM_SEED      seed to use (decimal); printed by every test
 *        BM_LONG      1: minutes instead of seconds
 *        BM_SABOTAGE  a word; t_sabotage("word") is then true
 *        BM_REQUIRE   1: fail when the heap that serves us is not ours
 *        BM_SLOW      factor for the time limits; BM_LIMIT sets them (seconds)
 * Note:  nothing here calls malloc, so it may be used at any point.
 */
#ifndef T_H
#define T_H

/* Tests do on purpose what these warn of; not every compiler has them all. */
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wuse-after-free"
#pragma GCC diagnostic ignored "-Walloc-size-larger-than="
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t_names.h"


/*
 * BM_NO_RSS=1: a tool or an emulator is in the way (ASan, valgrind, qemu), its
 * memory counts too, so the resident size says nothing of ours.
 */
static bool t_rss_counts(void)
{
	return !getenv("BM_NO_RSS");
}

static const char *t_name = "?";
static uint64_t t_seed;

/* One write, no stdio: two threads' lines do not mix, nothing allocates. */
static void t_vsay(const char *head, const char *fmt, va_list ap)
{
	char buf[600];
	int n = snprintf(buf, sizeof(buf), "%s%s%s", t_name, head[0] ? ": " : ": ", head);

	n += vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	if (n > (int)sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(2, buf, n) < 0)
		_exit(99);
}

__attribute__((format(printf, 1, 2)))
static void t_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t_vsay("", fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 1, 2), noreturn))
static void t_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t_vsay("FAIL: ", fmt, ap);
	va_end(ap);
	if (getenv("BM_ABORT"))
		abort();
	_exit(1);
}

__attribute__((format(printf, 1, 2), noreturn))
static void t_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t_vsay("SKIP: ", fmt, ap);
	va_end(ap);
	_exit(77);
}

#define T_STR2(x) #x
#define T_STR(x) T_STR2(x)
#define T_CHECK(cond, ...) \
	do { \
		if (__builtin_expect(!(cond), 0)) \
			t_fail(__FILE__ ":" T_STR(__LINE__) ": " #cond \
			       __VA_OPT__(": ") __VA_ARGS__); \
	} while (0)

static bool t_long(void)
{
	const char *s = getenv("BM_LONG");

	return s && *s == '1';
}

static bool t_sabotage(const char *what)
{
	const char *s = getenv("BM_SABOTAGE");

	return s && !strcmp(s, what);
}

/* ---- random numbers: xorshift64*, one state a thread ---- */
static uint64_t t_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static uint64_t t_rand(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull;
}

static uint64_t t_below(uint64_t *s, uint64_t n)
{
	return (t_rand(s) >> 11) % n;
}

/* Sizes spread evenly over the logarithm: as many from 16..32 as from 1M..2M. */
static size_t t_logsize(uint64_t *s, size_t max)
{
	int bits = 64 - __builtin_clzll(max);
	size_t n = (size_t)1 << t_below(s, bits);

	n += t_below(s, n);
	return n > max ? max : n;
}

static uint64_t t_seed_for(unsigned i)
{
	return t_mix(t_seed + 0x9e3779b97f4a7c15ull * (i + 1)) | 1;
}

/* ---- time ---- */
static double t_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void t_on_limit(int sig)
{
	(void)sig;
	t_say("FAIL: time limit");
	if (getenv("BM_ABORT"))
		abort();
	_exit(124);
}

/*
 * A timer with a signal of its own: SIGALRM stays free for the tests.  The
 * second timer kills without asking, should the first one's handler hang.
 */
static void t_limit(unsigned seconds)
{
	struct sigaction sa = { .sa_handler = t_on_limit };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX };
	struct itimerspec its = { .it_value = { .tv_sec = seconds } };
	timer_t t;

	sigaction(SIGRTMAX, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &t) == 0)
		timer_settime(t, 0, &its, NULL);
	ev.sigev_signo = SIGKILL;
	its.it_value.tv_sec += 5;
	if (timer_create(CLOCK_MONOTONIC, &ev, &t) == 0)
		timer_settime(t, 0, &its, NULL);
}

/* ---- whose heap is it ---- */
static void *t_sym(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

/* 1: buddymalloc serves this process, 0: something else does */
static int t_ours(void)
{
#ifdef PREFIXED
	return 1;
#else
	int (*owns)(const void *) = (int (*)(const void *))t_sym("bm_owns");
	void *p;
	int ret;

	if (!owns)
		return 0;
	p = malloc(100);
	ret = owns(p);
	free(p);
	return ret;
#endif
}

static void t_start(const char *name, unsigned seconds)
{
	const char *s = getenv("BM_SEED");
	struct timespec ts;

	t_name = name;
	clock_gettime(CLOCK_REALTIME, &ts);
	t_seed = s ? strtoull(s, NULL, 0)
		   : t_mix(ts.tv_sec * 1000000007ull + ts.tv_nsec + getpid()) % 1000000000;
	t_say("seed: %llu", (unsigned long long)t_seed);
	if (getenv("BM_LIMIT"))
		seconds = atoi(getenv("BM_LIMIT"));
	t_limit(seconds * (getenv("BM_SLOW") ? atoi(getenv("BM_SLOW")) : 1));
	if (getenv("BM_REQUIRE"))
		T_CHECK(t_ours(), "buddymalloc does not serve this program");
}

static int t_done(void)
{
	if (t_sabotage("always"))
		t_fail("sabotaged");
	t_say("ok");
	return 0;
}

/* ---- child processes ---- */

/* In a child: die with the parent, and have a time limit of its own. */
static void t_child(unsigned seconds)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getenv("BM_LIMIT"))
		seconds = atoi(getenv("BM_LIMIT"));
	t_limit(seconds * (getenv("BM_SLOW") ? atoi(getenv("BM_SLOW")) : 1));	/* timers are not inherited */
}

static const char *t_status(int st, char *buf, size_t n)
{
	if (WIFEXITED(st))
		snprintf(buf, n, "exit %d", WEXITSTATUS(st));
	else if (WIFSIGNALED(st))
		snprintf(buf, n, "signal %d (%s)", WTERMSIG(st), strsignal(WTERMSIG(st)));
	else
		snprintf(buf, n, "status %x", st);
	return buf;
}

static int t_wait(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		T_CHECK(errno == EINTR, "waitpid: %s", strerror(errno));
	return st;
}

static void t_wait_ok(pid_t pid, const char *what)
{
	char buf[64];
	int st = t_wait(pid);

	if (st)
		t_fail("%s: child %d: %s", what, (int)pid, t_status(st, buf, sizeof(buf)));
}

/* In a child: this program from its start, with one argument, and options more. */
__attribute__((noreturn))
static void t_exec_again(const char *what, const char *conf)
{
	const char *old = getenv("BUDDYMALLOC_CONF");
	char env[600];

	snprintf(env, sizeof(env), "%s,%s", conf, old ? old : "");
	setenv("BUDDYMALLOC_CONF", env, 1);
	execl("/proc/self/exe", t_name, what, (char *)NULL);
	_exit(98);
}

static void t_again(const char *what, const char *conf)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid)
		t_exec_again(what, conf);
	t_wait_ok(pid, what);
}

/* ---- resident memory, read without allocating ---- */
static size_t t_rss(void)
{
	char buf[128];
	long total, res = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	T_CHECK(n > 0);
	buf[n] = 0;
	sscanf(buf, "%ld %ld", &total, &res);
	return (size_t)res * sysconf(_SC_PAGESIZE);
}

/* A file of this text; the directories that it lies in are made. */
static inline void t_put(char *path, const char *text)
{
	int fd;

	for (char *at = path + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = 0;
		mkdir(path, 0755);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	T_CHECK(fd >= 0);
	T_CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Anonymous memory of the process that is in huge pages. */
static inline size_t t_huge_bytes(void)
{
	static char buf[8192];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);
	const char *at;

	close(fd);
	buf[n > 0 ? n : 0] = 0;
	at = strstr(buf, "AnonHugePages:");
	return at ? strtoul(at + 14, NULL, 10) << 10 : 0;
}

/*
 * Anonymous resident bytes of the whole process, but for mappings that lie in
 * [lo, hi) and the main stack: what the allocator holds, and little else.
 */
static size_t t_anon(uintptr_t lo, uintptr_t hi)
{
	static char buf[65536];
	size_t len = 0, sum = 0;
	bool skip = false;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	T_CHECK(fd >= 0);
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		char *p = buf, *nl;

		len += n;
		buf[len] = 0;
		while ((nl = strchr(p, '\n'))) {
			unsigned long a, b, kb;
			char perm[8];

			*nl = 0;
			if (sscanf(p, "%lx-%lx %4s", &a, &b, perm) == 3)
				skip = (a >= lo && b <= hi && hi) || strstr(p, "[stack");
			else if (!skip && sscanf(p, "Anonymous: %lu kB", &kb) == 1)
				sum += kb << 10;
			p = nl + 1;
		}
		len -= p - buf;
		memmove(buf, p, len);
	}
	close(fd);
	return sum;
}

static size_t t_ram_free(void)
{
	static char buf[4096];
	unsigned long kb = 0;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	char *p;

	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strstr(buf, "MemAvailable:");
	if (p)
		sscanf(p, "MemAvailable: %lu", &kb);
	return (size_t)kb << 10;
}

/* ---- contents that prove themselves ---- */

/*
 * The pattern depends on the block's key, so two blocks that overlap spoil
 * each other.  Above 16 KiB: both ends in full, one word every 512 bytes.
 */
static inline size_t t_step(size_t i, size_t size)
{
	return size <= 16384 || i < 2048 || i + 2048 >= size ? 8 : 512;
}

static void t_fill(void *ptr, size_t size, uint64_t key)
{
	unsigned char *p = ptr;
	size_t i;

	for (i = 0; i + 8 <= size; i += t_step(i, size)) {
		uint64_t v = (key + i) * 0x9e3779b97f4a7c15ull;

		memcpy(p + i, &v, 8);
	}
	for (i = size & ~(size_t)7; i < size; i++)
		p[i] = (unsigned char)(key + i);
}

/* Offset of the first wrong byte among the first `upto`, -1 when all are right. */
static ssize_t t_verify_part(const void *ptr, size_t size, uint64_t key, size_t upto)
{
	const unsigned char *p = ptr;
	size_t i;

	for (i = 0; i + 8 <= size && i + 8 <= upto; i += t_step(i, size)) {
		uint64_t v = (key + i) * 0x9e3779b97f4a7c15ull, w;

		memcpy(&w, p + i, 8);
		if (v != w)
			return i;
	}
	for (i = size & ~(size_t)7; i < size && i < upto; i++)
		if (p[i] != (unsigned char)(key + i))
			return i;
	return -1;
}

static ssize_t t_verify(const void *ptr, size_t size, uint64_t key)
{
	return t_verify_part(ptr, size, key, size);
}

static ssize_t t_first_nonzero(const void *ptr, size_t size)
{
	const unsigned char *p = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i])
			return i;
	return -1;
}

/*
 * For programs that are not linked with the library: run again under the
 * preload (tests/driver says where it is). BM_PRELOAD='' stays with libc.
 */
static void t_under_preload(char **argv)
{
	const char *p = getenv("BM_PRELOAD"), *top = getenv("top_builddir"), *old = getenv("LD_PRELOAD");
	char path[4096];

	if (getenv("BM_PRELOADED"))
		return;
	if (!p && !top)
		return;
	if (p)
		snprintf(path, sizeof(path), "%s", p);
	else
		snprintf(path, sizeof(path), "%s/libbuddymalloc-preload.so", top);
	if (!path[0])
		return;
	setenv("BM_PRELOADED", "1", 1);
	setenv("BM_REQUIRE", "1", 1);
	if (old && *old) {	/* a broken heap in front of it, from can-fail.sh */
		char both[8300];

		snprintf(both, sizeof(both), "%s:%s", old, path);
		setenv("LD_PRELOAD", both, 1);
	} else {
		setenv("LD_PRELOAD", path, 1);
	}
	execv("/proc/self/exe", argv);
	_exit(98);
}

#endif
