/* SPDX-License-Identifier: MIT */
/*
 * Machines that are directories: each test writes a tree as the kernel's /sys
 * would show it, and asks what became of it; in the end trees of noise.
 */
#include "unit.h"
#include <ftw.h>
#include <sys/stat.h>
#include "os/numa.h"
#include "topo/sysfs.h"

#define NODE "devices/system/node/"
#define CPU "devices/system/cpu/"

enum { MB = 1024 };		/* in the kB of meminfo */

static char root[64];

static int drop(const char *path, const struct stat *st, int what,
		struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

static int new_tree(void **state)
{
	(void)state;
	strcpy(root, "/tmp/bm-topo-XXXXXX");
	return !mkdtemp(root);
}

static int drop_tree(void **state)
{
	(void)state;
	conf.numa = NUMA_LOCAL;
	return nftw(root, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void put_bytes(const char *name, const void *bytes, size_t n)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		mkdir(path, 0700);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void put(const char *name, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n < (int)sizeof(text));
	put_bytes(name, text, (size_t)n);
}

static void take_away(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(unlink(path), 0);
}

/* NULL: no such file. */
static void put_node(unsigned id, const char *cpus, long kb, const char *row)
{
	char name[64];

	snprintf(name, sizeof(name), NODE "node%u/cpulist", id);
	if (cpus)
		put(name, "%s\n", cpus);
	snprintf(name, sizeof(name), NODE "node%u/meminfo", id);
	if (kb >= 0)
		put(name, "Node %u MemTotal:       %ld kB\n"
			  "Node %u MemFree:         12 kB\n", id, kb, id);
	snprintf(name, sizeof(name), NODE "node%u/distance", id);
	if (row)
		put(name, "%s\n", row);
}

static void put_masks(const char *online, const char *possible,
		      const char *memory, const char *cpus)
{
	put(NODE "online", "%s\n", online);
	put(NODE "possible", "%s\n", possible);
	put(NODE "has_memory", "%s\n", memory);
	put(NODE "has_cpu", "%s\n", cpus);
}

/* What holds of every machine, however odd its files. */
static void check_sane(void)
{
	assert_in_range(topo.nodes, 1, NODES_MAX);
	assert_in_range(topo.known, 1, topo.nodes);
	assert_true(topo.allowed);
	assert_true(topo.known == 64 || !(topo.allowed >> topo.known));
	assert_in_range(topo.pageblock_order + topo.page_shift, 16, 25);
	assert_true(topo.slots >= 1);
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		assert_true(topo.allowed >> topo_home(nid) & 1);
		assert_int_equal(topo.distance[nid][nid], LOCAL_DISTANCE);
		if (topo.allowed >> nid & 1)
			assert_int_equal(topo_home(nid), nid);
		assert_int_equal(topo.node_id[nid] == NODE_NONE,
				 nid >= topo.known);
		for (unsigned k = 0; k < topo.nodes; k++)
			assert_true(topo.distance[nid][k] >= LOCAL_DISTANCE);
		for (unsigned k = 0; k < nid && nid < topo.known; k++)
			assert_int_not_equal(topo.node_id[k],
					     topo.node_id[nid]);
	}
	for (unsigned cpu = 0; cpu < CPUS_MAX + 2; cpu++)
		assert_true(topo_node_of_cpu(cpu) < topo.known);
}

static void boot(void)
{
	memset(&topo, 0, sizeof(topo));
	topo_init(0, root);
	check_sane();
}

static bool refresh(void)
{
	bool changed = topo_refresh();

	check_sane();
	return changed;
}

static void expect_one(unsigned id)
{
	boot();
	assert_int_equal(topo.nodes, 1);
	assert_int_equal(topo.node_id[0], id);
	assert_int_equal(topo.node_bytes[0], topo.ram_bytes);
	assert_int_equal(topo_home(0), 0);
	assert_false(refresh());
}

/* ---- machines with one node ---- */

static void test_one(void **state)
{
	(void)state;
	put_masks("0", "0", "0", "0");
	put_node(0, "0-1", 4096 * MB, "10");
	put(CPU "possible", "0-1\n");
	expect_one(0);
	/* As some virtual machines have it: no spares for what cannot come. */
	put(NODE "possible", "0-127\n");
	expect_one(0);
	put_masks("3", "0-7", "3", "3");
	expect_one(3);
}

static void test_nothing(void **state)
{
	(void)state;
	expect_one(0);
	assert_int_equal(topo.pageblock_order + topo.page_shift, 21);
	assert_false(topo.huge_always);
	put(NODE "online", "%s", "");
	expect_one(0);
	put(NODE "online", "%s", "nodes: two\n");
	expect_one(0);
	put(NODE "online", "%s", "0-1");
	take_away(NODE "online");
	put(NODE "online/file", "a directory in its place");
	expect_one(0);
}

static void test_garbage(void **state)
{
	static char huge[100000];

	(void)state;
	/* Two nodes are online, and no file says a word of them. */
	put(NODE "online", "0-1\n");
	boot();
	assert_int_equal(topo.nodes, 2);
	assert_int_equal(topo.node_bytes[0], topo.ram_bytes / 2);
	assert_int_equal(topo.node_bytes[1], topo.ram_bytes / 2);
	assert_int_equal(topo.distance[1][0], REMOTE_DISTANCE);
	/* Files that say nonsense. */
	put_masks("0-1", "?", "0-", "x");
	put_node(0, "0-1;", -1, "10 -5");
	put_node(1, "7-3", -1, "10 256");
	put(NODE "node0/meminfo", "Node 0 MemTotal: lots kB\n");
	put(NODE "node1/meminfo", "Node 1 MemTotal: 99999999999999999999 kB\n");
	boot();
	assert_int_equal(topo.nodes, 2);
	assert_int_equal(topo.node_bytes[1], topo.ram_bytes / 2);
	assert_int_equal(topo.distance[0][1], REMOTE_DISTANCE);
	assert_int_equal(topo.distance[1][0], REMOTE_DISTANCE);
	/* A list that does not end within reason is not read in half. */
	memset(huge, '1', sizeof(huge));
	memcpy(huge, "0-1,", 4);
	put_bytes(NODE "online", huge, sizeof(huge));
	put_bytes(CPU "possible", huge, sizeof(huge));
	expect_one(0);
	/* All say that they are at home here: the own node is the nearest. */
	put_masks("0-1", "0-1", "0-1", "0-1");
	put_node(0, "0", 64 * MB, "10 10");
	put_node(1, "1", 64 * MB, "10 10");
	boot();
	assert_int_equal(topo_home(1), 1);
	/* Rows of another length: the nodes changed between two reads. */
	put_node(0, "0", 64 * MB, "10 30 40");
	put_node(1, "1", 64 * MB, "30");
	boot();
	assert_int_equal(topo.distance[0][1], REMOTE_DISTANCE);
	assert_int_equal(topo.distance[1][0], REMOTE_DISTANCE);
	/* Far too many, and a distance that no kernel gives. */
	memset(huge, ' ', sizeof(huge));
	for (size_t i = 0; i < 4000; i += 2)
		huge[i] = '9';
	put_bytes(NODE "node0/distance", huge, 4000);
	put_node(1, "1", 64 * MB, "9 10");
	boot();
	assert_int_equal(topo.distance[0][1], REMOTE_DISTANCE);
	assert_int_equal(topo.distance[1][0], REMOTE_DISTANCE);
	/* Nobody has memory: then it is one node, and who knows. */
	put_masks("0-1", "0-1", "", "0-1");
	expect_one(0);
}

/* ---- several nodes ---- */

static void test_two(void **state)
{
	(void)state;
	put_masks("0-1", "0-1", "0-1", "0-1");
	put_node(0, "0,2,4", 512 * MB, "10 21");
	put_node(1, "1,3,5", 256 * MB, "22 10");
	put(CPU "possible", "0-7\n");
	boot();
	assert_int_equal(topo.nodes, 2);
	assert_int_equal(topo.known, 2);
	assert_int_equal(topo.allowed, 3);
	assert_int_equal(topo.node_bytes[0], MIB(512));
	assert_int_equal(topo.node_bytes[1], MIB(256));
	assert_int_equal(topo.distance[0][1], 21);
	assert_int_equal(topo.distance[1][0], 22);
	for (unsigned cpu = 0; cpu < 6; cpu++)
		assert_int_equal(topo_node_of_cpu(cpu), cpu & 1);
	assert_true(topo.cpus >= 8);
	assert_int_equal(topo_node_of_cpu(CPUS_MAX), 0);
	assert_false(refresh());
	conf.numa = NUMA_OFF;
	boot();
	assert_int_equal(topo.nodes, 1);
	assert_int_equal(topo_node_of_cpu(1), 0);
}

/* Nodes 0..n-1 of cpus CPUs, each neighbour on a ring 5 further. */
static void put_ring(unsigned n, unsigned cpus)
{
	for (unsigned id = 0; id < n; id++) {
		char row[512], list[32];
		size_t len = 0;

		for (unsigned k = 0; k < n; k++) {
			unsigned hops = (n + k - id) % n;

			if (hops > n - hops)
				hops = n - hops;
			len += (size_t)sprintf(row + len, "%s%u", k ? " " : "",
					       10 + 5 * hops);
		}
		sprintf(list, "%u-%u", id * cpus, (id + 1) * cpus - 1);
		put_node(id, list, (id + 1) * 8L * MB, row);
	}
}

static void test_ring(void **state)
{
	static const unsigned nodes[] = { 4, 8, 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		unsigned n = nodes[i], per = CPUS_MAX / n;
		char list[32];

		sprintf(list, "0-%u", n - 1);
		put_masks(list, list, list, list);
		put_ring(n, per);
		put(CPU "possible", "0-1023\n");
		boot();
		assert_int_equal(topo.nodes, n);
		assert_int_equal(topo.known, n);
		assert_int_equal(topo.cpus, CPUS_MAX);
		for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
			assert_int_equal(topo_node_of_cpu(cpu), cpu / per);
		for (unsigned nid = 0; nid < n; nid++) {
			assert_int_equal(topo.node_bytes[nid],
					 MIB(8) * (nid + 1));
			assert_int_equal(topo.distance[nid][(nid + 2) % n], 20);
		}
		assert_false(refresh());
	}
	/* More than we count: the first 64. */
	put_masks("0-99", "0-127", "0-99", "0-99");
	put_ring(100, 8);
	boot();
	assert_int_equal(topo.nodes, 64);
	assert_int_equal(topo_node_of_cpu(63 * 8), 63);
}

/* 0: all, 2: memory only, 3: CPUs only, 5: neither; far from each other. */
static void test_odd_nodes(void **state)
{
	(void)state;
	put_masks("0,2-3,5", "0-7", "0,2", "0,3");
	put_node(0, "0-1", 64 * MB, "10 17 40 50");
	put_node(2, "", 32 * MB, "17 10 20 50");
	put_node(3, "2-3", 0, "40 20 10 50");
	put_node(5, "", 0, "50 50 50 10");
	boot();
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.nodes, 3 + SPARES_MAX);
	assert_int_equal(topo.node_id[1], 2);
	assert_int_equal(topo.node_id[2], 3);
	assert_int_equal(topo.node_bytes[2], 0);
	assert_int_equal(topo.allowed, 3);
	assert_int_equal(topo_home(1), 1);
	assert_int_equal(topo_home(2), 1);
	assert_int_equal(topo_node_of_cpu(3), 2);
	assert_int_equal(topo.distance[2][0], 40);
	/* Where the masks are missing the files of each node tell. */
	take_away(NODE "has_memory");
	take_away(NODE "has_cpu");
	boot();
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.allowed, 3);
	assert_int_equal(topo_home(2), 1);
}

