/* SPDX-License-Identifier: MIT */
/*
 * Zones outside of the window: memory below 4 GiB, locked memory, memory that
 * the program brings. What is handed out is where it should be, is counted,
 * comes back, and after a fork is whose it should be.
 */
#include "unit.h"
#include "buddymalloc.h"
#include "node/inside.h"
#include "os/os.h"
#include "os/place.h"

static void machine(unsigned n)
{
	nr_extras = 0;
	memset(extras, 0, sizeof(extras));
	unit_machine(GIB(64));
	if (n == 1)
		return;
	topo.nodes = n;
	for (unsigned i = 0; i < n; i++) {
		topo.node_id[i] = (uint16_t)(900 + i);	/* free: unknown */
		topo.node_bytes[i] = GIB(4);
		topo.allowed |= (uint64_t)1 << i;
		topo.home[i] = (uint8_t)i;
		for (unsigned k = 0; k < n; k++)
			topo.distance[i][k] = i == k ? 10 : 20;
	}
	assert_true(nodes_init());
}

static struct page *take(unsigned nid, unsigned gfp, size_t npages)
{
	unsigned kind;

	return node_alloc(nid, gfp, npages, 1, NULL, &kind);
}

static struct zone *zone_of_page(const struct page *page)
{
	return zone_of(pfn_of(page));
}

/* From page to address and back, by every way there is. */
static void check_ways(struct page *page, size_t npages)
{
	char *p = page_address(page);

	for (size_t i = 0; i < npages; i += 1 + npages / 9) {
		char *at = p + (i << topo.page_shift);

		assert_int_equal(pfn_find(at), pfn_of(page) + i);
		assert_int_equal(pfn_find(at + 9), pfn_of(page) + i);
		assert_ptr_equal(pfn_address(pfn_of(page) + i), at);
		assert_true(extra_owns(at));
		assert_false(window_owns(at));
		assert_int_equal(page_entry(at), 0);
		assert_true(pfn_present(pfn_of(page) + i));
	}
	assert_int_equal(page->type, PAGE_LARGE);
	assert_int_equal(page->npages, npages);
}

/* free + used = present, for every zone there is. */
static void check_sums(void)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *z = nodes.zones[i];

		assert_int_equal(z->free_pages[CLEAN] + z->free_pages[DIRTY] +
					 z->used_pages,
				 z->present - z->start);
	}
}

static size_t used_of(enum zone_type type)
{
	size_t used = 0;

	for (unsigned i = 0; i < nodes.nr_zones; i++)
		if (nodes.zones[i]->type == type &&
		    !zone_gone(nodes.zones[i]))
			used += nodes.zones[i]->used_pages;
	return used;
}

/* Random runs of a zone, each with its own mark; all of them come back. */
static void churn(unsigned gfp, unsigned nodes_of_it, size_t longest,
		  uintptr_t below)
{
	enum { RUNS = 64 };
	struct { struct page *page; size_t n; unsigned mark; } run[RUNS] = { 0 };
	size_t sum = 0, was = used_of(gfp_zone(gfp));

	for (unsigned op = 0; op < 4000; op++) {
		unsigned i = (unsigned)unit_below(RUNS);
		unsigned *word;

		if (run[i].page) {
			word = page_address(run[i].page);
			for (size_t k = 0; k < run[i].n; k++)
				assert_int_equal(
					word[k << (topo.page_shift - 2)],
					run[i].mark + k);
			node_free(run[i].page, NULL);
			sum -= run[i].n;
			run[i].page = NULL;
			continue;
		}
		run[i].n = 1 + unit_below(longest);
		run[i].mark = (unsigned)unit_random();
		run[i].page = take((unsigned)unit_below(nodes_of_it), gfp,
				   run[i].n);
		if (!run[i].page)
			continue;
		sum += run[i].n;
		assert_int_equal(zone_of_page(run[i].page)->type,
				 gfp_zone(gfp));
		check_ways(run[i].page, run[i].n);
		word = page_address(run[i].page);
		assert_true((uintptr_t)word + (run[i].n << topo.page_shift) <=
			    below);
		for (size_t k = 0; k < run[i].n; k++)
			word[k << (topo.page_shift - 2)] =
				run[i].mark + (unsigned)k;
		assert_int_equal(used_of(gfp_zone(gfp)), was + sum);
	}
	for (unsigned i = 0; i < RUNS; i++)
		if (run[i].page)
			node_free(run[i].page, NULL);
	assert_int_equal(used_of(gfp_zone(gfp)), was);
	check_sums();
}

