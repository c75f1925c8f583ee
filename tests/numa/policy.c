/* SPDX-License-Identifier: MIT */
/*
 * Whoever says where memory shall lie is obeyed, whatever the heap thinks:
 *   - a policy that the process was started with (as numactl does): bind,
 *     preferred, interleave, on threads of every node;
 *   - one that a thread sets for itself at run time, for fresh memory;
 *   - a cpuset that shrinks under the live process.
 * The first kind runs in programs of their own: policy --child KIND NODE.
 */
#include "numa.h"

#include <sys/stat.h>

enum { BLOCKS = 1 << 14, MIB_EACH = 6 };

static struct n_tally tally;
static pthread_mutex_t tally_lock = PTHREAD_MUTEX_INITIALIZER;

struct job {
	int node;	/* where it runs; -1: anywhere */
	int want;	/* where its pages shall lie; -1: at home */
	size_t bytes;
	void *block[BLOCKS];
	size_t nr;
};

/* Blocks of all sizes, up to 512 KiB; asks where they lie. */
static void take(struct job *job, uint64_t seed)
{
	size_t sum = 0;
	uint64_t rng = seed;
	int want = job->want;

	if (want < 0)
		want = n_node[job->node].home;
	pthread_mutex_lock(&tally_lock);
	for (job->nr = 0; sum < job->bytes && job->nr < BLOCKS; job->nr++) {
		size_t size = t_logsize(&rng, t_below(&rng, 8) ? 16384 : 512 << 10);

		job->block[job->nr] = malloc(size);
		T_CHECK(job->block[job->nr]);
		memset(job->block[job->nr], 1, size);
		n_block(&tally, job->block[job->nr], size, want);
		sum += size;
	}
	n_ask(&tally);
	pthread_mutex_unlock(&tally_lock);
}

static void drop(struct job *job)
{
	while (job->nr)
		free(job->block[--job->nr]);
}

static void *run(void *arg)
{
	struct job *job = arg;

	n_pin_node(job->node);
	take(job, t_seed_for((unsigned)job->node));
	return NULL;
}

/* A thread on each node allocates; its pages shall lie on a node (-1: home). */
static void everywhere(int want)
{
	pthread_t th[N_NODES];
	struct job *job = n_map(N_NODES * sizeof(*job));

	memset(&tally, 0, offsetof(struct n_tally, want));
	for (int n = 0; n <= n_last; n++) {
		if (!n_node[n].cpus)
			continue;
		job[n].node = n;
		job[n].want = want;
		job[n].bytes = (size_t)MIB_EACH << 20;
		T_CHECK(!pthread_create(&th[n], NULL, run, &job[n]));
	}
	for (int n = 0; n <= n_last; n++)
		if (n_node[n].cpus)
			pthread_join(th[n], NULL);
	for (int n = 0; n <= n_last; n++)
		drop(&job[n]);
}

/* ---- started with a policy ---- */

static int child(const char *kind, int node)
{
	t_start("numa/policy", 120);
	n_init();
	if (!strcmp(kind, "default")) {
		everywhere(-1);
		n_tell(&tally, "default policy");
		T_CHECK(n_share(&tally) >= 99, "not at home");
	} else if (!strcmp(kind, "interleave")) {
		everywhere(0);
		n_tell(&tally, "interleave (wanted: any)");
		for (int n = 0; n <= n_last; n++) {
			size_t even = tally.all / (size_t)n_with_memory;

			if (n_node[n].memory)
				T_CHECK(tally.on[n] * 10 >= even * 7 && tally.on[n] * 10 <= even * 13,
					"node %d has %zu KiB, even were %zu", n,
					tally.on[n] >> 10, even >> 10);
		}
	} else {
		everywhere(node);
		n_tell(&tally, kind);
		T_CHECK(n_share(&tally) >= (strcmp(kind, "bind") ? 99 : 99.9),
			"%s to node %d is not obeyed", kind, node);
	}
	return 0;
}

/* Runs the child under a policy, as numactl would. */
static void started_with(const char *kind, int mode, unsigned long mask, int node)
{
	char number[20];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", node);
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid) {
		if (n_set_policy(mode, mask))
			t_fail("set_mempolicy %s: %s", kind, strerror(errno));
		execl("/proc/self/exe", "policy", "--child", kind, number, (char *)NULL);
		_exit(98);
	}
	t_wait_ok(pid, kind);
}

/* ---- set at run time ---- */