static void test_sparse(void **state)
{
	(void)state;
	put_masks("0,2,8", "0-15", "0,2,8", "0,2,8");
	put_node(0, "0-3", 64 * MB, "10 21 31");
	put_node(2, "8-11", 64 * MB, "21 10 26");
	put_node(8, "4-7,12", 64 * MB, "31 26 10");
	put(CPU "possible", "0-15\n");
	boot();
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.node_id[2], 8);
	assert_int_equal(topo.distance[0][2], 31);
	assert_int_equal(topo.distance[2][1], 26);
	assert_int_equal(topo_node_of_cpu(9), 1);
	assert_int_equal(topo_node_of_cpu(12), 2);
	/* CPU 13 is offline: nobody's. */
	assert_int_equal(topo_node_of_cpu(13), 0);
	/* Numbers up to 1,023; the spares are what else is possible. */
	put_masks("5,1023", "5,7,1023", "5,1023", "5,1023");
	put_node(5, "0", 64 * MB, "10 99");
	put_node(1023, "1", 64 * MB, "99 10");
	boot();
	assert_int_equal(topo.known, 2);
	assert_int_equal(topo.nodes, 3);
	assert_int_equal(topo.node_id[0], 5);
	assert_int_equal(topo.node_id[1], 1023);
	assert_int_equal(topo.node_id[2], NODE_NONE);
	assert_int_equal(topo.distance[1][0], 99);
}

