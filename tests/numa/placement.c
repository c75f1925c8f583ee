/* SPDX-License-Identifier: MIT */
/*
 * Threads on every node allocate, then exchange blocks so that most are freed
 * on another node than they came from, then free all and allocate again, then
 * once more after each thread has moved to the next node. Each time the kernel
 * is asked where the pages of live blocks lie: at home is the node of the CPU
 * that allocated (the nearest with memory, where it has none).
 *
 *   placement [--seconds N] [--mib N a thread] [--threads N a node]
 *             [--min-share PERCENT] [--refuse]
 * --min-share makes it a test; --refuse: policies, and to ask where
 * pages lie, are EPERM, as in a container; another process looks then.
 * Runs on any malloc (LD_PRELOAD). What one that keeps no nodes apart mixes
 * falls to 100 / nodes; one that keeps threads apart is right until they move.
 */
#include "numa.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

enum { THREADS = 64, SLOTS = THREADS << 10, LARGE = 1 << 20 };

struct block {	/* at the start of each */
	size_t size;
	int home;
};

struct worker {
	pthread_t thread;
	int node, at;
	struct block **own;	/* n_map() */
	size_t nr, room;
	uint64_t rng;
};

static struct worker worker[THREADS];
static int workers;
static size_t slots;	/* a thousand for each worker: some 8 MiB */
static _Atomic(struct block *) slot[SLOTS];
static atomic_bool stop;
static pthread_barrier_t barrier;
static size_t share_bytes;

static struct block *make(struct worker *w, size_t max)
{
	size_t size = sizeof(struct block) + t_logsize(&w->rng, max);
	struct block *b = malloc(size);

	T_CHECK(b, "malloc(%zu)", size);
	memset(b, 1, size);
	b->size = size;
	b->home = n_node[w->node].home;
	return b;
}

/* One in 64 is up to 1 MiB, the others up to 32 KiB. */
static struct block *make_any(struct worker *w)
{
	return make(w, t_below(&w->rng, 64) ? 32768 : LARGE);
}

static void fill(struct worker *w)
{
	size_t sum = 0;

	for (w->nr = 0; sum < share_bytes && w->nr < w->room; w->nr++) {
		w->own[w->nr] = make_any(w);
		sum += w->own[w->nr]->size;
	}
}

static void drop(struct worker *w)
{
	for (size_t i = 0; i < w->nr; i++)
		free(w->own[i]);
	w->nr = 0;
}

/* Whoever puts a block into a slot frees the one that was there. */
static void exchange(struct worker *w)
{
	while (!atomic_load(&stop)) {
		struct block *b = make_any(w);

		b = atomic_exchange(&slot[t_below(&w->rng, slots)], b);
		free(b);
	}
}

/* Of those with CPUs, the one behind. */
static int next_node(int n)
{
	do
		n = n == n_last ? 0 : n + 1;
	while (!n_node[n].cpus);
	return n;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	n_pin(n_node[w->node].cpu[w->at % n_node[w->node].cpus]);
	fill(w);
	pthread_barrier_wait(&barrier);	/* looked at */
	pthread_barrier_wait(&barrier);
	drop(w);
	exchange(w);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (size_t i = w - worker; i < slots; i += (size_t)workers)
		free(atomic_exchange(&slot[i], NULL));
	pthread_barrier_wait(&barrier);
	if (t_sabotage("elsewhere"))
		for (int n = 0; n <= n_last; n++)
			if (n != w->node && n_node[n].cpus && n_node[n].memory)
				n_pin_node(n);
	fill(w);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	drop(w);
	/* All at once, or the first would find what the others still hold. */
	pthread_barrier_wait(&barrier);
	w->node = next_node(w->node);
	n_pin(n_node[w->node].cpu[w->at % n_node[w->node].cpus]);
	fill(w);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	drop(w);
	return NULL;
}

static double look(const char *what)
{
	static struct n_tally t;

	memset(&t, 0, offsetof(struct n_tally, want));
	for (int i = 0; i < workers; i++)
		for (size_t k = 0; k < worker[i].nr; k++)
			n_block(&t, worker[i].own[k], worker[i].own[k]->size,
				worker[i].own[k]->home);
	if (!worker[0].nr)
		for (size_t i = 0; i < slots; i++) {
			struct block *b = atomic_load(&slot[i]);

			if (b)
				n_block(&t, b, b->size, b->home);
		}
	n_ask(&t);
	n_tell(&t, what);
	return n_share(&t);
}

/* mbind, get_mempolicy, set_mempolicy, move_pages: EPERM from now on. */
static void refuse(char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_mempolicy, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_move_pages, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	const char *refused = getenv("N_REFUSED");
	char fd[20];

	if (refused) {
		n_watcher = atoi(refused);
		return;
	}
	snprintf(fd, sizeof(fd), "%d", n_watch());
	setenv("N_REFUSED", fd, 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		t_skip("seccomp: %s", strerror(errno));
	execv("/proc/self/exe", argv);
	t_fail("exec: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	double least = n_option(argc, argv, "--min-share", 0);
	double seconds = n_option(argc, argv, "--seconds", 5), shares[4];
	int per_node = (int)n_option(argc, argv, "--threads", 2);
	const char *when[] = { "first", "mixed", "again", "moved" };

	if (n_flag(argc, argv, "--refuse"))
		refuse(argv);
	t_under_preload(argv);
	t_start("numa/placement", 60 + (unsigned)seconds);
	n_init();
	n_need(least > 0 ? 2 : 1);
	share_bytes = (size_t)n_option(argc, argv, "--mib", 8) << 20;
	for (int n = 0; n <= n_last; n++)
		for (int i = 0; n_node[n].cpus && i < per_node && workers < THREADS; i++) {
			struct worker *w = &worker[workers];

			w->node = n;
			w->at = i;
			w->room = share_bytes / 64;
			w->own = n_map(w->room * sizeof(w->own[0]));
			w->rng = t_seed_for(workers++);
		}
	slots = (size_t)workers << 10;
	pthread_barrier_init(&barrier, NULL, workers + 1);
	for (int i = 0; i < workers; i++)
		T_CHECK(!pthread_create(&worker[i].thread, NULL, work, &worker[i]));
	t_say("%s, %d threads on %d nodes", n_malloc(), workers, n_with_cpus);
	pthread_barrier_wait(&barrier);
	shares[0] = look(when[0]);
	pthread_barrier_wait(&barrier);
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&stop, true);
	pthread_barrier_wait(&barrier);
	shares[1] = look(when[1]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	shares[2] = look(when[2]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	shares[3] = look(when[3]);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < workers; i++)
		pthread_join(worker[i].thread, NULL);
	for (int i = 0; i < 4; i++)
		T_CHECK(shares[i] >= least, "%s: %.1f %% at home, %.1f are wanted",
			when[i], shares[i], least);
	return t_done();
}
