/* SPDX-License-Identifier: MIT */
/*
 * Which memory of a zone is advised: none of a small one, what follows memory
 * that was used densely, nothing where it was not; and few mappings whatever
 * happens. What the kernel then does is tests/stress/sparse.c's business.
 */
#include "unit.h"
#include "os/os.h"

/* As many zones as there are tests, in place of two; one is not Movable. */
enum { ZONES = 24, NORMAL = ZONES - 1 };

static struct zone *zone;

static struct page *take(size_t bytes)
{
	unsigned kind;
	struct page *page = zone_alloc(zone, bytes >> topo.page_shift, 1,
				       &kind);

	assert_non_null(page);
	return page;
}

/* Writes to one page of every so many. */
static void touch(struct page *page, size_t every)
{
	for (size_t i = 0; i < page->npages; i += every)
		*(char *)pfn_address(pfn_of(page) + i) = 1;
}

/* By runs of a MiB that are wholly used. */
static void grow_dense(size_t mib)
{
	while (mib--)
		touch(take(MIB(1)), 1);
}

static size_t advised(void)
{
	return (zone->huge.to - zone->start) << topo.page_shift;
}

/* A set-up that skips would be an error: it says why not, and the test skips. */
static void need(void **state)
{
	if (!*state)
		return;
	t_say("%s", (const char *)*state);
	skip();
}

static int start_in(void **state, struct zone *unused)
{
	*state = NULL;
	conf.hugepages = HUGEPAGES_AUTO;
	huge_price.fair = UINT64_MAX;
	zone = unused;
	return 0;
}

/* Each test has a zone that was never used. */
static int fresh(void **state)
{
	static unsigned nr;

	return start_in(state, nodes.zones[nr++]);
}

static int fresh_normal(void **state)
{
	return start_in(state, nodes.zones[NORMAL]);
}

static int skip_without(void **state)
{
	fresh(state);
	if (!huge_works())
		*state = "no huge pages";
	return 0;
}

/* Once for a zone of large blocks, and once for one of slabs, which waits. */
static void test_small(void **state)
{
	bool large = zone->type == ZONE_MOVABLE;

	need(state);
	grow_dense(large || topo.huge_always ? 14 : 30);
	assert_int_equal(advised(), 0);
	grow_dense(10 + 2 * (pageblock_bytes() >> 20));
	assert_int_equal(advised() > 0, huge_works());
}

/*
 * Most of what a dense heap grows by is advised, but never beyond as much
 * again as was measured; and its first part only when it had been seen.
 */
static void test_dense(void **state)
{
	size_t plain = 0, seen = 0;

	need(state);
	for (int i = 0; i < 256; i++) {
		size_t was = advised();
		size_t present = (zone->present - zone->start) << topo.page_shift;

		touch(take(MIB(1)), 1);
		assert_true(advised() >= was);
		if (was < present && advised() > was)
			seen = present;
		assert_true(topo.huge_always || advised() <= 2 * seen);
		plain += advised() < present;
	}
	assert_true(advised() > MIB(200));
	/* A sixteenth is a pageblock at least, and is measured when full. */
	assert_in_range(plain, 8, 92 + 2 * (pageblock_bytes() >> 20));
	assert_int_equal(zone->huge.given_up, 0);
}

/*
 * Runs of 9 to 255 pages lie side by side once the zone is large: no holes
 * between them keep it plain.
 */
static void test_lengths(void **state)
{
	size_t used, holes = 0;

	need(state);
	while ((used = zone->used_pages) < MIB(256) >> topo.page_shift)
		touch(take((9 + unit_below(247)) << topo.page_shift), 1);
	for (unsigned order = 0; order < topo.pageblock_order; order++)
		holes += zone->free_area[order].nr[CLEAN] << order;
	assert_in_range(holes, 0, used / 20);
	assert_true(advised() > (used / 4 * 3) << topo.page_shift);
}

/*
 * A dense zone in which huge pages cost too much is plain, but tries again: at
 * 16 MiB say, then at 20, 30, 60, 120, 240. What goes back meanwhile and is
 * wanted again is no reason to. When they are cheap again they are used.
 */