static bool have_dma32(void)
{
	struct page *page = take(0, GFP_DMA32, 1);

	if (!page)
		return false;
	node_free(page, NULL);
	return true;
}

static void test_dma32(void **state)
{
	struct page *page, *other;
	unsigned before;

	(void)state;
	machine(1);
	assert_int_equal(nodes.nr_zones, 2);
	assert_null(take(0, GFP_DMA32 | GFP_NOGROW, 1));
	if (!have_dma32()) {
		t_say("nothing can be mapped below 4 GiB here");
		skip();
	}
	churn(GFP_DMA32, 1, 700, GIB(4));
	before = nodes.nr_zones;
	assert_int_equal(before, 3);
	/* As aligned as buddies are in the window. */
	page = take(0, GFP_DMA32, 64);
	other = node_alloc(0, GFP_DMA32, 64, 64, NULL, &before);
	assert_non_null(other);
	assert_int_equal((uintptr_t)page_address(other) %
			 (64 << topo.page_shift), 0);
	node_free(other, NULL);
	/* Other requests get none of it while they have zones of their own. */
	other = take(0, GFP_MOVABLE, 64);
	assert_int_equal(zone_of_page(other)->type, ZONE_MOVABLE);
	node_free(other, NULL);
	node_free(page, NULL);
	/* More than there is. */
	assert_null(take(0, GFP_DMA32, GIB(4) >> topo.page_shift));
	assert_null(take(0, GFP_DMA32, SIZE_MAX / 2));
	/* What is free goes back, and comes again. */
	zone_reclaim(nodes.zones[2], 0, SIZE_MAX);
	zone_shrink(nodes.zones[2]);
	assert_int_equal(nodes.zones[2]->present, nodes.zones[2]->start);
	churn(GFP_DMA32, 1, 20, GIB(4));
}

/* Each node has its own; a node whose window is full takes the other's. */
static void test_dma32_nodes(void **state)
{
	struct page *page[3];

	(void)state;
	machine(3);
	if (!have_dma32())
		skip();
	for (unsigned i = 0; i < 3; i++) {
		page[i] = take(i, GFP_DMA32, 3);
		assert_non_null(page[i]);
		assert_int_equal(zone_of_page(page[i])->node, i);
		assert_int_equal(zone_of_page(page[i])->type, ZONE_DMA32);
	}
	for (unsigned i = 0; i < 3; i++)
		node_free(page[i], NULL);
	churn(GFP_DMA32, 3, 200, GIB(4));
}

/* Movable takes of DMA32 what may be lent, never to the last; slabs nothing. */
static void test_lending(void **state)
{
	size_t n = MIB(64) >> topo.page_shift, lent = 0;
	struct page *page;
	struct zone *dma32;

	(void)state;
	machine(1);
	page = take(0, GFP_DMA32, n);
	if (!page)
		skip();
	dma32 = zone_of_page(page);
	node_free(page, NULL);
	/* The window is full: its zones have no more than they have. */
	for (unsigned i = 0; i < 2; i++)
		nodes.zones[i]->end = nodes.zones[i]->present;
	while ((page = take(0, GFP_MOVABLE | GFP_WINDOW, 16)))
		assert_true(zone_of_page(page)->type < WINDOW_ZONES);
	assert_int_equal(dma32->used_pages, 0);
	while ((page = take(0, GFP_MOVABLE, 16)))
		if (zone_of_page(page) == dma32)
			lent += 16;
	assert_true(lent > 0);
	assert_int_equal(dma32->used_pages, lent);
	assert_true(zone_lendable(dma32) < 16);
	assert_true(dma32->free_pages[CLEAN] + dma32->free_pages[DIRTY] >=
		    (dma32->present - dma32->start) / 4);
	while ((page = take(0, GFP_NORMAL, 1)))
		assert_true(zone_of_page(page)->type < WINDOW_ZONES);
	assert_int_equal(dma32->used_pages, lent);
	page = take(0, GFP_DMA32, 16);
	assert_ptr_equal(zone_of_page(page), dma32);
	check_sums();
}

/* VmLck, in bytes. */
static size_t locked(void)
{
	static char buf[8192];
	long n = os_read_file("/proc/self/status", buf, sizeof(buf) - 1);
	const char *s;

	buf[n > 0 ? n : 0] = 0;
	s = strstr(buf, "VmLck:");
	return s ? strtoul(s + 6, NULL, 10) << 10 : 0;
}

