/* SPDX-License-Identifier: MIT */
/*
 * The zone against a naive twin: one byte a page that says free or used.
 * After each batch of operations the whole zone is walked: its blocks must
 * tile it, sums must agree, no two free buddies of one kind may be apart, and
 * what is clean must read as zeros.
 */
#include "unit.h"
#include "os/os.h"
#include "zone/backing.h"
#include "zone/pcp.h"
#include "zone/stretch.h"

enum { PAGES = 16384, RUNS = 600 };

static struct zone *zone;
static struct { struct page *page; size_t n; uint32_t mark; } runs[RUNS];
static uint8_t used[1 << 20];

static void mark(struct page *page, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++) {
		pfn_t at = pfn_of(page) + i - zone->start;

		assert_true(at < sizeof(used));
		assert_int_equal(used[at], !value);
		used[at] = value;
	}
}

static uint32_t *word(struct page *page, size_t i)
{
	return pfn_address(pfn_of(page) + i);
}

static bool is_zero(struct page *page, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (*word(page, i) || *(word(page, i + 1) - 1))
			return false;
	return true;
}

/* The dirty pages of a free block, counted through its parts. */
static size_t walk_free(struct page *page, unsigned order)
{
	size_t n = (size_t)1 << order;
	struct page *upper = page_at(pfn_of(page) + n / 2);

	if (page->free.mixed & 1u << order) {
		assert_int_equal(upper->type, PAGE_PART);
		return walk_free(page, order - 1) +
		       walk_free(upper, order - 1);
	}
	for (size_t i = 1; i < n; i++)
		assert_int_equal(page_at(pfn_of(page) + i)->type, PAGE_NONE);
	if (page->flags & PAGE_DIRTY)
		return n;
	if (n <= 64)
		assert_true(is_zero(page, n));
	return 0;
}

static bool in_free_map(pfn_t pfn)
{
	return window.free_map[pfn / 64] >> pfn % 64 & 1;
}

static void walk(void)
{
	size_t free[2] = { 0, 0 }, taken = 0;
	pfn_t pfn = zone->start;

	while (pfn < zone->present) {
		struct page *page = page_at(pfn);
		size_t n = page->type == PAGE_LARGE ? page->npages
						    : (size_t)1 << page->order;

		assert_true(page->type == PAGE_LARGE ||
			    page->type == PAGE_FREE);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(used[pfn + i - zone->start],
					 page->type == PAGE_LARGE);
			if (zone->is_mapped)
				assert_int_equal(in_free_map(pfn + i),
						 page->type == PAGE_FREE);
		}
		if (page->type == PAGE_FREE) {
			pfn_t buddy = pfn ^ n;

			assert_int_equal(walk_free(page, page->order),
					 page->free.dirty);
			free[DIRTY] += page->free.dirty;
			free[CLEAN] += n - page->free.dirty;
			assert_int_equal(pfn & (n - 1), 0);
			if (page->order < zone->max_order &&
			    buddy >= zone->start && buddy + n <= zone->present)
				assert_false(page_at(buddy)->type == PAGE_FREE &&
					     page_at(buddy)->order ==
						     page->order);
		} else {
			for (size_t i = 1; i < n; i++)
				assert_int_equal(page_at(pfn + i)->type,
						 PAGE_NONE);
			taken += n;
		}
		pfn += n;
	}
	assert_int_equal(pfn, zone->present);
	assert_int_equal(free[CLEAN], zone->free_pages[CLEAN]);
	assert_int_equal(free[DIRTY], zone->free_pages[DIRTY]);
	assert_int_equal(taken, zone->used_pages);
}

static size_t random_length(void)
{
	return 1 + unit_below((uint64_t)1 << unit_below(11));
}

static void take(unsigned i)
{
	size_t align = (size_t)1 << unit_below(unit_below(8) ? 1 : 12);
	size_t n = random_length();
	unsigned kind;
	struct page *page = zone_alloc(zone, n, align, &kind);

	if (!page)
		return;
	assert_int_equal((uintptr_t)page_address(page) %
			 (align << topo.page_shift), 0);
	assert_int_equal(page->npages, n);
	mark(page, n, 1);
	if (kind == CLEAN)
		assert_true(is_zero(page, n));
	runs[i].page = page;
	runs[i].n = n;
	runs[i].mark = (uint32_t)unit_random() | 1;
	for (size_t k = 0; k < n; k++)
		*word(page, k) = runs[i].mark + (uint32_t)k;
}