static void test_dear(void **state)
{
	size_t tries, had = t_huge_bytes();

	need(state);
	huge_price = (struct huge_price){ .fair = 0, .times = 0 };
	grow_dense(256);
	assert_int_equal(advised(), 0);
	tries = zone->huge.dear;
	assert_in_range(tries, 3, 8);
	assert_in_range(t_huge_bytes(), 0, had + 10 * pageblock_bytes());
	zone->huge.purged = 0;
	huge_look(zone);
	assert_int_equal(advised(), 0);
	huge_price.times = UINT32_MAX;
	grow_dense(256);
	assert_true(advised() > MIB(400));
	assert_int_equal(zone->huge.dear, tries);
}

/* They were cheap, and are dear now: no more of them, but those stay. */
static void test_dearer(void **state)
{
	size_t had;

	need(state);
	grow_dense(64);
	assert_true(advised() > MIB(32));
	had = t_huge_bytes();
	huge_price = (struct huge_price){ .fair = 0, .times = 0 };
	grow_dense(32);
	assert_int_equal(advised(), 0);
	assert_in_range(zone->huge.dear, 1, 2);
	assert_in_range(t_huge_bytes(), had, had + 4 * pageblock_bytes());
	/* A zone that has shrunk does not wait for the height it once had. */
	zone->huge.dear_to = zone->end;
	huge_shrunk(zone);
	assert_int_equal(zone->huge.dear_to - zone->present,
			 zone->present - zone->start);
}

/* What was measured while it was plain is huge at once, if that is asked. */
static void test_collapse(void **state)
{
	size_t before, after, whole = 0;
	bool works;
	pfn_t at = 0;

	need(state);
	grow_dense(64);
	assert_true(advised());
	before = t_huge_bytes();
	while (huge_collapse(zone, &at))
		whole++;
	after = t_huge_bytes();
	assert_in_range(whole << topo.pageblock_order << topo.page_shift,
			advised() - pageblock_bytes(), advised());
	/* No memory is in one piece, or khugepaged was faster: as it may be. */
	works = after > before || before >= advised() - 2 * pageblock_bytes();
	if (!works)
		t_say("no huge page came of it: %zu KiB before, %zu after",
		      before >> 10, after >> 10);
	assert_true(works || t_ram_free() < GIB(1));
}

/* A page in eight, then half of all pages: huge pages would double it. */
static void test_sparse(void **state)
{
	need(state);
	for (int i = 0; i < 64; i++)
		touch(take(MIB(1)), 8);
	assert_int_equal(advised(), 0);
	for (int i = 0; i < 64; i++)
		touch(take(MIB(1)), 2);
	assert_int_equal(advised(), 0);
}

/* What is in use and was not touched yet may be touched here and there. */
static void test_untouched(void **state)
{
	struct page *table = take(MIB(256));

	need(state);
	grow_dense(64);
	assert_int_equal(advised(), 0);
	touch(table, 1);
	grow_dense(128);
	assert_true(advised() > MIB(256));
}

/* For tests that count in pageblocks of 2 MiB, where plain is the rule. */
static int skip_larger(void **state)
{
	skip_without(state);
	if (pageblock_bytes() > MIB(2) || topo.huge_always)
		*state = "pageblocks are larger, or huge pages are for all";
	return 0;
}

/* Where the kernel cannot be asked to touch memory nothing has a price. */
static int skip_unpriced(void **state)
{
	char *p = os_map(MIB(1));
	bool able = os_populate(p, MIB(1)) &&
		    os_resident(p, MIB(1)) == (long)(MIB(1) >> topo.page_shift);

	os_unmap(p, MIB(1));
	skip_larger(state);
	if (!able)
		*state = "the kernel cannot be asked to touch memory";
	return 0;
}

/* What all tests leave behind would be much for a small machine. */
static int drop(void **state)
{
	(void)state;
	os_purge(pfn_address(zone->start),
		 (zone->present - zone->start) << topo.page_shift);
	return 0;
}