static void test_allowed(void **state)
{
	(void)state;
	put_masks("0-3", "0-3", "0-3", "0-3");
	put_node(0, "0", 64 * MB, "10 20 20 20");
	put_node(1, "1", 64 * MB, "20 10 20 20");
	put_node(2, "2", 64 * MB, "20 20 10 12");
	put_node(3, "3", 64 * MB, "20 20 12 10");
	put("mems_allowed", "1\n");
	boot();
	assert_int_equal(topo.nodes, 1);
	assert_int_equal(topo.node_id[0], 1);
	/* CPU 2's own node is out of bounds: the nearest is 3. */
	put("mems_allowed", "0,3\n");
	boot();
	assert_int_equal(topo.known, 2);
	assert_int_equal(topo.nodes, 4);
	assert_int_equal(topo.node_id[1], 3);
	assert_int_equal(topo.allowed, 3);
	assert_int_equal(topo_node_of_cpu(2), 1);
	assert_int_equal(topo_node_of_cpu(1), 0);
	/* The cpuset takes 0 away and gives 2. */
	put("mems_allowed", "2-3\n");
	assert_true(refresh());
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.node_id[2], 2);
	assert_int_equal(topo.allowed, 6);
	assert_int_equal(topo.node_bytes[0], MIB(64));
	assert_int_equal(topo_node_of_cpu(0), 0);
	assert_int_not_equal(topo_home(0), 0);
	assert_int_equal(topo_node_of_cpu(2), 2);
	assert_false(refresh());
	/* An empty set means nothing that could be followed. */
	put("mems_allowed", "\n");
	assert_false(refresh());
	expect_one(0);
}

