/* SPDX-License-Identifier: MIT */
/*
 * Nodes on a made-up machine: how they lie in the window, which zones are
 * tried in which order, when a node counts as full, what rebuilding changes.
 * The kernel's answer for a node's free memory is the test's own.
 */
#include "unit.h"
#include "node/inside.h"
#include "os/nodemem.h"

static size_t free_bytes[NODES_MAX];
static unsigned asked[NODES_MAX];

/* Those of src/os are then not linked. */
size_t os_node_free(const char *root, unsigned kernel_node)
{
	unsigned nid = kernel_node / 3;

	(void)root;
	if (nid >= NODES_MAX)
		return SIZE_MAX;
	asked[nid]++;
	return free_bytes[nid];
}

size_t os_min_free(void)
{
	return 0;
}

static size_t mib_pages(size_t n)
{
	return MIB(n) >> topo.page_shift;
}

/* As topo/ has it: what a node has, and whom it leans on while it has none. */
static void set_memory(unsigned nid, size_t bytes)
{
	topo.node_bytes[nid] = bytes;
	topo.allowed &= ~((uint64_t)1 << nid);
	topo.allowed |= (uint64_t)!!bytes << nid;
	for (unsigned i = 0; i < topo.nodes; i++) {
		unsigned best = i;

		for (unsigned k = 0; k < topo.nodes; k++)
			if (topo.node_bytes[k] && !topo.node_bytes[i] &&
			    (best == i ||
			     topo.distance[i][k] < topo.distance[i][best]))
				best = k;
		topo.home[i] = (uint8_t)best;
	}
}

/* Kernel's numbers 0, 3, 6...; node 0 has the memory of them all to start. */
static void machine(unsigned n, size_t window_bytes)
{
	unit_machine(MIB(64));
	topo.nodes = n;
	for (unsigned i = 0; i < n; i++) {
		topo.node_id[i] = (uint16_t)(3 * i);
		free_bytes[i] = GIB(3);
		asked[i] = 0;
		for (unsigned k = 0; k < n; k++)
			topo.distance[i][k] = i == k ? 10 : 20;
	}
	for (unsigned i = 0; i < n; i++)
		set_memory(i, GIB(4));
	assert_true(window_init(window_bytes));
	assert_true(nodes_init());
}

static void check_layout(unsigned n, size_t window_bytes)
{
	pfn_t zone_pages;

	machine(n, window_bytes);
	zone_pages = (pfn_t)1 << nodes.zone_shift;
	assert_int_equal(nodes.nr_window_zones, 2 * n);
	for (unsigned at = 0; at < nodes.nr_window_zones; at++) {
		const struct zone *zone = nodes.zones[at];

		assert_int_equal(zone->node, at / 2);
		assert_int_equal(zone->type, at % 2);
		assert_ptr_equal(zone, &node_of(at / 2)->zones[at % 2]);
		assert_int_equal(zone->origin, at * zone_pages);
		assert_true(zone->end - zone->origin <= zone_pages);
		assert_true(zone->end - zone->origin >= zone_pages / 2);
		assert_true(zone->end <= window.nr_pages);
		assert_ptr_equal(zone_of(zone->start), zone);
		assert_ptr_equal(zone_of(zone->end - 1), zone);
	}
	/* No place of the window leads out of the table, or to a zone. */
	assert_true(window.nr_pages >> nodes.zone_shift <= ZONES_MAX);
	assert_false(pfn_present(window.nr_pages - 1));
}

static void test_layout(void **state)
{
	static const size_t windows[] = { GIB(1), GIB(3), GIB(64), GIB(100),
					  GIB(512) };

	(void)state;
	for (unsigned n = 1; n <= NODES_MAX; n = n < 5 ? n + 1 : 2 * n)
		for (unsigned w = 0; w < ARRAY_SIZE(windows); w++)
			check_layout(n, windows[w]);
	for (topo.nodes = 2; topo.nodes <= NODES_MAX; topo.nodes++) {
		size_t bytes, part;

		topo.ram_bytes = GIB(1) << unit_below(12);
		bytes = nodes_window_bytes();
		part = bytes / topo.nodes;
		assert_int_equal(bytes % topo.nodes, 0);
		assert_true(is_pow2(part));
		assert_true(bytes <= (size_t)1 << 45);
		assert_true(part >= 2 * topo.ram_bytes ||
			    2 * bytes * 2 > (size_t)1 << 45);
	}
}