/* What is not touched yet is looked at again soon. */
static void test_again(void **state)
{
	struct page *late[2];
	int more = 0;

	need(state);
	grow_dense(12);
	late[0] = take(MIB(2));
	late[1] = take(MIB(2));
	touch(take(MIB(1)), 1);
	assert_int_equal(advised(), 0);
	touch(late[0], 1);
	touch(late[1], 1);
	for (; !advised(); more++)
		touch(take(MIB(1)), 1);
	assert_in_range(more, 1, 3);
}

/* Blocks of which one page in so many is not touched. */
static void take_unfilled(size_t npages, size_t align, size_t skipped)
{
	unsigned kind;

	for (int i = 0; i < 64; i++) {
		struct page *page = zone_alloc(zone, npages, align, &kind);

		assert_non_null(page);
		for (size_t n = 0; n < page->npages; n++)
			if (n % skipped)
				*(char *)pfn_address(pfn_of(page) + n) = 1;
	}
}

/* An eighth of each block stays untouched: huge pages would be a seventh more. */
static void test_medium(void **state)
{
	need(state);
	take_unfilled(MIB(1) >> topo.page_shift, 1, 8);
	assert_int_equal(advised(), 0);
}

/* A sixteenth, and as much lies free between the blocks, for the next ones. */
static void test_holes(void **state)
{
	size_t npages = MIB(1) >> topo.page_shift;

	need(state);
	take_unfilled(npages - npages / 16, npages, 16);
	assert_true(advised());
}

/* Longer than what was seen full, if by less than twice, and than a quarter. */
static void test_longer(void **state)
{
	struct page *page;

	need(state);
	grow_dense(64);
	touch(take(MIB(24)), 1);
	for (int i = 0; i < 64 && !zone->huge.proven; i++)
		touch(take(MIB(1)), 1);
	assert_int_equal(zone->huge.proven, MIB(24) >> topo.page_shift);
	page = take(MIB(44));
	assert_true(pfn_of(page) >= zone->huge.to);
}

/*
 * A run much longer than any before is plain, and what it is taken from; one
 * as long as others that were filled is not.
 */
static void test_long_run(void **state)
{
	struct page *page;

	need(state);
	grow_dense(64);
	assert_true(advised());
	page = take(MIB(100));
	assert_true(pfn_of(page) >= zone->huge.to);
	touch(page, 1);
	for (int i = 0; i < 4; i++)
		touch(take(MIB(4)), 1);
	assert_true(pfn_of(page) < zone->huge.to);
	zone_free(zone, page);
	zone_reclaim(zone, 0, SIZE_MAX);
	page = take(MIB(80));
	assert_true(pfn_of(page) < zone->huge.to);
	zone_free(zone, page);
	zone_reclaim(zone, 0, SIZE_MAX);
	/* Nothing is in use beside it: 2 MiB of 80. */
	zone->used_pages -= MIB(78) >> topo.page_shift;
	page = take(MIB(80));
	assert_true(pfn_of(page) >= zone->huge.to);
	zone->used_pages += MIB(78) >> topo.page_shift;
}

enum { RUNS = 48 };

/* Of 1 MiB each, touched whole. */
static void take_all(struct page *run[RUNS])
{
	for (int i = 0; i < RUNS; i++) {
		run[i] = take(MIB(1));
		touch(run[i], 1);
	}
}

/* Memory that comes and goes becomes huge too, and plain when it is cut up. */
static void test_look(void **state)
{
	struct page *run[RUNS];

	need(state);
	take_all(run);
	/* As if a run that is too long had been taken from it. */
	zone->huge.to = zone->start;
	huge_look(zone);
	assert_true(advised() >= MIB(48));
	/* Nothing has gone back since: there is nothing new to be seen. */
	zone->huge.to = zone->start;
	huge_look(zone);
	assert_int_equal(advised(), 0);
	zone->huge.purged = 0;
	huge_look(zone);
	assert_true(advised() >= MIB(48));
	/* Of each pageblock, three quarters go back. */
	for (int i = 0; i < 48; i++)
		assert_true(zone_resize(zone, run[i], MIB(1) / 4 >>
					topo.page_shift));
	zone_reclaim(zone, 0, SIZE_MAX);
	zone->huge.purged = 0;
	huge_look(zone);
	assert_int_equal(advised(), 0);
	assert_true(zone->huge.given_up);
}