/* In a child: no privilege, and so much may be locked. Exit status 0: right. */
static void over_limit(void)
{
	struct rlimit lim = { MIB(1), MIB(1) };
	size_t got = 0, before = locked();
	struct page *page;
	unsigned kind;

	if (setrlimit(RLIMIT_MEMLOCK, &lim) || (!getuid() && setuid(65534)))
		_exit(77);
	while ((page = take(0, GFP_DMA, 8))) {
		got += 8;
		memset(page_address(page), 1, 8 << topo.page_shift);
		T_CHECK(locked() - before >= got << topo.page_shift,
			"%zu pages, %zu bytes locked", got, locked());
		T_CHECK(got <= MIB(1) >> topo.page_shift, "over the limit");
	}
	T_CHECK(got, "none within the limit");
	/* The rest of the heap does not care. */
	T_CHECK(node_alloc(0, GFP_MOVABLE, 8, 1, NULL, &kind), "heap");
	check_sums();
	_exit(0);
}

static void wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		t_say("skipped a part: no limit can be set here");
	else
		assert_int_equal(status, 0);
}

/* A fork child of a process with a locked block. */
static void after_fork(struct page *page)
{
	struct zone *old = zone_of_page(page);
	char *p = page_address(page);
	size_t used = old->used_pages;
	struct page *mine;
	unsigned char core;

	T_CHECK(zone_gone(old), "the zone is not gone");
	T_CHECK(mincore(p, page_bytes(), &core) ? errno == ENOMEM : !(core & 1),
		"locked memory is there in the child");
	T_CHECK(page->type == PAGE_LARGE && page->npages == 5, "descriptor");
	T_CHECK(pfn_find(p) == pfn_of(page) && extra_owns(p), "not ours");
	node_free(page, NULL);
	T_CHECK(page->type == PAGE_LARGE && old->used_pages == used,
		"freeing it did something");
	T_CHECK(!zone_resize(old, page, 2) && !zone_reclaim(old, 0, SIZE_MAX), "work");
	zone_shrink(old);
	zone_cut(old, 0);
	/* The child may have locked memory of its own. */
	mine = take(0, GFP_DMA, 5);
	T_CHECK(mine && zone_of_page(mine) != old, "no memory of its own");
	T_CHECK(!zone_gone(zone_of_page(mine)), "its own is gone");
	memset(page_address(mine), 2, 5 << topo.page_shift);
	T_CHECK(mincore(p, page_bytes(), &core) == 0, "the hole is open");
	T_CHECK(zone_gone(old), "the old zone came back");
	node_free(mine, NULL);
	T_CHECK(!zone_of_page(mine)->used_pages, "its own is not free");
	_exit(0);
}

static void test_dma(void **state)
{
	size_t before = locked();
	struct page *page;
	pid_t pid;

	(void)state;
	machine(1);
	pid = fork();
	if (!pid)
		over_limit();
	wait_for(pid);
	assert_null(take(0, GFP_DMA | GFP_NOGROW, 1));
	page = take(0, GFP_DMA, 5);
	if (!page) {
		t_say("no memory can be locked here");
		skip();
	}
	assert_int_equal(zone_of_page(page)->type, ZONE_DMA);
	assert_true(locked() - before >= 5 * page_bytes());
	assert_true(locked() - before <= MIB(1) + 5 * page_bytes());
	check_ways(page, 5);
	memset(page_address(page), 3, 5 << topo.page_shift);
	pid = fork();
	if (!pid)
		after_fork(page);
	wait_for(pid);
	assert_false(zone_gone(zone_of_page(page)));
	assert_int_equal(*(char *)page_address(page), 3);
	churn(GFP_DMA, 1, 8, UINTPTR_MAX);
	/* It is never purged, but shrinks. */
	assert_int_equal(zone_reclaim(zone_of_page(page), 0, SIZE_MAX), 0);
	assert_int_equal(*(char *)page_address(page), 3);
	node_free(page, NULL);
	zone_shrink(nodes.zones[2]);
	assert_int_equal(locked(), before);
	check_sums();
	/* Others never take it. */
	for (unsigned i = 0; i < 2; i++)
		nodes.zones[i]->end = nodes.zones[i]->present;
	page = take(0, GFP_DMA, 4);
	node_free(page, NULL);
	while ((page = take(0, GFP_MOVABLE, 1)))
		assert_true(zone_of_page(page)->type < WINDOW_ZONES);
}

static void *file_memory(size_t bytes, int *fd)
{
	void *p;

	*fd = memfd_create("device", 0);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, (off_t)bytes), 0);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void device_child(struct page *page)
{
	T_CHECK(!take(0, GFP_DEVICE, 1), "the parent's memory handed out");
	T_CHECK(*(char *)page_address(page) == 7, "not readable");
	*(char *)page_address(page) = 8;
	node_free(page, NULL);
	T_CHECK(page->type == PAGE_LARGE, "freed the parent's");
	_exit(0);
}