/* Each list against sorting by hand. */
static void check_lists(void)
{
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		for (unsigned want = ZONE_NORMAL; want <= ZONE_MOVABLE; want++) {
			const struct zonelist *list =
				zonelist_of(node_of(nid), want);
			unsigned seen = 0, have = 0, last = 0;

			for (unsigned k = 0; k < topo.nodes; k++)
				have += !!topo.node_bytes[k];
			assert_int_equal(list->nr, 2 * have);
			assert_int_equal(list->nr_local,
					 topo.node_bytes[nid] ? 2 : 0);
			for (unsigned i = 0; i < list->nr; i++) {
				unsigned at = list->zones[i] / 2;
				unsigned d = topo.distance[nid][at];

				assert_true(topo.node_bytes[at]);
				assert_int_equal(list->zones[i] % 2,
						 i % 2 ? !want : want);
				assert_true(i % 2 == 0 ||
					    list->zones[i - 1] / 2 == at);
				if (i < list->nr_local)
					assert_int_equal(at, nid);
				else
					assert_true(at != nid && d >= last);
				if (i >= list->nr_local)
					last = d;
				seen++;
			}
			assert_int_equal(seen, 2 * have);
		}
}

static void test_order(void **state)
{
	const struct zonelist *list;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		unsigned n = 1 + (unsigned)unit_below(round % 4 ? 9 : NODES_MAX);

		machine(n, GIB(64));
		check_lists();
		for (unsigned i = 0; i < n; i++) {
			for (unsigned k = 0; k < n; k++)
				if (i != k)
					topo.distance[i][k] = (uint8_t)(
						11 + unit_below(30));
		}
		for (unsigned i = 0; n > 1 && i < n; i++)
			set_memory(i, unit_below(3) * GIB(1));
		if (n > 1)
			set_memory((unsigned)unit_below(n), GIB(1));
		nodes_rebuild();
		check_lists();
	}
	/* Of equally far ones not all lean on node 0. */
	machine(4, GIB(64));
	list = zonelist_of(node_of(2), ZONE_MOVABLE);
	assert_int_equal(list->zones[2] / 2, 3);
	assert_int_equal(list->zones[4] / 2, 0);
}

static struct page *take(unsigned nid, unsigned gfp, size_t npages)
{
	unsigned kind;

	return node_alloc(nid, gfp, npages, 1, NULL, &kind);
}

static unsigned node_of_page(const struct page *page)
{
	return zone_of(pfn_of(page))->node;
}

static size_t used_pages(unsigned nid)
{
	return node_of(nid)->zones[0].used_pages +
	       node_of(nid)->zones[1].used_pages;
}

static void test_home(void **state)
{
	struct page *page[4][8];

	(void)state;
	machine(4, GIB(64));
	topo.distance[2][3] = 12;
	set_memory(2, 0);
	nodes_rebuild();
	for (unsigned nid = 0; nid < 4; nid++)
		for (unsigned i = 0; i < 8; i++) {
			page[nid][i] = take(nid, i % 2, i + 1);
			assert_int_equal(node_of_page(page[nid][i]),
					 nid == 2 ? 3 : nid);
		}
	assert_null(take(2, GFP_MOVABLE | GFP_THISNODE, 1));
	assert_null(take(2, GFP_NORMAL | GFP_THISNODE, 1));
	assert_int_equal(used_pages(0), 36);
	assert_int_equal(used_pages(2), 0);
	assert_int_equal(used_pages(3), 72);
	for (unsigned nid = 0; nid < 4; nid++)
		for (unsigned i = 0; i < 8; i++)
			node_free(page[nid][i], NULL);
	for (unsigned nid = 0; nid < 4; nid++)
		assert_int_equal(used_pages(nid), 0);
	/* No such zone, no such memory. */
	assert_null(take(0, 7, 1));
	assert_null(take(0, GFP_DEVICE, 1));
}

