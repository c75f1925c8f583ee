/* SPDX-License-Identifier: MIT */
/*
 * fork from many threads while all allocate. Each child checks what its
 * parent's thread had, allocates and frees a lot (also what the parent had),
 * makes a thread and a grandchild, and exits. atfork handlers allocate.
 * One in four is _Fork, which runs no handlers.
 */
#include "../lib/t.h"

enum { THREADS = 6, LIVE = 400 };

static int rounds;
static _Atomic bool stop;
static _Atomic int before, parent, child_side;
static __thread void *kept_by_handler;	/* the handlers of two forks may run at once */

static void on_prepare(void)
{
	before++;
	free(kept_by_handler);
	kept_by_handler = malloc(3000);
	free(malloc(200000));
}

static void on_parent(void)
{
	parent++;
	free(malloc(100));
	free(kept_by_handler);
	kept_by_handler = calloc(1, 50000);
}

static void on_child(void)
{
	child_side++;
	free(malloc(100));
	free(malloc(1 << 20));
	free(kept_by_handler);
	kept_by_handler = malloc(77);
}

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
			if (t_below(rnd, 3) == 0) {
				size_t n = t_logsize(rnd, 3000);

				x->p = realloc(x->p, n);
				bad = t_verify_part(x->p, x->n, x->key, n < x->n ? n : x->n);
				T_CHECK(bad < 0, "realloc: wrong at %zd", bad);
				x->n = n;
				t_fill(x->p, n, x->key);
				continue;
			}
			free(x->p);
			x->p = NULL;
		} else {
			x->n = t_logsize(rnd, t_below(rnd, 50) ? 2000 : 200000);
			x->p = t_below(rnd, 4) ? malloc(x->n) : calloc(1, x->n);
			T_CHECK(x->p);
			x->key = t_rand(rnd);
			t_fill(x->p, x->n, x->key);
		}
	}
}

static void check_all(struct blk *b)
{
	int i;

	for (i = 0; i < LIVE; i++)
		if (b[i].p) {
			ssize_t bad = t_verify(b[i].p, b[i].n, b[i].key);

			T_CHECK(bad < 0, "in the child: %p of %zu bytes: wrong at %zd", b[i].p,
				b[i].n, bad);
		}
}

static void *in_child_thread(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	static __thread struct blk own[LIVE];

	churn(own, &rnd, 2000);
	return NULL;
}

static void child(struct blk *b, uint64_t rnd, bool handlers_ran)
{
	pthread_t th;
	int i;

	t_child(30);
	check_all(b);
	if (t_sabotage("flip"))
		for (i = 0; i < LIVE; i++)
			if (b[i].p)
				*(char *)b[i].p ^= 1;
	churn(b, &rnd, 3000);
	malloc_trim(0);
	churn(b, &rnd, 1000);
	if (t_below(&rnd, 4) == 0 && handlers_ran) {	/* _Fork: no threads in the child */
		pid_t pid;

		T_CHECK(!pthread_create(&th, NULL, in_child_thread, (void *)5));
		pthread_join(th, NULL);
		pid = fork();
		T_CHECK(pid >= 0);
		if (pid == 0) {
			check_all(b);
			churn(b, &rnd, 500);
			_exit(0);
		}
		t_wait_ok(pid, "grandchild");
	}
	for (i = 0; i < LIVE; i++)
		free(b[i].p);
	_exit(0);
}

static void *forker(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint64_t rnd = t_seed_for(id);
	static __thread struct blk own[LIVE];
	int r;

	for (r = 0; r < rounds; r++) {
		bool raw = t_below(&rnd, 4) == 0;
		pid_t pid;

		churn(own, &rnd, 500);
		pid = raw ? _Fork() : fork();
		T_CHECK(pid >= 0, "fork: %s", strerror(errno));
		if (pid == 0)
			child(own, rnd, !raw);
		churn(own, &rnd, 300);
		t_wait_ok(pid, raw ? "_Fork" : "fork");
	}
	return NULL;
}

static void *hammer(void *arg)
{
	uint64_t rnd = t_seed_for(100 + (unsigned)(uintptr_t)arg);
	static __thread struct blk own[LIVE];

	while (!atomic_load(&stop))
		churn(own, &rnd, 100);
	return NULL;
}

int main(void)
{
	pthread_t th[THREADS], ham[3];
	size_t i;

	t_start("life/forks", t_long() ? 600 : 90);
	rounds = t_long() ? 800 : 60;
	T_CHECK(!pthread_atfork(on_prepare, on_parent, on_child));
	for (i = 0; i < 3; i++)
		T_CHECK(!pthread_create(&ham[i], NULL, hammer, (void *)i));
	for (i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&th[i], NULL, forker, (void *)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(ham[i], NULL);
	t_say("%d forks", THREADS * rounds);
	T_CHECK(before == parent && before > 0);
	return t_done();
}
