/* SPDX-License-Identifier: MIT */
/*
 * Limits that come at run time (under the preload): after setrlimit or prlimit
 * of RLIMIT_AS to 1 GiB mmap and malloc still work; mlockall works, as root
 * and for a user whose RLIMIT_MEMLOCK would hold the program but no window.
 */
#include "../lib/t.h"

static void use_heap(size_t total, const char *when)
{
	static void *p[256];
	size_t i, n = total / 256;

	for (i = 0; i < 256; i++) {
		p[i] = malloc(n);
		T_CHECK(p[i], "%s: block %zu of 256 of %zu bytes: %s", when, i, n, strerror(errno));
		t_fill(p[i], n, i);
	}
	for (i = 0; i < 256; i++) {
		T_CHECK(t_verify(p[i], n, i) < 0, "%s", when);
		free(p[i]);
	}
}

static void map(size_t n, const char *when)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_CHECK(p != MAP_FAILED, "%s: mmap of %zu MiB: %s", when, n >> 20, strerror(errno));
	p[0] = p[n - 1] = 1;
	munmap(p, n);
}

static void *thread(void *arg)
{
	use_heap(8 << 20, arg);
	return NULL;
}

static void in_child(void (*fn)(void), const char *what)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (pid == 0) {
		t_child(40);
		fn();
		_exit(0);
	}
	t_wait_ok(pid, what);
}

static void with_setrlimit(void)
{
	struct rlimit rl = { (rlim_t)1 << 30, RLIM_INFINITY };
	pthread_t th;

	use_heap(40 << 20, "before");
	T_CHECK(!setrlimit(RLIMIT_AS, &rl));
	if (t_sabotage("map"))
		map((size_t)2 << 30, "sabotaged");
	map(256 << 20, "after setrlimit");
	use_heap(100 << 20, "after setrlimit");
	map(256 << 20, "after setrlimit and use");
	T_CHECK(!pthread_create(&th, NULL, thread, "thread after setrlimit"));
	pthread_join(th, NULL);
	errno = 0;
	T_CHECK(!malloc((size_t)2 << 30) && errno == ENOMEM);
	/* and up again */
	rl.rlim_cur = RLIM_INFINITY;
	T_CHECK(!setrlimit(RLIMIT_AS, &rl));
	use_heap(200 << 20, "unlimited again");
}

static void with_prlimit(void)
{
	struct rlimit rl = { (rlim_t)1 << 30, (rlim_t)1 << 30 };

	use_heap(10 << 20, "before");
	T_CHECK(!prlimit(0, RLIMIT_AS, &rl, NULL));
	map(256 << 20, "after prlimit");
	use_heap(100 << 20, "after prlimit");
}

static void with_data(void)
{
	struct rlimit rl = { (rlim_t)256 << 20, (rlim_t)256 << 20 };

	use_heap(10 << 20, "before");
	T_CHECK(!setrlimit(RLIMIT_DATA, &rl));
	use_heap(64 << 20, "after RLIMIT_DATA");
	errno = 0;
	T_CHECK(!malloc((size_t)1 << 30) && errno == ENOMEM);
	use_heap(64 << 20, "after a refusal");
}

static void locked_now(void)
{
	use_heap(10 << 20, "before");
	T_CHECK(!mlockall(MCL_CURRENT), "%s", strerror(errno));
	use_heap(100 << 20, "after mlockall(MCL_CURRENT)");
	T_CHECK(t_rss() < (size_t)1 << 30, "RSS %zu MiB", t_rss() >> 20);
	munlockall();
}

static void locked_future(void)
{
	size_t before;

	use_heap(10 << 20, "before");
	T_CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE), "%s", strerror(errno));
	before = t_rss();
	use_heap(20 << 20, "after mlockall(MCL_FUTURE)");
	T_CHECK(t_rss() < before + (128 << 20), "RSS %zu -> %zu MiB", before >> 20, t_rss() >> 20);
	munlockall();
}

/*
 * A user who may lock 256 MiB (or whatever the hard limit is): the program is
 * far smaller, the window is not.
 */
static void locked_as_user(void)
{
	struct rlimit rl;

	use_heap(2 << 20, "before");
	T_CHECK(!getrlimit(RLIMIT_MEMLOCK, &rl));
	if (rl.rlim_max > 256 << 20)
		rl.rlim_max = 256 << 20;
	rl.rlim_cur = rl.rlim_max;
	T_CHECK(!setrlimit(RLIMIT_MEMLOCK, &rl));
	if (rl.rlim_max < 128 << 20) {
		t_say("the hard RLIMIT_MEMLOCK is %zu KiB: mlockall as a user is not tried",
		      (size_t)rl.rlim_max >> 10);
		return;
	}
	T_CHECK(!setuid(65534));
	T_CHECK(!mlockall(MCL_CURRENT), "as a user: %s", strerror(errno));
	use_heap(20 << 20, "locked, as a user");
	munlockall();
}

int main(int argc, char **argv)
{
	(void)argc;
	t_under_preload(argv);
	t_start("life/rlimits", 60);
	in_child(with_setrlimit, "setrlimit");
	in_child(with_prlimit, "prlimit");
	in_child(with_data, "RLIMIT_DATA");
	if (geteuid() == 0) {
		in_child(locked_now, "mlockall(MCL_CURRENT)");
		in_child(locked_future, "mlockall(MCL_FUTURE)");
		in_child(locked_as_user, "mlockall as a user");
	} else {
		t_say("mlockall needs root: not tried");
	}
	return t_done();
}