static void *bound(void *arg)
{
	struct job *job = arg;

	n_pin_node(job->node);
	T_CHECK(!n_set_policy(N_BIND, 1ul << job->want), "set_mempolicy: %s", strerror(errno));
	take(job, t_seed_for(77));
	T_CHECK(!n_set_policy(N_DEFAULT, 0));
	return NULL;
}

/*
 * What was free and resident in the heap may lie elsewhere: no memory moves
 * for a policy. So much is taken that most of it is fresh.
 */
static void at_run_time(int node, int other)
{
	struct job *job = n_map(sizeof(*job));
	pthread_t th;

	memset(&tally, 0, offsetof(struct n_tally, want));
	job->node = node;
	job->want = t_sabotage("ignore") ? node : other;
	job->bytes = 40 << 20;
	T_CHECK(!pthread_create(&th, NULL, bound, job));
	pthread_join(th, NULL);
	if (t_sabotage("ignore"))
		tally.home = 0;
	n_tell(&tally, "bound at run time");
	drop(job);
	T_CHECK(n_share(&tally) >= 90, "set_mempolicy of a thread is not obeyed");
}

/* ---- a cpuset ---- */

#define GROUP "/sys/fs/cgroup/bm-policy"

static bool set_nodes(const char *what, int a, int b)
{
	char path[100], text[40];

	snprintf(path, sizeof(path), GROUP "/cpuset.%s", what);
	if (b < 0)
		snprintf(text, sizeof(text), "%d", a);
	else
		snprintf(text, sizeof(text), "%d,%d", a, b);
	return n_write(path, text);
}

static void in_cpuset(int node, int other)
{
	struct job *early = n_map(sizeof(*early)), *late = n_map(sizeof(*late));
	cpu_set_t was;
	bool in;

	T_CHECK(!sched_getaffinity(0, sizeof(was), &was));
	/* Mixed with what was before: the memory that is free now goes back. */
	malloc_trim(0);
	n_write("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
	if (mkdir(GROUP, 0755) || !set_nodes("mems", node, other) ||
	    !n_write(GROUP "/cgroup.procs", "0")) {
		rmdir(GROUP);
		t_say("no cpusets here (cgroup 2, root): left out");
		return;
	}
	memset(&tally, 0, offsetof(struct n_tally, want));
	n_pin_node(node);
	early->want = node;
	early->bytes = 16 << 20;
	take(early, t_seed_for(1));
	n_tell(&tally, "cpuset of two nodes");
	/* The kernel moves what is there; what comes later must follow. */
	T_CHECK(set_nodes("mems", other, -1));
	memset(&tally, 0, offsetof(struct n_tally, want));
	late->want = other;
	late->bytes = 16 << 20;
	take(late, t_seed_for(2));
	n_tell(&tally, "cpuset shrunk to the other node");
	in = n_share(&tally) >= 99.9;
	drop(early);
	early->want = other;
	take(early, t_seed_for(3));
	n_tell(&tally, "free blocks used again there");
	in = in && n_share(&tally) >= 99.9;
	drop(early);
	drop(late);
	T_CHECK(!sched_setaffinity(0, sizeof(was), &was));
	T_CHECK(n_write("/sys/fs/cgroup/cgroup.procs", "0"));
	rmdir(GROUP);
	T_CHECK(in, "pages lie outside of the cpuset");
}

int main(int argc, char **argv)
{
	int node = -1, other = -1;
	unsigned long all = 0;

	t_under_preload(argv);
	if (argc == 4 && !strcmp(argv[1], "--child"))
		return child(argv[2], atoi(argv[3]));
	t_start("numa/policy", 300);
	n_init();
	n_need(2);
	for (int n = 0; n <= n_last; n++) {
		if (n_node[n].memory) {
			all |= 1ul << n;
			other = n;
		}
		if (n_node[n].memory && n_node[n].cpus && node < 0)
			node = n;
	}
	T_CHECK(node >= 0 && other > node);
	t_say("%s; nodes %d and %d", n_malloc(), node, other);
	started_with("bind", N_BIND, 1ul << other, other);
	started_with("bind", N_BIND, 1ul << node, node);
	started_with("preferred", N_PREFERRED, 1ul << other, other);
	started_with("interleave", N_INTERLEAVE, all, 0);
	at_run_time(node, other);
	in_cpuset(node, other);
	started_with("default", N_DEFAULT, 0, -1);
	return t_done();
}
