/* SPDX-License-Identifier: MIT */
/*
 * Storms of signals whose handler allocates, frees and reallocates: at random
 * points of the slow path (large blocks, many classes, trim, fork), on one
 * thread and on several. No deadlock, no block handed out twice.
 * On glibc this test deadlocks, which shows that it can fail.
 */
#include "../lib/t.h"

enum { LIVE = 300, HANDED = 64 };

struct blk {
	void *p;
	size_t n;
	uint64_t key;
};

static _Atomic long handled;
static _Atomic bool stop;
/* blocks made outside and freed in the handler, and the other way round */
static void *_Atomic to_handler[HANDED], *_Atomic from_handler[HANDED];
/* one row a level: a handler may be interrupted by the other one */
static __thread struct blk in_handler[4][16];
static __thread uint64_t state[4];
static __thread int depth;

static void check(struct blk *x)
{
	ssize_t bad = t_verify(x->p, x->n, x->key);

	T_CHECK(bad < 0, "%p of %zu bytes: wrong at %zd", x->p, x->n, bad);
}

static void op(struct blk *x, uint64_t *rnd, size_t max)
{
	unsigned what = t_below(rnd, 10);

	if (x->p && what < 4) {
		check(x);
		free(x->p);
		x->p = NULL;
	} else if (x->p && what < 7) {
		size_t n = t_logsize(rnd, max);
		ssize_t bad;

		check(x);
		x->p = realloc(x->p, n);
		T_CHECK(x->p);
		bad = t_verify_part(x->p, x->n, x->key, n < x->n ? n : x->n);
		T_CHECK(bad < 0, "realloc %zu -> %zu: wrong at %zd", x->n, n, bad);
		x->n = n;
		x->key = t_rand(rnd);
		t_fill(x->p, n, x->key);
	} else if (!x->p) {
		x->n = t_logsize(rnd, max);
		if (what < 5)
			x->p = malloc(x->n);
		else if (what < 8)
			x->p = calloc(1, x->n);
		else
			x->p = memalign((size_t)16 << t_below(rnd, 10), x->n);
		T_CHECK(x->p);
		if (what >= 5 && what < 8)
			T_CHECK(t_first_nonzero(x->p, x->n) < 0, "calloc of %zu", x->n);
		x->key = t_rand(rnd);
		t_fill(x->p, x->n, x->key);
	}
}

static void on_signal(int sig)
{
	int saved = errno, level = depth, i;
	uint64_t *rnd = &state[level];

	(void)sig;
	if (level > 3)
		return;
	depth = level + 1;
	if (!*rnd)
		*rnd = t_seed_for(1000 * (level + 1) + gettid() - getpid());
	for (i = 0; i < 3; i++)
		op(&in_handler[level][t_below(rnd, 16)], rnd,
		   t_below(rnd, 20) ? 2000 : 300000);
	i = t_below(rnd, HANDED);
	free(atomic_exchange(&to_handler[i], NULL));
	free(atomic_exchange(&from_handler[i], malloc(1 + t_below(rnd, 500))));
	handled++;
	depth = level;
	errno = saved;
}

static void *work(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	static __thread struct blk own[LIVE];
	double until = t_now() + (t_long() ? 40 : 3);
	long k;

	while (t_now() < until)
		for (k = 0; k < 100; k++) {
			unsigned what = t_below(&rnd, 1000);
			int i = t_below(&rnd, HANDED);

			op(&own[t_below(&rnd, LIVE)], &rnd,
			   what < 700 ? 3000 : what < 900 ? 60000 : what < 990 ? 400000 : 4 << 20);
			free(atomic_exchange(&to_handler[i], malloc(1 + t_below(&rnd, 1000))));
			free(atomic_exchange(&from_handler[i], NULL));
			if (what == 0)
				malloc_trim(0);
		}
	return NULL;
}

static timer_t storm(int sig, pid_t tid, long ns)
{
	struct sigevent ev = { .sigev_signo = sig };
	struct itimerspec its = { { 0, ns }, { 0, ns } };
	timer_t t;

	ev.sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
	ev._sigev_un._tid = tid;
	T_CHECK(!timer_create(CLOCK_MONOTONIC, &ev, &t));
	T_CHECK(!timer_settime(t, 0, &its, NULL));
	return t;
}

static _Atomic pid_t tids[8];

static void *named(void *arg)
{
	tids[(uintptr_t)arg] = gettid();
	return work(arg);
}

/* Also fork in the storm: the child must be able to allocate. */
static void *forker(void *arg)
{
	uint64_t rnd = t_seed_for(77);
	static __thread struct blk own[LIVE];

	(void)arg;
	while (!stop) {
		pid_t pid = fork();
		int k;

		T_CHECK(pid >= 0);
		if (pid == 0) {
			t_child(20);
			for (k = 0; k < 1000; k++)
				op(&own[t_below(&rnd, LIVE)], &rnd, 3000);
			_exit(0);
		}
		t_wait_ok(pid, "fork in a storm");
		usleep(20000);
	}
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t th[8], fk;
	timer_t t[8];
	int i;

	t_start("life/signals", t_long() ? 600 : 60);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);

	/*
	 * One thread, two timers at odd intervals: at most two levels. Then
	 * four threads with a timer each whose handler may interrupt itself.
	 */
	t[0] = storm(SIGALRM, gettid(), 53000);
	t[1] = storm(SIGPROF, gettid(), 97000);
	work((void *)50);
	timer_delete(t[0]);
	timer_delete(t[1]);
	T_CHECK(handled > 1000 || getenv("BM_SLOW"), "only %ld signals", (long)handled);
	t_say("one thread: %ld signals", (long)handled);

	handled = 0;
	sa.sa_flags |= SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < 4; i++)
		T_CHECK(!pthread_create(&th[i], NULL, named, (void *)(uintptr_t)i));
	for (i = 0; i < 4; i++) {
		while (!tids[i])
			sched_yield();
		t[i] = storm(SIGUSR1, tids[i], 200000 + 7000 * i);
	}
	T_CHECK(!pthread_create(&fk, NULL, forker, NULL));
	for (i = 0; i < 4; i++) {
		pthread_join(th[i], NULL);
		timer_delete(t[i]);
	}
	stop = true;
	pthread_join(fk, NULL);
	t_say("four threads: %ld signals", (long)handled);
	T_CHECK(handled > 1000 || getenv("BM_SLOW"));
	return t_done();
}