static void check_content(unsigned i, size_t n)
{
	for (size_t k = 0; k < n; k++)
		assert_int_equal(*word(runs[i].page, k),
				 runs[i].mark + (uint32_t)k);
}

static void give(unsigned i)
{
	check_content(i, runs[i].n);
	mark(runs[i].page, runs[i].n, 0);
	zone_free(zone, runs[i].page);
	runs[i].page = NULL;
}

static void resize(unsigned i)
{
	size_t n = random_length(), was = runs[i].n;
	struct page *page = runs[i].page;

	if (!zone_resize(zone, page, n))
		return;
	assert_int_equal(page->npages, n);
	if (n < was) {
		mark(page_at(pfn_of(page) + n), was - n, 0);
	} else if (n > was) {
		mark(page_at(pfn_of(page) + was), n - was, 1);
		for (size_t k = was; k < n; k++)
			*word(page, k) = runs[i].mark + (uint32_t)k;
	}
	runs[i].n = n;
	check_content(i, n < was ? n : was);
}

/* What a search finds is free, aligned, and begins in the block it is said to. */
static unsigned check_stretches(void)
{
	unsigned found = 0;

	for (int i = 0; i < 50; i++) {
		size_t align = (size_t)1 << unit_below(5), n = random_length();
		const struct page *block;
		pfn_t run;

		if (!stretch_find_locked(zone, n, align, CLEAN, MIXED, &run))
			continue;
		found++;
		assert_int_equal(run % align, 0);
		assert_in_range(run, zone->start, zone->present - n);
		for (size_t k = 0; k < n; k++)
			assert_false(used[run + k - zone->start]);
		block = zone_block_locked(zone, run, 0);
		assert_non_null(block);
		assert_int_equal(block->type, PAGE_FREE);
		assert_true(run - pfn_of(block) < (pfn_t)1 << block->order);
	}
	return found;
}

static void test_model(void **state)
{
	unsigned found = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		for (int op = 0; op < 2000; op++) {
			unsigned i = (unsigned)unit_below(RUNS);

			if (!runs[i].page)
				take(i);
			else if (unit_below(4))
				give(i);
			else
				resize(i);
		}
		if (round % 5 == 4)
			zone_reclaim(zone, unit_below(1000), SIZE_MAX);
		walk();
		found += check_stretches();
	}
	assert_true(zone->is_mapped);
	assert_true(found > 60);
	for (unsigned i = 0; i < RUNS; i++)
		if (runs[i].page)
			give(i);
	zone_reclaim(zone, 0, SIZE_MAX);
	walk();
	assert_int_equal(zone->used_pages, 0);
	assert_int_equal(zone->free_pages[DIRTY], 0);
}

/* The free end goes back; what is used stays, and the zone grows again. */
static void test_shrink(void **state)
{
	unsigned kind;
	struct page *a = zone_alloc(zone, 3000, 1, &kind);
	struct page *b = zone_alloc(zone, 3000, 1, &kind);

	(void)state;
	mark(a, 3000, 1);
	zone_free(zone, b);
	zone_shrink(zone);
	assert_true(zone->present - pfn_of(a) <
		    3000 + 2 * ((size_t)1 << topo.pageblock_order));
	walk();
	mark(a, 3000, 0);
	zone_free(zone, a);
	zone_shrink(zone);
	assert_int_equal(zone->present, zone->start);
	walk();
	a = zone_alloc(zone, 5000, 1, &kind);
	assert_int_equal(kind, CLEAN);
	assert_true(is_zero(a, 5000));
	zone_free(zone, a);
	mark(a, 0, 0);
	walk();
}

/* A resident block is handed out before an untouched one. */
static void test_dirty_first(void **state)
{
	unsigned kind;
	struct page *a = zone_alloc(zone, 7, 1, &kind);
	void *was = page_address(a);

	(void)state;
	zone_free(zone, a);
	a = zone_alloc(zone, 5, 1, &kind);
	assert_int_equal(kind, DIRTY);
	assert_ptr_equal(page_address(a), was);
	zone_free(zone, a);
}