/* Parts of huge pages stay while they are few; malloc_trim takes them. */
static void test_keeps(void **state)
{
	struct page *run[RUNS];

	need(state);
	take_all(run);
	huge_look(zone);
	assert_true(advised());
	zone_reclaim(zone, 0, SIZE_MAX);
	for (int i = 0; i < 48; i += 8)
		zone_free(zone, run[i]);
	assert_int_equal(zone_reclaim(zone, 1, SIZE_MAX), 0);
	for (int i = 2; i < 48; i += 8)
		zone_free(zone, run[i]);
	assert_true(zone_reclaim(zone, 1, SIZE_MAX));
	assert_true(zone_reclaim(zone, 0, SIZE_MAX));
	assert_int_equal(zone->free_pages[DIRTY], 0);
}

/* Of a pageblock that is free, what only the huge page touched goes as well. */
static void test_whole(void **state)
{
	struct page *run;
	char *at;

	need(state);
	conf.hugepages = HUGEPAGES_ALWAYS;
	run = take(MIB(1) / 2);
	touch(run, 1);
	at = pfn_address(pfn_of(run) >> topo.pageblock_order
			 << topo.pageblock_order);
	assert_true(os_resident(at, pageblock_bytes()) >= run->npages);
	zone_free(zone, run);
	zone_reclaim(zone, 0, SIZE_MAX);
	assert_int_equal(os_resident(at, pageblock_bytes()), 0);
}

/* All is resident, but a fifth of it only because the pages are huge. */
static void test_wasteful(void **state)
{
	size_t block = (size_t)1 << topo.pageblock_order;
	unsigned kind;

	need(state);
	grow_dense(64);
	while (zone->free_pages[CLEAN] >= block)
		touch(zone_alloc(zone, block, block, &kind), 1);
	for (int i = 0; i < 8; i++)
		touch(zone_alloc(zone, block / 8, block, &kind), 1);
	assert_true(advised());
	huge_look(zone);
	assert_int_equal(advised(), 0);
}

/* Locked memory, and what the program brought, is not looked at. */
static void test_other_zones(void **state)
{
	need(state);
	conf.hugepages = HUGEPAGES_NEVER;
	grow_dense(64);
	conf.hugepages = HUGEPAGES_AUTO;
	zone->type = ZONE_DMA;
	huge_look(zone);
	assert_int_equal(advised(), 0);
	zone->type = ZONE_MOVABLE;
	huge_look(zone);
	assert_int_equal(advised() > 0, huge_works());
}

/*
 * What lies on another node goes back, and with it the huge pages, of which
 * the node had none; they come again when the zone has grown by a quarter.
 */
static void test_strayed(void **state)
{
	struct page *run[RUNS];
	unsigned there = (unsigned)topo.node_id[0], taken = 0;

	need(state);
	take_all(run);
	huge_look(zone);
	assert_true(advised());
	for (int i = 0; i < 48; i += 4)
		zone_free(zone, run[i]);
	assert_int_equal(zone_drop_strays(zone, there), 0);
	assert_true(advised());
	if (!zone_drop_strays(zone, there + 1))
		skip();	/* move_pages is refused */
	assert_int_equal(advised(), 0);
	huge_look(zone);
	assert_int_equal(advised(), 0);
	for (; !advised() && taken < 64; taken++)
		touch(take(MIB(1)), 1);
	assert_in_range(taken, 12, 63);
}

static void test_options(void **state)
{
	need(state);
	conf.hugepages = HUGEPAGES_NEVER;
	grow_dense(64);
	assert_int_equal(advised(), 0);
	conf.hugepages = HUGEPAGES_ALWAYS;
	take(MIB(1));
	assert_true(advised());
}

/* Mappings of the zone: lines of /proc/self/maps that begin in it. */
static unsigned mappings(void)
{
	uintptr_t from = (uintptr_t)pfn_address(zone->start);
	uintptr_t to = (uintptr_t)pfn_address(zone->end), at;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx", &at) == 1)
			n += at >= from && at < to;
	fclose(maps);
	return n;
}