/* A node that the kernel says is full does not grow; its neighbour does. */
static void test_full(void **state)
{
	struct page *a, *b;

	(void)state;
	machine(3, GIB(64));
	topo.distance[1][2] = 15;
	nodes_rebuild();
	free_bytes[1] = GIB(4) / 64 + MIB(1);
	assert_int_equal(node_of_page(a = take(1, GFP_MOVABLE,
					       mib_pages(2))), 2);
	assert_null(take(1, GFP_MOVABLE | GFP_THISNODE, mib_pages(2)));
	/* What is left above the reserve may be had. */
	assert_int_equal(node_of_page(b = take(1, GFP_MOVABLE, 1)), 1);
	/* Its free pages are there: so few fit without growth. */
	node_free(b, NULL);
	free_bytes[1] = 0;
	assert_int_equal(node_of_page(b = take(1, GFP_MOVABLE, 2)), 1);
	assert_int_equal(node_of_page(b), 1);
	/* All are full: then the kernel decides, but one's own part grows. */
	for (unsigned i = 0; i < 3; i++) {
		free_bytes[i] = 0;
		node_of(i)->room.asked = 0;
	}
	node_free(a, NULL);
	node_free(b, NULL);
	a = take(1, GFP_MOVABLE, mib_pages(64));
	assert_int_equal(node_of_page(a), 1);
	assert_null(take(1, GFP_MOVABLE | GFP_THISNODE, mib_pages(64)));
	assert_null(take(1, GFP_MOVABLE | GFP_NOGROW, mib_pages(64)));
	node_free(a, NULL);
	/* Unknown is enough. */
	for (unsigned i = 0; i < 3; i++) {
		free_bytes[i] = SIZE_MAX;
		node_of(i)->room.asked = 0;
	}
	a = take(0, GFP_MOVABLE | GFP_THISNODE, mib_pages(128));
	assert_int_equal(node_of_page(a), 0);
	node_free(a, NULL);
}

/* The kernel is asked for each 64 MiB, or ten times a second. */
static void test_asked(void **state)
{
	unsigned before, after;

	(void)state;
	machine(2, GIB(64));
	node_of(0)->room.asked = UINT64_MAX / 2;	/* no time goes by */
	before = asked[0];
	for (unsigned i = 0; i < 512; i++)
		assert_true(node_has_room(0, mib_pages(1)));
	after = asked[0];
	assert_in_range(after - before, 1, 512 / 64 + 1);
	/* What grew since counts as used. */
	free_bytes[0] = GIB(4) / 64 + MIB(50);
	node_of(0)->room.asked = 0;
	for (unsigned i = 0; i < 50; i++)
		assert_true(node_has_room(0, mib_pages(1)));
	assert_false(node_has_room(0, mib_pages(1)));
	/* With one node nothing is asked, ever. */
	machine(1, GIB(64));
	node_free(take(0, GFP_MOVABLE, mib_pages(300)), NULL);
	assert_int_equal(asked[0], 0);
}

/* Page lists hold only what is of the CPU's own node. */
static void test_pcp(void **state)
{
	struct pcp pcp[2] = { { .nid = 0 }, { .nid = 1 } };
	struct page *page[64];
	unsigned kind;

	(void)state;
	machine(2, GIB(64));
	for (unsigned i = 0; i < 64; i++) {
		page[i] = node_alloc(i % 2, i / 2 % 2, 1, 1, &pcp[i % 2],
				     &kind);
		assert_int_equal(node_of_page(page[i]), i % 2);
	}
	assert_int_equal(used_pages(0), 32 + pcp[0].count);
	for (unsigned i = 0; i < 64; i++)
		node_free(page[i], &pcp[0]);
	for (unsigned type = 0; type < PCP_ZONES; type++)
		for (unsigned order = 0; order < PCP_ORDERS; order++) {
			const struct list *h = &pcp[0].blocks[type][order];

			for (const struct list *l = h->next; l && l != h;
			     l = l->next)
				assert_int_equal(node_of_page(container_of(
					l, struct page, link)), 0);
		}
	assert_int_equal(used_pages(0), pcp[0].count);
	assert_int_equal(used_pages(1), pcp[1].count);
	/* A CPU of node 0 that asks for memory of node 1 gets that. */
	page[0] = node_alloc(1, GFP_MOVABLE, 1, 1, &pcp[0], &kind);
	assert_int_equal(node_of_page(page[0]), 1);
	node_free(page[0], &pcp[0]);
	for (unsigned i = 0; i < 2; i++)
		node_drain(&pcp[i]);
	assert_int_equal(used_pages(0) + used_pages(1), 0);
	pcp_reset(&pcp[1]);
	assert_int_equal(pcp[1].nid, 1);
}

/*
 * Runs of other lengths wait as they were freed, for exactly that length; the
 * oldest go when others are wanted, or more is freed than may wait.
 */
