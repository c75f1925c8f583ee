/* SPDX-License-Identifier: MIT */
/* The calls of os/numa.h, on the machine that is there. */
#include "unit.h"
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include "os/numa.h"
#include "os/os.h"
#include "topo/sysfs.h"

static void test_real(void **state)
{
	uint64_t mask[OS_NODE_WORDS] = { 0 };
	size_t page = os_page_size();
	void *p = os_map(page);
	struct ids ids;
	unsigned cpu, id;
	int node = -1;

	(void)state;
	memset(&topo, 0, sizeof(topo));
	topo_init(0, "/sys");
	assert_in_range(topo.known, 1, topo.nodes);
	assert_non_null(p);
	assert_false(os_prefer_node(p, page, OS_NODES));
	assert_false(os_prefer_node(p, page, OS_NODES - 1));
	assert_false(os_interleave(p, page, mask));
	if (!os_allowed_nodes(mask)) {
		assert_true(os_own_policy());
		t_skip("the kernel or a filter refuses get_mempolicy");
	}
	assert_true(proc_ids(&ids, "/proc/self/status", "Mems_allowed_list:"));
	assert_memory_equal(ids.bits, mask, sizeof(mask));
	assert_false(os_own_policy());
	assert_false(os_bound_nodes(mask));
	for (unsigned nid = 0; nid < topo.known; nid++)
		if (topo.allowed >> nid & 1)
			assert_true(os_prefer_node(p, page, topo.node_id[nid]));
	*(char *)p = 1;
	assert_true(os_page_nodes(&p, 1, &node));
	assert_true(node >= 0);
	assert_true(os_current_place(&cpu, &id));
	assert_in_range(topo_nid(id), 0, topo.known - 1);
	/* The thread is bound, and says so. */
	memset(mask, 0, sizeof(mask));
	mask[node / 64] = (uint64_t)1 << node % 64;
	assert_int_equal(syscall(SYS_set_mempolicy, MPOL_BIND, mask,
				 OS_NODES + 1), 0);
	assert_true(os_own_policy());
	memset(mask, 0, sizeof(mask));
	assert_true(os_bound_nodes(mask));
	assert_int_equal(mask[node / 64], (uint64_t)1 << node % 64);
	memset(&topo, 0, sizeof(topo));
	topo_init(0, "/sys");
	assert_in_range(topo.known, 1, topo.nodes);
	/* Nodes without memory count as well, but nobody takes any there. */
	assert_int_equal(__builtin_popcountll(topo.allowed), 1);
	assert_int_equal(topo.node_id[topo_home(0)], node);
	assert_int_equal(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0), 0);
	assert_false(os_own_policy());
	os_unmap(p, page);
}

CM_MAIN("unit/policy", 60, cmocka_unit_test(test_real))