static void churn(void)
{
	struct page *run[100] = { NULL };
	unsigned most = 0;

	for (int op = 0; op < 6000; op++) {
		struct page **r = &run[unit_below(100)];

		if (*r) {
			/* As if mremap had brought its pages. */
			if (!unit_below(4))
				(*r)->flags |= PAGE_MOVED;
			zone_free(zone, *r);
			*r = NULL;
		} else {
			*r = take(KIB(64) << unit_below(unit_below(16) ? 5 : 9));
			touch(*r, unit_below(3) ? 1 : 16);
		}
		if (op % 500 == 499)
			zone_reclaim(zone, 0, SIZE_MAX);
		if (op % 700 == 699)
			zone_shrink(zone);
		if (op % 100 == 99)
			most = (unsigned)max_u64(most, mappings());
	}
	/* Three, and some whose pages came at different times; not hundreds. */
	assert_in_range(most, 1, 16);
	for (int i = 0; i < 100; i++)
		if (run[i])
			zone_free(zone, run[i]);
	zone_reclaim(zone, 0, SIZE_MAX);
	zone_shrink(zone);
	assert_int_equal(zone->present, zone->start);
	assert_int_equal(advised(), 0);
}

static void test_mappings(void **state)
{
	need(state);
	churn();
}

static void test_mappings_always(void **state)
{
	need(state);
	conf.hugepages = HUGEPAGES_ALWAYS;
	churn();
}

static void test_resident(void **state)
{
	struct page *page = take(MIB(4));
	size_t n = page->npages;

	need(state);
	assert_int_equal(os_resident(page_address(page), MIB(4)), 0);
	touch(page, 2);
	assert_int_equal(os_resident(page_address(page), MIB(4)), n / 2);
	touch(page, 1);
	assert_int_equal(os_resident(page_address(page), MIB(4)), n);
	assert_int_equal(os_resident((void *)1, MIB(4)), -1);
}

static int set_up(void **state)
{
	static struct zone zones[ZONES];
	unsigned shift;

	(void)state;
	unit_machine(GIB(64));
	shift = log2_floor(GIB(2)) - topo.page_shift;
	nodes.zone_shift = shift;
	nodes.nr_zones = ZONES;
	for (unsigned i = 0; i < ZONES; i++) {
		nodes.zones[i] = &zones[i];
		zone_init(nodes.zones[i], 0,
			  i == NORMAL ? ZONE_NORMAL : ZONE_MOVABLE,
			  (pfn_t)i << shift, (pfn_t)(i + 1) << shift);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_resident, fresh),
		cmocka_unit_test_setup(test_small, fresh),
		cmocka_unit_test_setup(test_small, fresh_normal),
		cmocka_unit_test_setup(test_sparse, fresh),
		cmocka_unit_test_setup(test_options, fresh),
		cmocka_unit_test_setup(test_mappings, fresh),
		cmocka_unit_test_setup(test_mappings_always, fresh),
		cmocka_unit_test_setup(test_whole, fresh),
		cmocka_unit_test_setup(test_other_zones, fresh),
		cmocka_unit_test_setup(test_wasteful, skip_without),
		cmocka_unit_test_setup(test_dense, skip_without),
		cmocka_unit_test_setup_teardown(test_lengths, skip_larger,
						drop),
		cmocka_unit_test_setup_teardown(test_dear, skip_unpriced, drop),
		cmocka_unit_test_setup_teardown(test_dearer, skip_unpriced,
						drop),
		cmocka_unit_test_setup(test_collapse, skip_without),
		cmocka_unit_test_setup(test_untouched, skip_without),
		cmocka_unit_test_setup(test_long_run, skip_without),
		cmocka_unit_test_setup(test_look, skip_without),
		cmocka_unit_test_setup(test_keeps, skip_without),
		cmocka_unit_test_setup(test_strayed, skip_without),
		cmocka_unit_test_setup(test_again, skip_larger),
		cmocka_unit_test_setup(test_medium, skip_larger),
		cmocka_unit_test_setup(test_holes, skip_larger),
		cmocka_unit_test_setup(test_longer, skip_larger),
	};

	t_start("unit/huge", 120);
	if (cmocka_run_group_tests(tests, set_up, NULL))
		return 1;
	return t_done();
}
