/* SPDX-License-Identifier: MIT */
/*
 * The topology that we read ourselves is the one that libnuma reads: nodes,
 * memory, CPUs, distances, and what the process may use. Without libnuma
 * (configure --with-libnuma) there is nothing to compare.
 */
#include "../unit/unit.h"

#ifdef HAVE_LIBNUMA
#include <numa.h>

/* The nid of the kernel's node, -1: it has none here. */
static int nid_of(int id)
{
	for (unsigned nid = 0; nid < topo.known; nid++)
		if (topo.node_id[nid] == id)
			return (int)nid;
	return -1;
}

static void test_nodes(void **state)
{
	struct bitmask *allowed = numa_get_mems_allowed();
	unsigned usable = 0;

	(void)state;
	for (int id = 0; id <= numa_max_node(); id++) {
		long long bytes = numa_node_size64(id, NULL);
		bool may = bytes > 0 && numa_bitmask_isbitset(allowed, id);
		int nid = nid_of(id);

		usable += may;
		if (!may || topo.nodes == 1) {
			assert_true(nid <= 0 || !(topo.allowed >> nid & 1));
			continue;
		}
		assert_true(nid >= 0);
		assert_true(topo.allowed >> nid & 1);
		assert_int_equal(topo.node_bytes[nid], bytes);
	}
	assert_int_equal(usable, __builtin_popcountll(topo.allowed));
	if (topo.nodes == 1)
		assert_true(numa_bitmask_isbitset(allowed, topo.node_id[0]));
	numa_bitmask_free(allowed);
}

static void test_distances(void **state)
{
	(void)state;
	for (unsigned a = 0; a < topo.known; a++)
		for (unsigned b = 0; b < topo.known; b++)
			assert_int_equal(topo.distance[a][b],
					 numa_distance(topo.node_id[a],
						       topo.node_id[b]));
}

/* A CPU whose node is not ours is the business of the nearest. */
static void test_cpus(void **state)
{
	unsigned compared = 0;

	(void)state;
	assert_true(topo.cpus >= (unsigned)numa_num_configured_cpus());
	for (int cpu = 0; cpu < numa_num_configured_cpus(); cpu++) {
		int nid = nid_of(numa_node_of_cpu(cpu));

		if (nid < 0)
			continue;
		assert_int_equal(topo_node_of_cpu((unsigned)cpu), nid);
		compared++;
	}
	t_say("%u nodes, %u CPUs compared", topo.known, compared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_distances),
		cmocka_unit_test(test_cpus),
	};

	t_start("numa/agree", 60);
	if (numa_available() < 0)
		t_skip("libnuma says that the kernel has no NUMA calls");
	topo_init(0, "/sys");
	if (cmocka_run_group_tests(tests, NULL, NULL))
		return 1;
	return t_done();
}

#else

int main(void)
{
	t_start("numa/agree", 60);
	t_skip("built without libnuma");
}

#endif