static void test_device(void **state)
{
	size_t size = page_bytes(), bytes = 3000 * size, left;
	struct page *page[3000], *a;
	unsigned kind;
	int fd, fd2;
	char *p = file_memory(bytes, &fd), *q = file_memory(7 * size, &fd2);
	char *odd = p + 3 * size, c;
	pid_t pid;

	(void)state;
	machine(1);
	assert_null(take(0, GFP_DEVICE, 1));
	assert_false(zone_add_memory(1, p, bytes));
	assert_false(zone_add_memory(0, p + 1, size));
	assert_false(zone_add_memory(0, p, size + 1));
	assert_false(zone_add_memory(0, p, 0));
	assert_false(zone_add_memory(0, NULL, size));
	assert_false(zone_add_memory(0, pfn_address(8), size));
	/* All but the first three pages: not aligned to anything. */
	left = 2997;
	assert_true(zone_add_memory(0, odd, left * size));
	assert_false(zone_add_memory(0, odd, left * size));
	assert_false(zone_add_memory(0, p, 4 * size));
	check_sums();
	/* Blocks are as aligned in memory as they are asked to be. */
	for (size_t align = 1; align <= 256; align *= 2) {
		a = node_alloc(0, GFP_DEVICE, 3, align, NULL, &kind);
		assert_non_null(a);
		assert_int_equal((uintptr_t)page_address(a) % (align * size),
				 0);
		assert_int_equal(kind, DIRTY);
		node_free(a, NULL);
	}
	/* To the last page; it holds what the file holds. */
	for (size_t i = 0; i < left; i++) {
		page[i] = take(0, GFP_DEVICE, 1);
		assert_non_null(page[i]);
		check_ways(page[i], 1);
		c = *(char *)page_address(page[i]) = (char)(i + 1);
		assert_int_equal(pread(fd, &c, 1, (char *)page_address(page[i]) -
							  p), 1);
		assert_int_equal(c, (char)(i + 1));
	}
	assert_null(take(0, GFP_DEVICE, 1));
	assert_int_equal(used_of(ZONE_DEVICE), left);
	/* A second range goes on where the first ended. */
	assert_true(zone_add_memory(0, q, 7 * size));
	a = take(0, GFP_DEVICE, 7);
	assert_ptr_equal(page_address(a), q);
	assert_false(zone_remove_memory(q));
	assert_false(zone_remove_memory(odd));
	assert_false(zone_remove_memory(p));
	*q = 7;
	pid = fork();
	if (!pid)
		device_child(a);
	wait_for(pid);
	assert_int_equal(*q, 8);
	node_free(a, NULL);
	for (size_t i = 0; i < left; i++)
		node_free(page[i], NULL);
	check_sums();
	/* Nothing of it was dropped, or ever will be. */
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		zone_reclaim(nodes.zones[i], 0, SIZE_MAX);
		zone_shrink(nodes.zones[i]);
		zone_cut(nodes.zones[i], 0);
	}
	assert_int_equal(*q, 8);
	assert_int_equal(*odd, (char)(1 + 0 * left));
	assert_true(zone_remove_memory(odd));
	assert_false(zone_remove_memory(odd));
	assert_false(extra_owns(odd));
	assert_true(extra_owns(q));
	assert_true(zone_remove_memory(q));
	assert_null(take(0, GFP_DEVICE, 1));
	check_sums();
	/* Entries are used again. */
	for (unsigned i = 0; i < 500; i++) {
		assert_true(zone_add_memory(0, q, (1 + i % 7) * size));
		a = take(0, GFP_DEVICE, 1 + i % 7);
		assert_ptr_equal(page_address(a), q);
		assert_null(take(0, GFP_DEVICE, 1));
		node_free(a, NULL);
		assert_true(zone_remove_memory(q));
	}
	assert_true(nr_extras <= 3);
}

/* What one range leaves behind is not another's, however near they lie. */
static void test_device_near(void **state)
{
	size_t size = page_bytes(), block = pageblock_bytes();
	struct page *page[3];
	int fd;
	char *p = file_memory(3 * block, &fd);

	(void)state;
	machine(1);
	p = (char *)align_up((uintptr_t)p, block);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(zone_add_memory(0, p + (9 - 3 * i) * size,
					    2 * size));
		page[i] = take(0, GFP_DEVICE, 2);
		assert_ptr_equal(page_address(page[i]), p + (9 - 3 * i) * size);
	}
	for (unsigned i = 0; i < 3; i++) {
		node_free(page[i], NULL);
		assert_true(zone_remove_memory(p + (9 - 3 * i) * size));
		for (unsigned k = i + 1; k < 3; k++)
			check_ways(page[k], 2);
	}
}

