/* SPDX-License-Identifier: MIT */
/*
 * More than a node has is allocated by a thread of that node: nothing is
 * killed, and what does not fit lies on the nearest node. Once it is free
 * again, new blocks are at home: 95 % of them.
 */
#include "numa.h"

enum { BLOCKS = 1 << 18, OVER_MIB = 48 };

static void **block;
static size_t *length;
static size_t nr;

/* Half in blocks of 1 MiB, half in blocks of up to 8 KiB. */
static void fill(uint64_t *rng, size_t bytes)
{
	size_t sum = 0;
	bool small = false;

	for (nr = 0; sum < bytes && nr < BLOCKS; nr++) {
		if (!(sum >> 20 & 1) != small)
			small = !small;
		length[nr] = small ? 1 + t_below(rng, 8192) : 1 << 20;
		block[nr] = malloc(length[nr]);
		T_CHECK(block[nr], "malloc(%zu) after %zu MiB", length[nr], sum >> 20);
		memset(block[nr], 1, length[nr]);
		sum += length[nr];
	}
}

static void look(struct n_tally *t, int want, const char *what)
{
	memset(t, 0, offsetof(struct n_tally, want));
	for (size_t i = 0; i < nr; i++)
		n_block(t, block[i], length[i], want);
	n_ask(t);
	n_tell(t, what);
}

/* The node with the least memory that has CPUs, and room elsewhere. */
static int choose(void)
{
	int best = -1;
	size_t least = SIZE_MAX;

	for (int n = 0; n <= n_last; n++) {
		size_t kib = n_node[n].memory && n_node[n].cpus ? n_meminfo(n, "MemFree") : 0;

		if (kib && kib < least) {
			least = kib;
			best = n;
		}
	}
	return best;
}

static void child(int node, int nearest)
{
	static struct n_tally t;
	uint64_t rng = t_seed_for(1);
	size_t have = n_meminfo(node, "MemFree") >> 10, elsewhere = 0, near = 0;

	t_child(200);
	n_pin_node(node);
	block = n_map(BLOCKS * sizeof(block[0]));
	length = n_map(BLOCKS * sizeof(length[0]));
	t_say("node %d has %zu MiB free; the nearest is %d", node, have, nearest);
	fill(&rng, (have + OVER_MIB) << 20);
	look(&t, node, "too much");
	for (int n = 0; n <= n_last; n++) {
		if (n != node)
			elsewhere += t.on[n];
		/* Of several that are as near, any may be chosen. */
		if (n != node && n_node[n].memory &&
		    n_node[node].distance[n] == n_node[node].distance[nearest])
			near += t.on[n];
	}
	T_CHECK(elsewhere > 0, "all of it fits: not a test");
	T_CHECK(n_share(&t) > 50, "the node was not filled first");
	T_CHECK(near * 10 >= elsewhere * 9,
		"only %zu of %zu KiB that did not fit are on the nearest node",
		near >> 10, elsewhere >> 10);
	for (size_t i = 0; i < nr; i++)
		free(block[i]);
	fill(&rng, (have / 2) << 20);
	look(&t, t_sabotage("elsewhere") ? nearest : node, "half as much again");
	T_CHECK(n_share(&t) >= 95, "not at home");
	_exit(0);
}

int main(int argc, char **argv)
{
	int node, nearest = -1, st;
	char buf[64];
	pid_t pid;

	(void)argc;
	t_under_preload(argv);
	t_start("numa/fallback", 240);
	n_init();
	n_need(2);
	node = choose();
	if (node < 0)
		t_skip("no node has CPUs and memory");
	for (int n = 0; n <= n_last; n++)
		if (n != node && n_node[n].memory &&
		    (nearest < 0 || n_node[node].distance[n] < n_node[node].distance[nearest]))
			nearest = n;
	if (!getenv("BM_GUEST"))
		t_skip("it fills a node: in a guest only (BM_GUEST=1)");
	if (n_meminfo(nearest, "MemFree") >> 10 < 2 * OVER_MIB)
		t_skip("the nearest node has no room");
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid)
		child(node, nearest);
	st = t_wait(pid);
	T_CHECK(!(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL), "killed for lack of memory");
	T_CHECK(!st, "child: %s", t_status(st, buf, sizeof(buf)));
	return t_done();
}