static void test_pcp_runs(void **state)
{
	struct pcp pcp = { .nid = 0 };
	struct page *run[PCP_RUNS + 1], *page, *ballast;
	struct pageblocks n;
	struct zone *movable;
	size_t pages;
	unsigned kind;

	(void)state;
	machine(2, GIB(64));
	/* In a zone of that size 2 MiB may wait. */
	ballast = take(0, GFP_MOVABLE, mib_pages(32));
	for (unsigned i = 0; i <= PCP_RUNS; i++)
		run[i] = node_alloc(0, GFP_MOVABLE, 9 + i % 7, 1, &pcp, &kind);
	pages = used_pages(0) - mib_pages(32);
	for (unsigned i = 0; i <= PCP_RUNS; i++)
		node_free(run[i], &pcp);
	/* One too many: the first has gone. */
	assert_int_equal(pcp.nr_runs, PCP_RUNS);
	assert_int_equal(pcp.run_pages + 9, pages);
	assert_int_equal(used_pages(0), pcp.run_pages + mib_pages(32));
	/* Of the like ones the last, and all of it. */
	page = node_alloc(0, GFP_MOVABLE, 11, 1, &pcp, &kind);
	assert_ptr_equal(page, run[16]);
	assert_int_equal(kind, DIRTY);
	assert_int_equal(page->npages, 11);
	node_free(page, &pcp);
	/* Nobody has 60: those of 10 and 11 pages go, and 12 is there still. */
	page = node_alloc(0, GFP_MOVABLE, 60, 1, &pcp, &kind);
	assert_int_equal(pcp.nr_runs, PCP_RUNS - 2);
	assert_ptr_equal(pcp.runs[0], run[3]);
	node_free(page, &pcp);
	/* Whoever walks the zone sees how long they are. */
	movable = zone_of(pfn_of(run[3]));
	zone_pageblocks(movable, &n);
	assert_int_equal(n.nr[BLOCKS_MOVABLE],
			 (mib_pages(32) >> topo.pageblock_order) + 1);
	assert_int_equal((n.nr[BLOCKS_MOVABLE] + n.nr[BLOCKS_FREE])
				 << topo.pageblock_order,
			 movable->present - movable->start);
	/* Neither for another node, nor aligned, nor of slabs. */
	node_free(node_alloc(1, GFP_MOVABLE, 12, 1, &pcp, &kind), &pcp);
	node_free(node_alloc(0, GFP_MOVABLE, 12, 4, &pcp, &kind), NULL);
	node_free(node_alloc(0, GFP_NORMAL, 12, 1, &pcp, &kind), &pcp);
	assert_int_equal(pcp.nr_runs, PCP_RUNS - 1);
	assert_int_equal(used_pages(1), 0);
	/*
	 * More than may wait: the others make room. What never waits says
	 * nothing of the others.
	 */
	page = node_alloc(0, GFP_MOVABLE, mib_pages(2) - 1, 1, &pcp, &kind);
	node_free(page, &pcp);
	assert_int_equal(pcp.nr_runs, 1);
	page = node_alloc(0, GFP_MOVABLE, mib_pages(2) + 1, 1, &pcp, &kind);
	node_free(page, &pcp);
	assert_int_equal(pcp.run_pages, mib_pages(2) - 1);
	page = node_alloc(0, GFP_MOVABLE, 77, 1, &pcp, &kind);
	node_free(page, &pcp);
	node_drain(&pcp);
	assert_int_equal(pcp.nr_runs + pcp.run_pages, 0);
	assert_int_equal(used_pages(0), mib_pages(32));
	node_free(ballast, NULL);
	/* In a small one little. */
	page = node_alloc(0, GFP_MOVABLE, mib_pages(1), 1, &pcp, &kind);
	node_free(page, &pcp);
	assert_int_equal(pcp.nr_runs, 0);
	assert_int_equal(used_pages(0), 0);
}

static bool stop;
static size_t taken;

