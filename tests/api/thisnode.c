/* SPDX-License-Identifier: MIT */
/*
 * BM_GFP_THISNODE in bm_kmalloc(): of the caller's node or NULL, whatever the
 * size. On a machine of files with two nodes, of which the caller's is full,
 * then is not. (Where memory really lies is for tests/numa to see.)
 */
#include "../lib/t.h"
#include "buddymalloc.h"

static char root[] = "/tmp/bm-thisnode-XXXXXX";
static const size_t sizes[] = { 1, 100, 1024, 5000, 32768, 32769, 300000, 3 << 20 };

static void put(const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/devices/system/%s", root, name);
	t_put(path, text);
}

static void put_node(int node, const char *cpus, long free_kb)
{
	char name[64], text[200];

	snprintf(name, sizeof(name), "node/node%d/cpulist", node);
	put(name, cpus);
	snprintf(name, sizeof(name), "node/node%d/distance", node);
	put(name, node ? "20 10\n" : "10 20\n");
	snprintf(name, sizeof(name), "node/node%d/meminfo", node);
	snprintf(text, sizeof(text),
		 "Node %d MemTotal:       4194304 kB\n"
		 "Node %d MemFree:        %ld kB\n", node, node, free_kb);
	put(name, text);
}

static void machine(long free_kb)
{
	put("node/online", "0-1\n");
	put("node/possible", "0-1\n");
	put("node/has_memory", "0-1\n");
	put("node/has_cpu", "0\n");
	put("cpu/possible", "0-1023\n");
	put_node(0, "0-1023\n", free_kb);
	put_node(1, "\n", 4000000);
}

static int full(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *p = bm_kmalloc(sizes[i], 0);

		T_CHECK(p && bm_node_of(p) == 1, "%zu: node %d", sizes[i],
			bm_node_of(p));
		errno = 0;
		T_CHECK(!bm_kmalloc(sizes[i], BM_GFP_THISNODE), "%zu", sizes[i]);
		T_CHECK(errno == ENOMEM);
		T_CHECK(!bm_kzalloc(sizes[i], BM_GFP_THISNODE), "%zu", sizes[i]);
		bm_kfree(p);
	}
	machine(4000000);
	usleep(300000);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *p = bm_kzalloc(sizes[i], BM_GFP_THISNODE |
					       BM_GFP_NOFAIL);

		T_CHECK(p && bm_node_of(p) == 0, "%zu: node %d", sizes[i],
			bm_node_of(p));
		T_CHECK(t_first_nonzero(p, sizes[i]) < 0);
		bm_kfree(p);
	}
	return t_sabotage("exit");
}

int main(int argc, char **argv)
{
	const char *old = getenv("BUDDYMALLOC_CONF");
	char conf[400], command[64];
	cpu_set_t first;
	pid_t pid;
	int st;

	t_start("api/thisnode", 60);
	/* Of the CPU that a thread is on the kernel is asked, not the files. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		t_skip("CPU 0 is not allowed");
	if (argc > 1) {
		strcpy(root, argv[1]);
		return full();
	}
	T_CHECK(mkdtemp(root));
	machine(0);
	snprintf(conf, sizeof(conf), "sysfs:%s,%s", root, old ? old : "");
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid) {
		setenv("BUDDYMALLOC_CONF", conf, 1);
		execl("/proc/self/exe", "thisnode", root, (char *)NULL);
		_exit(98);
	}
	st = t_wait(pid);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	T_CHECK(!system(command));
	if (st)
		t_fail("two nodes: %s", t_status(st, command, sizeof(command)));
	return t_done();
}