/* Five of eight pages: the other three stay free for others. */
static void test_exact(void **state)
{
	unsigned kind;
	size_t before = zone->used_pages;
	struct page *a = zone_alloc(zone, 1280, 1, &kind);

	(void)state;
	assert_int_equal(zone->used_pages - before, 1280);
	assert_true(zone_resize(zone, a, 1));
	assert_int_equal(zone->used_pages - before, 1);
	assert_true(zone_resize(zone, a, 1280));
	zone_free(zone, a);
	assert_int_equal(zone->used_pages, before);
}

/*
 * A run of 75 pages that is freed is no buddy, nor a few that are easily found;
 * the next one of its length takes its place all the same, an aligned one too.
 */
static void test_same_place(void **state)
{
	struct page *run[64], *guard[64];
	void *was[64];
	unsigned kind, hits = 0;
	size_t present;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		run[i] = zone_alloc(zone, 75, 1, &kind);
		guard[i] = zone_alloc(zone, 1, 1, &kind);
		was[i] = page_address(run[i]);
	}
	present = zone->present;
	for (unsigned round = 0; round < 100; round++) {
		unsigned i = (unsigned)unit_below(64);

		zone_free(zone, run[i]);
		run[i] = zone_alloc(zone, round & 1 ? 70 : 75,
				    round & 1 ? 4 : 1, &kind);
		assert_non_null(run[i]);
		if (round & 1)
			assert_true(!((uintptr_t)page_address(run[i]) &
				      (4 * page_bytes() - 1)));
		hits += page_address(run[i]) == was[i];
		was[i] = page_address(run[i]);
	}
	assert_int_equal(zone->present, present);
	assert_true(hits > 30);
	for (unsigned i = 0; i < 64; i++) {
		zone_free(zone, run[i]);
		zone_free(zone, guard[i]);
	}
}

/*
 * What was in use lately stays warm; two periods later it goes back. Blocks of
 * the per-CPU lists count as well.
 */
static void test_watermarks(void **state)
{
	size_t n = MIB(40) >> topo.page_shift;
	unsigned order = log2_floor(n / 640);	/* the lists do not grow the zone */
	struct pcp pcp = { .count = 0 };
	struct page *page[640];
	unsigned kind;

	(void)state;
	zone_reclaim(zone, 0, SIZE_MAX);
	resident_forget_peaks(zone->resident);
	zone->resident->period_start = os_now();
	page[0] = zone_alloc(zone, n, 1, &kind);
	zone_free(zone, page[0]);
	assert_true(zone->free_pages[DIRTY] >= n);
	resident_forget_peaks(zone->resident);
	page[0] = zone_alloc(zone, 1, 1, &kind);
	zone_free(zone, page[0]);
	assert_true(zone->free_pages[DIRTY] < n / 2);

	for (int i = 0; i < 640; i++) {
		page[i] = pcp_alloc(&pcp, zone, order, &kind);
		assert_non_null(page[i]);
	}
	zone->resident->peak[0] = zone->resident->peak[1] = 0;
	for (int i = 0; i < 640; i++)
		pcp_free(&pcp, zone, page[i], order);
	assert_true(zone->free_pages[DIRTY] < n / 2);
	node_drain(&pcp);
}

/* So many pages are in use, and n of the zone dirty, from this moment on. */
static struct page *leave_dirty(struct zone *normal, size_t used, size_t n)
{
	struct resident *r = zone->resident;
	unsigned kind;
	struct page *keep = zone_alloc(normal, used, 1, &kind);

	zone_reclaim(zone, 0, SIZE_MAX);
	zone_reclaim(normal, 0, SIZE_MAX);
	zone_free(zone, zone_alloc(zone, n, 1, &kind));
	resident_forget_peaks(r);
	r->period_start = r->moment_start = os_now();
	r->most = SIZE_MAX;
	return keep;
}

/*
 * 24 MiB that large blocks have left: they stay while somebody takes some of
 * them now and then, and make room for slabs when nobody does.
 */
