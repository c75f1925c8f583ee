/* SPDX-License-Identifier: MIT */
/*
 * A signal at every point of the slow paths: the processor's trap flag raises
 * SIGTRAP after each instruction, and the handler allocates, frees and
 * reallocates. First at each instruction, then at random ones.
 * Before that, calls are stepped through as a debugger does it: each ends,
 * although every restartable sequence in it is aborted.
 */
#include "../lib/t.h"
#include <ucontext.h>

#if !defined(__x86_64__)
int main(void)
{
	t_start("life/everypoint", 10);
	t_skip("needs the trap flag of x86-64");
}
#else

enum { KEPT = 24, TF = 0x100 };

static struct kept {
	void *p;
	size_t n;
	uint64_t key;
} kept[KEPT];
static uint64_t rnd;
static unsigned one_in = 1;
static unsigned long traps, nested;
static unsigned steps;	/* of the call that is stepped through */
static bool counting;	/* the handler only counts */

static void in_handler(void)
{
	struct kept *k = &kept[t_below(&rnd, KEPT)];

	nested++;
	if (k->p) {
		ssize_t bad = t_verify(k->p, k->n, k->key);

		T_CHECK(bad < 0, "handler's %p of %zu bytes: wrong at %zd", k->p, k->n, bad);
		if (t_below(&rnd, 3) == 0) {
			size_t n = t_logsize(&rnd, t_below(&rnd, 100) ? 900 : 3000), keep = n < k->n ? n : k->n;
			void *q = realloc(k->p, n);

			T_CHECK(q);
			T_CHECK(t_verify_part(q, k->n, k->key, keep) < 0);
			k->p = q;
			k->n = n;
		} else {
			free(k->p);
			k->p = NULL;
			return;
		}
	} else {
		k->n = t_logsize(&rnd, t_below(&rnd, 1000) ? 900 : 100000);
		k->p = t_below(&rnd, 4) ? malloc(k->n) : calloc(1, k->n);
		T_CHECK(k->p);
	}
	k->key = t_rand(&rnd);
	t_fill(k->p, k->n, k->key);
}

static void on_trap(int sig, siginfo_t *si, void *uc)
{
	int saved = errno;

	(void)sig;
	(void)si;
	(void)uc;
	traps++;
	steps++;
	if (counting) {
		T_CHECK(steps < 20000, "a call that is stepped through does not end");
		return;
	}
	/* What a handler puts off keeps the call going: at last it must end. */
	if (steps > 5000)
		return;
	if (one_in == 1 || t_below(&rnd, one_in) == 0)
		in_handler();
	errno = saved;
}

/* The red zone is the compiler's: step over it. */
static inline __attribute__((always_inline)) void step(void)
{
	steps = 0;
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; "
			 "lea 128(%%rsp), %%rsp" : : : "memory", "cc");
}

static inline __attribute__((always_inline)) void unstep(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; "
			 "lea 128(%%rsp), %%rsp" : : : "memory", "cc");
}

#define STEPPED(x) \
	do { \
		step(); \
		x; \
		unstep(); \
	} while (0)

static void every_call_ends(void)
{
	void *p[8];
	int i, k;

	counting = true;
	for (k = 0; k < 40; k++) {
		for (i = 0; i < 8; i++) {
			STEPPED(p[i] = malloc(k * 20));
			T_CHECK(p[i]);
		}
		for (i = 0; i < 8; i++) {
			STEPPED(free(p[i]));
		}
	}
	counting = false;
	t_say("%lu instructions, every call ends", traps);
}

/* A step costs about 10 us: each pass has its seconds, and starts elsewhere. */
static void ops(unsigned first, double until)
{
	static const size_t sizes[] = { 16, 100, 1000, 3000, 9000, 32768, 40000, 300000, 3 << 20 };
	enum { KINDS = sizeof(sizes) / sizeof(sizes[0]), MAX = 40 };
	static void *p[MAX];
	size_t i, k;

	for (k = 0; k < KINDS && t_now() < until; k++) {
		size_t n = sizes[(first + k) % KINDS];
		size_t N = n < 5000 ? MAX : 10;

		for (i = 0; i < N; i++) {
			STEPPED(p[i] = malloc(n));
			T_CHECK(p[i], "malloc of %zu", n);
			t_fill(p[i], n, i);
		}
		for (i = 0; i < N; i++) {
			T_CHECK(t_verify(p[i], n, i) < 0, "%p of %zu bytes", p[i], n);
			if (i % (n < 100000 ? 3 : 20) == 0) {	/* copies are many steps */
				STEPPED(p[i] = realloc(p[i], n + n / 2 + 1));
				T_CHECK(p[i] && t_verify_part(p[i], n, i, n) < 0);
			}
		}
		for (i = 0; i < N; i++)
			STEPPED(free(p[i]));
		for (i = 0; i < N / 5; i++) {
			if (n < 100000) {	/* clearing is many steps and nothing new */
				STEPPED(p[i] = calloc(1, n));
				T_CHECK(p[i] && t_first_nonzero(p[i], n) < 0);
			} else {
				p[i] = NULL;
			}
		}
		for (i = 0; i < N / 5; i++)
			STEPPED(free(p[i]));
		STEPPED(p[0] = memalign(4096, n));
		T_CHECK(p[0] && ((uintptr_t)p[0] & 4095) == 0);
		STEPPED(free(p[0]));
		STEPPED(malloc_trim(0));
	}
	for (i = 0; i < 2; i++) {
		pid_t pid;

		STEPPED(pid = fork());
		T_CHECK(pid >= 0);
		if (pid == 0) {
			t_child(30);
			for (i = 0; i < MAX; i++) {
				STEPPED(p[i] = malloc(100 * i));
				t_fill(p[i], 100 * i, i);
			}
			for (i = 0; i < MAX; i++) {
				T_CHECK(t_verify(p[i], 100 * i, i) < 0);
				STEPPED(free(p[i]));
			}
			_exit(t_sabotage("exit"));
		}
		t_wait_ok(pid, "fork, stepped");
	}
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART };
	double start = t_now();
	int r;

	t_start("life/everypoint", t_long() ? 600 : 100);
	rnd = t_seed_for(1);
	sigaction(SIGTRAP, &sa, NULL);
	every_call_ends();
	for (r = 0; r < (t_long() ? 40 : 2); r++) {
		static const unsigned sparse[] = { 1, 7, 60, 600 };

		one_in = sparse[r % 4];
		ops(r * 5, t_now() + 8);
		t_say("one in %u: %lu instructions, %lu calls from the handler, %.1f s", one_in,
		      traps, nested, t_now() - start);
	}
	T_CHECK(traps > 10000);
	return t_done();
}
#endif