static void test_device_many(void **state)
{
	size_t size = page_bytes();
	int fd;
	char *p = file_memory(2 * (EXTRAS_MAX + 9) * size, &fd);
	unsigned n = 0;

	(void)state;
	machine(2);
	/* Pages with gaps between, on two nodes: each a zone. */
	while (zone_add_memory(n % 2, p + 2 * n * size, size))
		n++;
	assert_int_equal(n, EXTRAS_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct page *page = take(1, GFP_DEVICE, 1);

		assert_non_null(page);
		/* Its own first, then the other's. */
		assert_int_equal(zone_of_page(page)->node, i < n / 2);
		check_ways(page, 1);
	}
	assert_null(take(1, GFP_DEVICE, 1));
	assert_null(take(0, GFP_DEVICE | GFP_THISNODE, 1));
	check_sums();
}

static uint32_t adders;

static void *adder(void *arg)
{
	char *p = arg;

	for (unsigned i = 0; i < 300; i++) {
		T_CHECK(zone_add_memory(0, p, 4 * page_bytes()), "add");
		do
			sched_yield();
		while (!zone_remove_memory(p));
	}
	__atomic_sub_fetch(&adders, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Memory comes and goes while others take and free it. */
static void test_device_threads(void **state)
{
	pthread_t thread[3];
	size_t got = 0;
	int fd;
	char *p = file_memory(32 * page_bytes(), &fd);

	(void)state;
	machine(1);
	adders = 3;
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, adder,
			       p + 8 * i * page_bytes());
	for (unsigned i = 0; READ_ONCE(adders); i++) {
		struct page *page = take(0, GFP_DEVICE, 1 + i % 3);

		if (!page)
			continue;
		got++;
		memset(page_address(page), (int)i, page_bytes());
		node_free(page, NULL);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_true(got > 0);
	check_sums();
	assert_int_equal(used_of(ZONE_DEVICE), 0);
}

/* The descriptors kept for extra windows go back; what has some keeps them. */
static void test_cut(void **state)
{
	size_t size = page_bytes();
	int fd;
	char *p = file_memory(4 * size, &fd);
	struct page *page;

	(void)state;
	machine(1);
	assert_true(zone_add_memory(0, p, 2 * size));
	page = take(0, GFP_DEVICE, 2);
	nodes_cut();
	assert_true(window.nr_descs <
		    window.nr_pages + 2 * (MIB(32) >> topo.page_shift) + 128);
	check_ways(page, 2);
	assert_null(take(0, GFP_DMA32, MIB(64) >> topo.page_shift));
	assert_false(zone_add_memory(0, p + 2 * size, MIB(64)));
	node_free(page, NULL);
	assert_true(zone_remove_memory(p));
	assert_true(zone_add_memory(0, p, 4 * size));
	check_sums();
}

/* The heap's own doors know such memory: free, usable size, realloc. */
static void test_doors(void **state)
{
	struct page *page;
	pid_t pid;
	char *p, *q;
	int fd, status;

	(void)state;
	machine(1);
	bm_free(bm_malloc(1));
	p = file_memory(8 * page_bytes(), &fd);
	assert_false(bm_owns(p));
	assert_true(zone_add_memory(0, p, 8 * page_bytes()));
	page = take(0, GFP_DEVICE, 3);
	q = page_address(page);
	memset(q, 5, 3 * page_bytes());
	assert_true(bm_owns(q));
	assert_int_equal(bm_usable_size(q), 3 * page_bytes());
	q = bm_realloc(q, 20 * page_bytes());
	assert_true(window_owns(q));
	assert_int_equal(q[3 * page_bytes() - 1], 5);
	bm_free(q);
	assert_int_equal(used_of(ZONE_DEVICE), 0);
	page = take(0, GFP_DEVICE, 2);
	q = page_address(page);
	bm_free(q);
	assert_int_equal(used_of(ZONE_DEVICE), 0);
	pid = fork();
	if (!pid) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		bm_free(q);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(zone_remove_memory(p));
	assert_false(bm_owns(p));
	check_sums();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dma32),
		cmocka_unit_test(test_dma32_nodes),
		cmocka_unit_test(test_lending),
		cmocka_unit_test(test_dma),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_device_near),
		cmocka_unit_test(test_device_many),
		cmocka_unit_test(test_device_threads),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_doors),
	};

	t_start("unit/special", 120);
	if (cmocka_run_group_tests(tests, NULL, NULL))
		return 1;
	return t_done();
}