static void *taker(void *arg)
{
	while (!READ_ONCE(stop)) {
		struct page *page = take((unsigned)(uintptr_t)arg, GFP_MOVABLE,
					 1 + taken % 7);

		T_CHECK(page, "no page while lists are rebuilt");
		node_free(page, NULL);
		__atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Memory that comes and goes, while others allocate: nobody finds a gap. */
static void test_rebuild(void **state)
{
	pthread_t thread[2];

	(void)state;
	machine(4, GIB(64));
	set_memory(3, 0);
	nodes_rebuild();
	assert_true(node_of_page(take(3, GFP_MOVABLE, 1)) != 3);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, taker, (void *)(i + 2));
	for (unsigned i = 0; i < 3000 || READ_ONCE(taken) < 3000; i++) {
		set_memory(3, i % 2 * GIB(1));
		nodes_rebuild();
	}
	stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	set_memory(3, GIB(4));
	nodes_rebuild();
	assert_int_equal(node_of_page(take(3, GFP_MOVABLE, 1)), 3);
	set_memory(3, 0);
	nodes_rebuild();
	assert_true(node_of_page(take(3, GFP_MOVABLE, 1)) != 3);
}

/* Which pageblocks serve slabs and which large blocks. */
static void test_pageblocks(void **state)
{
	size_t block = (size_t)1 << topo.pageblock_order;
	struct pageblocks n;
	struct zone *movable;
	struct page *a, *b, *c;

	(void)state;
	machine(1, GIB(64));
	movable = nodes.zones[ZONE_MOVABLE];
	a = take(0, GFP_MOVABLE, 3 * block + 1);
	zone_pageblocks(movable, &n);
	assert_int_equal(n.nr[BLOCKS_MOVABLE], 4);
	assert_int_equal(n.nr[BLOCKS_UNMOVABLE] + n.nr[BLOCKS_MIXED], 0);
	assert_int_equal((n.nr[BLOCKS_MOVABLE] + n.nr[BLOCKS_FREE]) * block,
			 movable->present - movable->start);
	b = take(0, GFP_MOVABLE, 16);
	page_at(pfn_of(b))->order = 4;
	page_set_type(b, PAGE_SLAB);
	/* A slab of middle blocks goes back as they do. */
	zone_pageblocks(movable, &n);
	assert_int_equal(n.nr[BLOCKS_MIXED], 0);
	assert_int_equal(n.nr[BLOCKS_MOVABLE], 4);
	page_set_type(b, PAGE_LARGE);
	node_free(a, NULL);
	node_free(b, NULL);
	a = take(0, GFP_NORMAL, 16);
	b = take(0, GFP_NORMAL, 2 * block);
	c = take(0, GFP_NORMAL, 16);
	page_at(pfn_of(c))->order = 4;
	page_set_type(c, PAGE_SLAB);
	zone_pageblocks(zone_of(pfn_of(a)), &n);
	assert_int_equal(n.nr[BLOCKS_MIXED], 1);
	page_set_type(c, PAGE_LARGE);
	node_free(a, NULL);
	node_free(b, NULL);
	node_free(c, NULL);
	zone_pageblocks(movable, &n);
	assert_int_equal(n.nr[BLOCKS_FREE] * block,
			 movable->present - movable->start);
}

/* Placement is told: here only node 0 exists, and perhaps not even policy. */
static void test_placement(void **state)
{
	struct page *page[2];
	unsigned first;

	(void)state;
	machine(2, GIB(64));
	topo.node_id[1] = 777;
	page[0] = take(0, GFP_MOVABLE, 1);
	page[1] = take(1, GFP_MOVABLE, 1);
	first = node_of(0)->zones[ZONE_MOVABLE].placement;
	assert_true(first == PLACE_NODE || first == PLACE_FIRST_TOUCH ||
		    first == PLACE_BY_POLICY);
	assert_int_equal(node_of(1)->zones[ZONE_MOVABLE].placement,
			 first == PLACE_BY_POLICY ? first : PLACE_FIRST_TOUCH);
	assert_string_equal(placement_name(PLACE_FIRST_TOUCH), "first-touch");
	*(char *)page_address(page[1]) = 1;
	node_free(page[0], NULL);
	node_free(page[1], NULL);
	machine(2, GIB(64));
	conf.numa = NUMA_OFF;
	page[0] = take(0, GFP_MOVABLE, 1);
	assert_int_equal(node_of(0)->zones[ZONE_MOVABLE].placement,
			 PLACE_DEFAULT);
	node_free(page[0], NULL);
	conf.numa = NUMA_LOCAL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_pcp),
		cmocka_unit_test(test_pcp_runs),
		cmocka_unit_test(test_rebuild),
		cmocka_unit_test(test_pageblocks),
		cmocka_unit_test(test_placement),
	};

	t_start("unit/node", 120);
	if (cmocka_run_group_tests(tests, NULL, NULL))
		return 1;
	return t_done();
}
