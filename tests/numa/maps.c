/* SPDX-License-Identifier: MIT */
/*
 * The program's own mappings by mmap:place: a large one belongs to the node of
 * the thread that made it, whoever touches it first; a thread's own policy, and
 * numa:off, go before it. What the kernel does by itself (the toucher's node)
 * is the other case, so the two can be told apart.
 */
#include "numa.h"

enum { MIB_EACH = 8 };

static struct n_tally tally;
static int maker, toucher;
static char *area;

static void *make(void *arg)
{
	int bound = *(int *)arg;

	n_pin_node(maker);
	if (bound >= 0)
		T_CHECK(!n_set_policy(N_BIND, 1ul << bound), "set_mempolicy: %s", strerror(errno));
	area = mmap(NULL, MIB_EACH << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_CHECK(area != MAP_FAILED);
	/* It is this thread's policy, and ends with it. */
	if (bound >= 0)
		memset(area, 1, MIB_EACH << 20);
	return NULL;
}

static void *touch(void *arg)
{
	(void)arg;
	n_pin_node(toucher);
	memset(area, 2, MIB_EACH << 20);
	return NULL;
}

static void on(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	T_CHECK(!pthread_create(&t, NULL, fn, arg));
	pthread_join(t, NULL);
}

/* The share of a mapping's pages that lie on `want`. */
static void lies(const char *what, int bound, int want)
{
	if (t_sabotage("touch"))
		want = toucher;
	memset(&tally, 0, offsetof(struct n_tally, want));
	on(make, &bound);
	on(touch, NULL);
	n_block(&tally, area, MIB_EACH << 20, want);
	n_ask(&tally);
	n_tell(&tally, what);
	T_CHECK(n_share(&tally) >= 99, "%s: not on node %d", what, want);
	T_CHECK(!munmap(area, MIB_EACH << 20));
}

static int child(const char *options, int a, int b)
{
	bool place = strstr(options, "mmap:place") && !strstr(options, "numa:off");

	t_start("numa/maps", 120);
	n_init();
	for (int round = 0; round < 4; round++) {
		maker = round & 1 ? a : b;
		toucher = round & 1 ? b : a;
		lies(options, -1, place ? maker : toucher);
		lies("bound by the thread", toucher, toucher);
	}
	return 0;
}

static void with(const char *options, int a, int b)
{
	const char *old = getenv("BUDDYMALLOC_CONF");
	char all[300], nodes[2][12];
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		snprintf(all, sizeof(all), "%s%s%s", old ? old : "", old && *old ? "," : "", options);
		setenv("BUDDYMALLOC_CONF", all, 1);
		snprintf(nodes[0], sizeof(nodes[0]), "%d", a);
		snprintf(nodes[1], sizeof(nodes[1]), "%d", b);
		execl("/proc/self/exe", "maps", "--child", options, nodes[0], nodes[1], (char *)NULL);
		_exit(98);
	}
	t_wait_ok(pid, options);
}

int main(int argc, char **argv)
{
	int a = -1, b = -1;

	t_under_preload(argv);
	if (argc == 5 && !strcmp(argv[1], "--child"))
		return child(argv[2], atoi(argv[3]), atoi(argv[4]));
	t_start("numa/maps", 300);
	n_init();
	n_need(2);
	for (int n = 0; n <= n_last; n++)
		if (n_node[n].memory && n_node[n].cpus) {
			a = b;
			b = n;
		}
	if (a < 0)
		t_skip("no two nodes with both memory and CPUs");
	t_say("%s; nodes %d and %d", n_malloc(), a, b);
	with("mmap:place", a, b);
	with("mmap:track", a, b);
	with("mmap:place,numa:off", a, b);
	return t_done();
}