static void test_late(void **state)
{
	(void)state;
	put_masks("0-1", "0-3", "0-1", "0-1");
	put_node(0, "0", 64 * MB, "10 20");
	put_node(1, "1", 64 * MB, "20 10");
	boot();
	assert_int_equal(topo.nodes, 4);
	assert_int_equal(topo.known, 2);
	assert_int_equal(topo.node_bytes[2], 0);
	assert_false(refresh());
	/* Memory is plugged in: node 3, without CPUs. */
	put_masks("0-1,3", "0-3", "0-1,3", "0-1");
	put_node(0, "0", 64 * MB, "10 20 28");
	put_node(1, "1", 64 * MB, "20 10 24");
	put_node(3, "", 128 * MB, "28 24 10");
	assert_true(refresh());
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.node_id[2], 3);
	assert_int_equal(topo.node_bytes[2], MIB(128));
	assert_int_equal(topo.allowed, 7);
	assert_int_equal(topo.distance[0][2], 28);
	assert_int_equal(topo.distance[2][1], 24);
	assert_false(refresh());
	/* It gets a CPU, CPU 1 goes offline and stays where it was. */
	put_node(1, "", 64 * MB, NULL);
	put_node(3, "2", 128 * MB, NULL);
	put(NODE "has_cpu", "0-1,3\n");
	assert_true(refresh());
	assert_int_equal(topo_node_of_cpu(2), 2);
	assert_int_equal(topo_node_of_cpu(1), 1);
	/* All but node 0 leave, and 3 comes back to its nid. */
	put_masks("0", "0-3", "0", "0");
	put_node(0, "0", 64 * MB, "10");
	assert_true(refresh());
	assert_int_equal(topo.allowed, 1);
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.node_bytes[2], 0);
	assert_int_equal(topo_home(2), 0);
	put_masks("0,3", "0-3", "0,3", "0,3");
	put_node(0, "0", 64 * MB, "10 28");
	put_node(3, "2", 128 * MB, "28 10");
	assert_true(refresh());
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.allowed, 5);
	assert_int_equal(topo_home(2), 2);
	/* The tree vanishes: what was known stays. */
	take_away(NODE "online");
	assert_false(refresh());
	assert_int_equal(topo.allowed, 5);
}

/* More come late than there are spares: their CPUs go to the nearest. */
static void test_too_late(void **state)
{
	(void)state;
	put_masks("0-1", "0-1,7", "0-1", "0-1");
	put_ring(8, 2);
	boot();
	assert_int_equal(topo.nodes, 3);
	put_masks("0-7", "0-7", "0-7", "0-7");
	assert_true(refresh());
	assert_int_equal(topo.known, 3);
	assert_int_equal(topo.node_id[2], 2);
	assert_int_equal(topo_node_of_cpu(3 * 2), 2);
	assert_int_equal(topo_node_of_cpu(7 * 2), 0);
	assert_false(refresh());
}

static void test_huge_pages(void **state)
{
	(void)state;
	put("kernel/mm/transparent_hugepage/hpage_pmd_size", "33554432\n");
	put("kernel/mm/transparent_hugepage/enabled",
	    "[always] madvise never\n");
	boot();
	assert_true(topo.huge_always);
	assert_int_equal(topo.pageblock_order + topo.page_shift, 25);
	put("kernel/mm/transparent_hugepage/hpage_pmd_size", "536870912\n");
	put("kernel/mm/transparent_hugepage/enabled",
	    "always [madvise] never\n");
	boot();
	assert_false(topo.huge_always);
	assert_int_equal(topo.pageblock_order + topo.page_shift, 21);
}