static void test_makes_room(void **state)
{
	struct zone *normal = nodes.zones[ZONE_NORMAL];
	struct resident *r = zone->resident;
	size_t n = MIB(24) >> topo.page_shift;
	unsigned kind;

	(void)state;
	assert_ptr_equal(r, normal->resident);
	for (unsigned idle = 0; idle < 2; idle++) {
		struct page *keep = leave_dirty(normal, 8 * n, n), *page;

		r->least_dirty[0] = r->least_dirty[1] = idle ? n : 0;
		assert_int_equal(zone->free_pages[DIRTY], n);
		page = zone_alloc(normal, n / 4, 1, &kind);
		assert_int_equal(kind, CLEAN);
		if (idle)
			assert_true(zone->free_pages[DIRTY] < n / 2);
		else
			assert_int_equal(zone->free_pages[DIRTY], n);
		zone_free(normal, page);
		zone_free(normal, keep);
	}
}

/*
 * 3 MiB are within the slack; but when none of them was wanted for two whole
 * periods they make room, too. Not those that somebody took meanwhile, nor what
 * is freed after it, nor what the program wants to be kept.
 */
static void test_long_idle(void **state)
{
	struct zone *normal = nodes.zones[ZONE_NORMAL];
	struct resident *r = zone->resident;
	size_t n = MIB(3) >> topo.page_shift;
	unsigned kind;

	(void)state;
	for (unsigned idle = 0; idle < 3; idle++) {
		struct page *keep = leave_dirty(normal, 60 * n, n), *page;

		r->trust = 0;	/* of the tests before */
		balance.slack = idle == 2 ? n : 0;
		r->least_long[0] = r->least_long[1] = n;
		r->least_long[2] = idle ? n : 0;
		page = zone_alloc(normal, n / 4, 1, &kind);
		assert_int_equal(kind, CLEAN);
		if (idle == 1) {
			struct page *next;
			size_t left = zone->free_pages[DIRTY];

			assert_true(left <= n / 3);
			zone_free(zone, zone_alloc(zone, n, 1, &kind));
			next = zone_alloc(normal, n / 4, 1, &kind);
			assert_true(zone->free_pages[DIRTY] >= n - left);
			zone_free(normal, next);
		} else {
			assert_int_equal(zone->free_pages[DIRTY], n);
		}
		balance.slack = 0;
		zone_free(normal, page);
		zone_free(normal, keep);
	}
}

/*
 * What never was so much makes room in the other zone, page for page, though
 * that was in use a moment ago; not in its own, where the next block may fit,
 * and not where the program swings or has said what is kept.
 */
static void test_held_down(void **state)
{
	enum how { BEFORE, OWN, SWINGS, SAID, MOST };
	struct zone *normal = nodes.zones[ZONE_NORMAL];
	struct resident *r = zone->resident;
	size_t n = MIB(12) >> topo.page_shift;
	unsigned kind;

	(void)state;
	for (enum how how = BEFORE; how <= MOST; how++) {
		struct page *keep = leave_dirty(normal, 4 * n, n), *page;
		struct zone *from = how == OWN ? zone : normal;
		uint64_t purged = zone->purged_pages;
		size_t resident = resident_used(r) + resident_dirty(r);

		r->least_dirty[0] = r->least_dirty[1] = 0;
		r->least_long[0] = 0;
		if (how != BEFORE)
			r->most = resident;
		r->trust = how == SWINGS ? 9 : 0;
		balance.slack = how == SAID ? n : 0;
		page = zone_alloc(from, n, 1, &kind);
		purged = zone->purged_pages - purged;
		if (how == MOST)
			assert_in_range(purged, n / 2, n);
		else
			assert_int_equal(purged, 0);
		balance.slack = 0;
		r->trust = 0;
		zone_free(from, page);
		zone_free(normal, keep);
	}
}

/* Over the largest order, and over what there is. */
static void test_long(void **state)
{
	size_t gib = GIB(1) >> topo.page_shift;
	unsigned kind;
	struct page *a = zone_alloc(zone, gib + gib / 2 + 1, 1, &kind);
	struct page *b;
	size_t present;

	(void)state;
	assert_non_null(a);
	*(char *)pfn_address(pfn_of(a) + gib + gib / 2) = 1;
	present = zone->present;
	zone_free(zone, a);
	b = zone_alloc(zone, gib + gib / 2, 1, &kind);
	assert_non_null(b);
	assert_int_equal(zone->present, present);	/* reused, not grown */
	zone_free(zone, b);
	assert_null(zone_alloc(zone, zone->end - zone->start + 1, 1, &kind));
	assert_null(zone_alloc(zone, SIZE_MAX / 2, SIZE_MAX / 2 + 1, &kind));
}

