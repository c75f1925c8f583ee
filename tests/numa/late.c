/* SPDX-License-Identifier: MIT */
/*
 * A node appears under a live process: QEMU is asked for it through the
 * console (tests/numa/guest), its memory is brought online, and then a thread
 * that wants memory there gets it. Meanwhile others allocate and free.
 * $BM_LATE says how many MiB it has, $BM_LATE_NODE which node it is.
 */
#include "numa.h"

enum { THREADS = 3, SLOTS = 512 };

static atomic_bool stop;

static void *load(void *arg)
{
	uint64_t rng = t_seed_for((unsigned)(uintptr_t)arg);
	struct { char *p; size_t size; uint64_t key; } block[SLOTS] = { { NULL, 0, 0 } };

	for (bool last = false; !last;) {
		last = atomic_load(&stop);
		for (int i = 0; i < SLOTS; i++) {
			if (block[i].p)
				T_CHECK(t_verify(block[i].p, block[i].size, block[i].key) < 0,
					"a block has changed");
			free(block[i].p);
			block[i].p = NULL;
			if (last)
				continue;
			block[i].size = t_logsize(&rng, 30000);
			block[i].key = t_rand(&rng);
			block[i].p = malloc(block[i].size);
			T_CHECK(block[i].p);
			t_fill(block[i].p, block[i].size, block[i].key);
		}
	}
	return NULL;
}

/* Brings memory blocks online that are not: some kernels wait to be told. */
static void bring_online(int node)
{
	char path[128];

	for (int i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/memory%d/state", node, i);
		if (access(path, W_OK))
			snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/state", i);
		if (!access(path, W_OK))
			n_write(path, "online");
	}
}

static bool has_memory(int node)
{
	n_init();
	return node < N_NODES && n_node[node].online && n_node[node].memory;
}

static void use(int node)
{
	static struct n_tally t;
	static char *block[4000];

	T_CHECK(!n_set_policy(N_BIND, 1ul << node), "set_mempolicy: %s", strerror(errno));
	for (int i = 0; i < 4000; i++) {
		size_t size = i % 40 ? 4000 : 1 << 19;

		block[i] = malloc(size);
		T_CHECK(block[i]);
		memset(block[i], 1, size);
		n_block(&t, block[i], size, t_sabotage("elsewhere") ? 0 : node);
	}
	n_ask(&t);
	T_CHECK(!n_set_policy(N_DEFAULT, 0));
	n_tell(&t, "bound to the late node");
	for (int i = 0; i < 4000; i++)
		free(block[i]);
	T_CHECK(n_share(&t) >= 90, "the late node is not used");
}

int main(int argc, char **argv)
{
	const char *mib = getenv("BM_LATE");
	char line[300];
	pthread_t th[THREADS];
	double end;
	int node;

	(void)argc;
	t_under_preload(argv);
	t_start("numa/late", 120);
	if (!mib || !*mib)
		t_skip("this guest was not started with --late");
	n_init();
	node = getenv("BM_LATE_NODE") ? atoi(getenv("BM_LATE_NODE")) : n_last + 1;
	for (uintptr_t i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&th[i], NULL, load, (void *)i));
	if (!has_memory(node)) {	/* the second run finds it there */
		snprintf(line, sizeof(line),
			 "@monitor object_add memory-backend-ram,id=late,size=%sM\n"
			 "@monitor device_add pc-dimm,id=dimm,memdev=late,node=%d\n", mib, node);
		T_CHECK(n_write("/dev/console", line));
		for (end = t_now() + 60; t_now() < end && !has_memory(node); usleep(200000))
			bring_online(node);
	}
	T_CHECK(has_memory(node), "node %d does not appear", node);
	t_say("%s; node %d has come, %zu MiB free", n_malloc(), node,
	      n_meminfo(node, "MemFree") >> 10);
	sleep(1);
	use(node);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	return t_done();
}