static uint64_t sizes(const char *all, const char *of_2m, const char *of_64k)
{
	put("kernel/mm/transparent_hugepage/enabled", all);
	put("kernel/mm/transparent_hugepage/hugepages-2048kB/enabled", of_2m);
	put("kernel/mm/transparent_hugepage/hugepages-64kB/enabled", of_64k);
	return sysfs_huge_sizes(4096, MIB(2));
}

static void test_huge_sizes(void **state)
{
	static const char never[] = "always inherit madvise [never]\n";
	static const char inherit[] = "always [inherit] madvise never\n";
	static const char advised[] = "always inherit [madvise] never\n";

	(void)state;
	assert_int_equal(sysfs_huge_sizes(4096, MIB(2)), 0);
	put("kernel/mm/transparent_hugepage/enabled",
	    "always [madvise] never\n");
	assert_int_equal(sysfs_huge_sizes(4096, MIB(2)), MIB(2));
	assert_int_equal(sizes("[always] madvise never\n", inherit, never),
			 MIB(2));
	assert_int_equal(sizes("always madvise [never]\n", inherit, never), 0);
	assert_int_equal(sizes("always madvise [never]\n", inherit, advised),
			 KIB(64));
	assert_int_equal(sizes("always [madvise] never\n", inherit, inherit),
			 MIB(2) + KIB(64));
	assert_int_equal(sizes("always [madvise] never\n", never, never), 0);
	assert_int_equal(sizes("", "", "[\n"), 0);
}

/* A pretended tree must not leave a real CPU without a slot. */
static void test_cpus(void **state)
{
	struct ids ids;
	unsigned here;

	(void)state;
	sysfs_root("/sys");
	if (!sysfs_ids(&ids, CPU "possible"))
		skip();
	here = ids.end;
	put(CPU "possible", "0\n");
	boot();
	assert_int_equal(topo.cpus, here);
	put(CPU "possible", "0-3,4000-4095\n");
	boot();
	assert_int_equal(topo.cpus, max_u64(here, 4096));
	put(CPU "possible", "0-4294967295\n");
	boot();
	assert_int_equal(topo.cpus, here);
	here = os_cpus_bound();
	assert_true(!here || here >= ids.end);
}

/* ---- noise ---- */

static void noise(const char *name)
{
	static const char *const lists[] = {
		"", "0", "0-1", "1", "0-3", "0,2,5", "0-63", "3-70", "1023",
		"0-1023", "2,", "0-5,9-8", "a", "0-1,1000-2000",
	};
	static const char alphabet[] = "0123456789-,, \n xkB";
	char text[128];
	size_t n = unit_below(sizeof(text));

	if (!unit_below(10)) {
		put(name, "%s", "");
	} else if (unit_below(4)) {
		put(name, "%s\n", lists[unit_below(ARRAY_SIZE(lists))]);
	} else {
		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[unit_below(sizeof(alphabet) - 1)];
		put_bytes(name, text, n);
	}
}

static void test_noise(void **state)
{
	static const char *const files[] = {
		NODE "online", NODE "possible", NODE "has_memory",
		NODE "has_cpu", CPU "possible", "mems_allowed",
		"kernel/mm/transparent_hugepage/hpage_pmd_size",
	};

	(void)state;
	for (int round = 0; round < 400; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			noise(files[i]);
		for (unsigned id = 0; id < 6; id++) {
			char name[64];

			put_node(id, "0-1", (long)unit_below(3) * MB,
				 "10 20 30");
			snprintf(name, sizeof(name), NODE "node%u/%s", id,
				 unit_below(2) ? "cpulist" : "distance");
			noise(name);
		}
		if (round % 4 == 0)
			boot();
		else
			refresh();
	}
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, new_tree, drop_tree)

CM_MAIN("unit/topo", 120, WITH_TREE(test_one), WITH_TREE(test_nothing),
	WITH_TREE(test_garbage), WITH_TREE(test_two), WITH_TREE(test_ring),
	WITH_TREE(test_odd_nodes), WITH_TREE(test_sparse),
	WITH_TREE(test_allowed), WITH_TREE(test_late),
	WITH_TREE(test_too_late), WITH_TREE(test_huge_pages),
		WITH_TREE(test_huge_sizes),
	WITH_TREE(test_cpus), WITH_TREE(test_noise))