/*
 * ---- pageblocks of 32 MiB, as with pages of 16 KiB ----
 * What is present and not in use is a step of growth, not a pageblock.
 */
static size_t unused(void)
{
	return (zone->present - zone->start - zone->used_pages)
	       << topo.page_shift;
}

static void test_steps(void **state)
{
	struct page *run[64];
	struct pageblocks blocks;
	unsigned kind;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		run[i] = zone_alloc(zone, MIB(1) >> topo.page_shift, 1, &kind);
		assert_non_null(run[i]);
		assert_in_range(unused(), 0, MIB(2) - 1);
	}
	zone_pageblocks(zone, &blocks);
	assert_int_equal(blocks.nr[BLOCKS_MOVABLE], 2);
	while (unused())
		zone_alloc(zone, 1, 1, &kind);
	run[1] = zone_alloc(zone, 1, 1, &kind);
	zone_pageblocks(zone, &blocks);
	assert_int_equal(blocks.nr[BLOCKS_MOVABLE], 3);
	zone_free(zone, run[1]);
	zone_shrink(zone);
	assert_int_equal(unused(), 0);
	/* A run of its own order begins at a multiple of it. */
	run[1] = zone_alloc(zone, MIB(8) >> topo.page_shift, 1, &kind);
	assert_int_equal((uintptr_t)page_address(run[1]) % MIB(8), 0);
}

/* What is to be huge is added by pageblocks, and shrinks by them. */
static void test_huge_steps(void **state)
{
	size_t block = (size_t)1 << topo.pageblock_order;
	struct page *page;
	unsigned kind;

	(void)state;
	conf.hugepages = HUGEPAGES_ALWAYS;
	page = zone_alloc(zone, 1, 1, &kind);
	assert_int_equal(zone->present, zone->start + block);
	assert_int_equal(zone->huge.to, zone->present);
	zone_shrink(zone);
	assert_int_equal(zone->present, zone->start + block);
	zone_free(zone, page);
	zone_shrink(zone);
	assert_int_equal(zone->present, zone->start);
	conf.hugepages = HUGEPAGES_AUTO;
}

static int set_up(void **state)
{
	(void)state;
	unit_machine(GIB(16));
	zone = nodes.zones[ZONE_MOVABLE];
	return 0;
}

static int set_up_large(void **state)
{
	(void)state;
	topo.pageblock_order = log2_floor(MIB(32)) - topo.page_shift;
	assert_true(window_init(GIB(16)));
	return 0;
}

static int fresh(void **state)
{
	static struct zone zones[5];
	static unsigned nr;
	pfn_t block = (pfn_t)1 << topo.pageblock_order;
	pfn_t size = align_down(window.nr_pages / ARRAY_SIZE(zones), block);

	(void)state;
	zone = &zones[nr];
	zone_init(zone, 0, ZONE_MOVABLE, nr * size, (nr + 1) * size);
	nr++;
	memset(used, 0, sizeof(used));
	return 0;
}

/*
 * Two zones side by side, the first grown to its end: the 64 free pages there
 * and the 64 that the next one begins with are no stretch of 100.
 */
static void test_neighbours(void **state)
{
	static struct zone low, high;
	pfn_t border = window.nr_pages - 4096;
	struct page *first, *last;
	unsigned kind;

	(void)state;
	zone_init(&low, 0, ZONE_NORMAL, border - 4096, border);
	zone_init(&high, 0, ZONE_MOVABLE, border, border + 4096);
	first = zone_alloc(&high, 64, 1, &kind);
	assert_int_equal(pfn_of(first), border);
	assert_non_null(zone_alloc(&high, 64, 1, &kind));
	zone_free(&high, first);
	zone_free(&high, zone_alloc(&high, 100, 1, &kind));
	assert_true(high.is_mapped);
	assert_non_null(zone_alloc(&low, 4032, 1, &kind));
	last = zone_alloc(&low, 64, 1, &kind);
	assert_int_equal(pfn_of(last), border - 64);
	zone_free(&low, last);
	assert_null(zone_alloc(&low, 100, 1, &kind));
	assert_int_equal(low.free_pages[CLEAN] + low.free_pages[DIRTY], 64);
}

static void period(struct resident *r, bool mistaken)
{
	r->refaults += mistaken ? 100 : 0;
	resident_new_period(r);
}

/* Three periods with refaults, and nothing is idle for sixteen more. */
static void test_mistakes(void **state)
{
	struct resident r = { .refaults = 1 };
	unsigned left;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(r.trust, 0);
		period(&r, true);
	}
	assert_int_equal(r.trust, 16);
	for (left = 16; left-- > 0;) {
		r.misfit = 7;
		period(&r, false);
		assert_int_equal(r.trust, left);
		assert_int_equal(r.misfit, left ? 7 : 0);
	}
	/* It goes on: at once, and for longer; but there is an end to that. */
	for (unsigned length = 32; length <= 128; length *= 2) {
		period(&r, true);
		for (left = length < 64 ? length : 64; left; left--) {
			assert_int_equal(r.trust, left);
			period(&r, false);
		}
		assert_int_equal(r.trust, 0);
	}
	/* It is over, and that is forgotten. */
	for (int i = 0; i < 8; i++)
		period(&r, false);
	/* With a good one in between they do not count. */
	for (int i = 0; i < 8; i++) {
		period(&r, i % 3 != 2);
		assert_int_equal(r.trust, 0);
	}
}

/* What was resident beyond the peak when more was wanted stays, while trusted. */
static void test_misfit(void **state)
{
	struct resident *r = zone->resident;
	size_t n = MIB(64) >> topo.page_shift;
	struct page *half[2];
	uint64_t refaults;
	size_t high;
	unsigned kind;

	(void)state;
	half[0] = zone_alloc(zone, n, 1, &kind);
	half[1] = zone_alloc(zone, n, 1, &kind);
	zone_free(zone, half[1]);
	assert_int_equal(resident_used(r), n);
	assert_true(resident_dirty(r) >= n);
	r->period_start = os_now();
	r->peak[0] = r->peak[1] = n;
	r->trust = r->misfit = 0;
	high = resident_high(r);
	zone_took(zone, 1);
	assert_int_equal(r->misfit, 0);
	r->trust = 9;
	half[1] = zone_alloc(zone, n, 1, &kind);
	zone_free(zone, half[1]);
	r->peak[0] = r->peak[1] = n;
	assert_true(resident_dirty(r) > n / 4);
	zone_took(zone, 1);
	assert_int_equal(r->misfit, n / 4);
	assert_true(resident_high(r) > high);
	assert_int_equal(resident_high(r), n / 4 * 9 / 8);
	r->misfit = n;
	assert_int_equal(resident_high(r), n / 2);
	/* Of what went back in the period before, too, some is wanted again. */
	refaults = r->refaults;
	r->purged[0] = 5;
	r->purged[1] = 50;
	zone_took(zone, 20);
	assert_int_equal(r->refaults - refaults, 20);
	assert_int_equal(r->purged[0] + r->purged[1], 35);
	r->trust = r->misfit = 0;
	zone_free(zone, half[0]);
	zone_reclaim(zone, 0, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_first),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_same_place),
		cmocka_unit_test(test_watermarks),
		cmocka_unit_test(test_makes_room),
		cmocka_unit_test(test_long_idle),
		cmocka_unit_test(test_held_down),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_mistakes),
	};

	const struct CMUnitTest large[] = {
		cmocka_unit_test_setup(test_steps, fresh),
		cmocka_unit_test_setup(test_huge_steps, fresh),
		cmocka_unit_test_setup(test_model, fresh),
		cmocka_unit_test_setup(test_shrink, fresh),
		cmocka_unit_test_setup(test_misfit, fresh),
		cmocka_unit_test(test_neighbours),
	};

	t_start("unit/zone", 120);
	if (cmocka_run_group_tests(tests, set_up, NULL) ||
	    cmocka_run_group_tests(large, set_up_large, NULL))
		return 1;
	return t_done();
}
