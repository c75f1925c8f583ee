/* SPDX-License-Identifier: MIT */
/*
 * When memory is to be huge.
 *
 * A fault of a huge page takes as long as sixty of small ones, and serves 512
 * of them; but it makes the whole 2 MiB resident. A program that touches a
 * page here and there would pay many times its memory. Nobody can tell before
 * a block is touched. But it can be seen afterwards, and what a program did
 * with its last blocks it goes on doing: so memory is plain at first, the
 * kernel is asked now and then how full its pageblocks are (mincore), and
 * huge pages are asked for where they would have cost at most a twelfth more,
 * holes that the next blocks fill aside.
 */
#include "zone/huge.h"

#include "conf/conf.h"
#include "os/os.h"
#include "topo/sysfs.h"
#include "zone/backing.h"

enum {
	SAMPLES = 32,		/* pageblocks looked at: a microsecond each */
	/*
	 * Smaller zones stay plain: a pageblock that was just begun is a
	 * sixteenth of that. (With 8 MiB a row of 30 MiB took 9 % less time, but
	 * heaps of 7 to 27 MiB up to 19 % more memory, 6 on the mean.) Less for
	 * large blocks, which gain most, and for all where the administrator
	 * wants huge pages everywhere; then a zone found nearly full is not
	 * probed again.
	 */
	MIN_BYTES = 32 << 20,
	MIN_BYTES_LESS = 16 << 20,
	PROBE_BYTES = 8 << 20,	/* enough pageblocks to judge by */
};

#define PRICED (~(pfn_t)0)	/* nothing waits for its price */

/* Where a huge page is larger than a pageblock, none is asked for. */
bool huge_works(void)
{
	return topo.huge_bytes && topo.huge_bytes <= pageblock_bytes() &&
	       !os_huge_forbidden() &&
	       sysfs_huge_sizes(page_bytes(), topo.huge_bytes);
}

/* What the kernel has; read when the first zone is large enough to care. */
static bool works(void)
{
	static uint32_t known;	/* (A) 0: not read yet, 1: yes, 2: no */

	if (!READ_ONCE(known))
		WRITE_ONCE(known, huge_works() ? 1 : 2);
	return READ_ONCE(known) == 1;
}

/* What is locked or brought by the program is left as it is. */
static bool is_auto(const struct zone *zone)
{
	return conf.hugepages == HUGEPAGES_AUTO && zone_purges(zone);
}

static pfn_t block_pages(void)
{
	return (pfn_t)1 << topo.pageblock_order;
}

static size_t min_pages(const struct zone *zone)
{
	bool less = zone->type == ZONE_MOVABLE || topo.huge_always;

	return (less ? MIN_BYTES_LESS : MIN_BYTES) >> topo.page_shift;
}

static void advise(pfn_t from, pfn_t to, bool huge)
{
	size_t bytes = (to - from) << topo.page_shift;

	if (to <= from)
		return;
	if (huge)
		os_huge(pfn_address(from), bytes);
	else
		os_no_huge(pfn_address(from), bytes);
}

/* True: a free block covers the whole pageblock at pfn. */
static bool is_free_locked(const struct zone *zone, pfn_t pfn)
{
	return zone_block_locked(zone, pfn, topo.pageblock_order);
}

/* Pageblocks of [from, to) that are in use at least in part, at random. */
static unsigned sample_locked(const struct zone *zone, pfn_t from, pfn_t to,
			      pfn_t *sample)
{
	size_t blocks, strata;
	uint64_t dice = os_random() | 1;
	unsigned n = 0;

	/* Where steps are shorter than pageblocks, parts of one at both ends. */
	from = align_up(from, block_pages());
	blocks = from < to ? (to - from) >> topo.pageblock_order : 0;
	strata = min_u64(blocks, SAMPLES);
	for (size_t i = 0; i < strata; i++) {
		size_t first = i * blocks / strata;
		size_t next = (i + 1) * blocks / strata;
		pfn_t pfn;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		pfn = from + ((first + (dice >> 33) % (next - first))
			      << topo.pageblock_order);
		if (!is_free_locked(zone, pfn))
			sample[n++] = pfn;
	}
	return n;
}

/*
 * Free pages without memory, in pageblocks that are in use in part: huge pages
 * would make, or have made, them resident.
 */
static size_t holes_locked(const struct zone *zone)
{
	size_t clean = 0;

	for (unsigned order = 0; order < topo.pageblock_order; order++)
		clean += zone->free_area[order].nr[CLEAN] << order;
	return clean;
}

enum verdict { SPARSE, MEDIUM, FULL };

/*
 * What huge pages would cost in [from, to), where all was faulted singly. A
 * zone that grows has holes, which the next blocks fill: up to a twelfth is not
 * held against it. (Holes of huge pages are resident, and counted so.)
 */
static enum verdict fullness(struct zone *zone, pfn_t from, pfn_t to)
{
	size_t block_bytes = pageblock_bytes(), resident = 0, all, holes, used;
	pfn_t sample[SAMPLES];
	unsigned n;

	lock(&zone->lock, LOCK_ZONE);
	used = zone->used_pages;
	holes = holes_locked(zone);
	n = sample_locked(zone, from, to, sample);
	unlock(&zone->lock, LOCK_ZONE);
	if (zone->huge.to > zone->start && holes > used / 12 + block_pages())
		return SPARSE;
	for (unsigned i = 0; i < n; i++) {
		long pages = os_resident(pfn_address(sample[i]), block_bytes);

		if (pages < 0)
			return SPARSE;
		resident += (size_t)pages;
	}
	all = n * block_pages();
	if (!n || resident < all - all / 4)
		return SPARSE;
	if (from >= zone->huge.to)
		resident += min_u64(holes, used / 12) * all /
			    (zone->present - zone->start);
	return resident < all - all / 12 && !topo.huge_always ? MEDIUM : FULL;
}

/* All of the zone up to an end was found full. */
static void set_huge(struct zone *zone, pfn_t end)
{
	struct zone_huge *huge = &zone->huge;

	advise(huge->to, end, true);
	huge->advised += huge->to < end;
	huge->proven = max_u64(huge->proven, READ_ONCE(huge->longest));
	WRITE_ONCE(huge->longest, 0);
	WRITE_ONCE(huge->to, end);
	huge->until = topo.huge_always ? zone->end
				       : end + (end - zone->start);
}

static void set_plain(struct zone *zone)
{
	struct zone_huge *huge = &zone->huge;

	advise(zone->start, huge->to, false);
	WRITE_ONCE(huge->never, max_u64(huge->never, huge->to));
	huge->given_up += huge->to > zone->start;
	WRITE_ONCE(huge->to, zone->start);
	WRITE_ONCE(huge->unpriced, PRICED);
	huge->until = zone->start;
	huge->look_at = max_u64(zone->present, zone->start + min_pages(zone));
}

/*
 * What a run may be if it is to be huge unseen: a quarter of what is in use;
 * or as long as runs that were seen full, if that much is in use besides it.
 * (Where the administrator wants huge pages everywhere: as much as is in use.)
 */
static bool may_be_huge(const struct zone *zone, size_t used, size_t run)
{
	return run <= max_u64(topo.huge_always ? used : used / 4,
			      min_u64(READ_ONCE(zone->huge.proven), used));
}

struct huge_price huge_price = { .fair = 250, .times = 2 };

static uint32_t dear_lately;	/* (A) tries in a row, of any zone: a hint */

/* Of this thread: waiting for a CPU is not counted. 0: it could not be done. */
static uint64_t time_of_touch(void *addr, size_t bytes)
{
	uint64_t start = os_cpu_time();

	return os_populate(addr, bytes) ? os_cpu_time() - start : 0;
}

/* What a pageblock of plain pages takes now: eight times what an eighth does. */
static uint64_t plain_price(void)
{
	size_t bytes = pageblock_bytes() / 8;
	void *sample = os_map(bytes);
	uint64_t ns = 0;

	if (sample) {
		os_no_huge(sample, bytes);
		ns = time_of_touch(sample, bytes);
		os_unmap(sample, bytes);
	}
	return 8 * ns;
}

/* Each try may take milliseconds: after a quarter more, a half, then as much. */
static void try_later(struct zone *zone)
{
	unsigned tries = (unsigned)min_u64(READ_ONCE(dear_lately), 2);
	size_t size = zone->present - zone->start;

	zone->huge.dear_to = zone->present + (size << tries >> 2);
}

static bool is_dear(uint64_t ns)
{
	uint64_t plain;

	if (ns / (pageblock_bytes() >> 10) < huge_price.fair)
		return false;
	plain = plain_price();
	return plain && ns > huge_price.times * plain;
}

/*
 * What does a huge page cost? Usually a hundred microseconds, but the kernel
 * may have to move other pages away first, or a virtual machine's host to find
 * the memory: 4 to 8 ms, where 512 plain pages take 0.8. So of what a zone grew
 * by as huge, the first page that is handed out is touched here, and not in a
 * fault, and timed. What is huge already stays so; what is touched from here
 * on, for the first time or again, is plain.
 */
static void learn_price(struct zone *zone, pfn_t pfn)
{
	struct zone_huge *huge = &zone->huge;
	uint64_t ns = time_of_touch(pfn_address(pfn), page_bytes());

	if (is_dear(ns)) {
		set_plain(zone);
		try_later(zone);
		WRITE_ONCE(huge->dear, huge->dear + 1);
		WRITE_ONCE(dear_lately, READ_ONCE(dear_lately) + 1);
	} else if (ns) {
		WRITE_ONCE(dear_lately, 0);
	}
}

void huge_fresh(struct zone *zone, pfn_t pfn, size_t npages)
{
	struct zone_huge *huge = &zone->huge;
	pfn_t first = max_u64(pfn, READ_ONCE(huge->unpriced));

	if (likely(first >= pfn + npages) ||
	    !trylock(&zone->grow_lock, LOCK_GROW))
		return;
	if (first >= huge->unpriced && first < huge->to) {
		WRITE_ONCE(huge->unpriced, PRICED);
		learn_price(zone, first);
	}
	unlock(&zone->grow_lock, LOCK_GROW);
}

void huge_init(struct zone *zone)
{
	zone->huge.to = zone->huge.never = zone->huge.until = zone->start;
	zone->huge.unpriced = PRICED;
	zone->huge.look_at = zone->start + min_pages(zone);
}

bool huge_next(const struct zone *zone)
{
	const struct zone_huge *huge = &zone->huge;
	pfn_t from = zone->present;

	if (from & (block_pages() - 1) || zone->type >= ZONE_DMA)
		return false;
	return conf.hugepages == HUGEPAGES_ALWAYS ||
	       (conf.hugepages == HUGEPAGES_HUGETLB && zone->pool_to == from) ||
	       (is_auto(zone) && huge->to == from &&
		from + block_pages() <= huge->until);
}

/*
 * What stays plain of a zone of so many pages, to be measured in its turn: a
 * sixteenth, and from 128 MiB on less, down to a sixty-fourth.
 */
static size_t probe_pages(size_t size)
{
	return min_u64(size / 16,
		       max_u64(size / 64, PROBE_BYTES >> topo.page_shift));
}

/*
 * As much as there is may be added unseen; then comes a probe. What was not
 * full may only not be touched yet: a look costs less than a step of growth.
 */
void huge_grown(struct zone *zone, pfn_t from, pfn_t to, size_t run)
{
	struct zone_huge *huge = &zone->huge;
	bool yes = conf.hugepages == HUGEPAGES_ALWAYS;

	/* Locked memory is there already. */
	if (!zone_purges(zone))
		return;
	if (is_auto(zone)) {
		if (huge->to < from && from >= huge->look_at &&
		    from >= huge->dear_to) {
			if (works() && fullness(zone, huge->to, from) == FULL)
				set_huge(zone, from);
			else
				huge->look_at = from + (from - huge->to) / 16;
		}
		yes = huge->to == from && to <= huge->until &&
		      may_be_huge(zone, READ_ONCE(zone->used_pages), run);
		if (!yes && huge->to == from && from > zone->start)
			huge->look_at = from + probe_pages(from - zone->start);
		if (yes)
			WRITE_ONCE(huge->unpriced, from);
	}
	if (yes || topo.huge_always)
		advise(from, to, yes);
	if (yes)
		WRITE_ONCE(huge->to, to);
	else if (topo.huge_always)
		WRITE_ONCE(huge->never, to);
}

void huge_shrunk(struct zone *zone)
{
	struct zone_huge *huge = &zone->huge;

	if (zone->present < zone->start + min_pages(zone)) {
		huge->until = zone->start;
		huge->look_at = zone->start + min_pages(zone);
	}
	WRITE_ONCE(huge->to, min_u64(huge->to, zone->present));
	WRITE_ONCE(huge->never, min_u64(huge->never, zone->present));
	WRITE_ONCE(huge->unpriced, PRICED);
	huge->dear_to = min_u64(huge->dear_to,
				2 * zone->present - zone->start);
}

void huge_run(struct zone *zone, const struct page *page)
{
	struct zone_huge *huge = &zone->huge;
	size_t run = page->npages, used = READ_ONCE(zone->used_pages);

	if (run < block_pages() || !is_auto(zone))
		return;
	if (run > READ_ONCE(huge->longest))
		WRITE_ONCE(huge->longest, run);
	if (pfn_of(page) >= READ_ONCE(huge->to) ||
	    may_be_huge(zone, used - min_u64(used, run), run))
		return;
	lock(&zone->grow_lock, LOCK_GROW);
	set_plain(zone);
	unlock(&zone->grow_lock, LOCK_GROW);
}

/* Unless much of it holds no memory, which it would then. */
bool huge_collapse(struct zone *zone, pfn_t *at)
{
	pfn_t pfn = align_up(max_u64(*at, zone->start), block_pages());
	long resident;
	bool unused;

	if (!is_auto(zone) || pfn + block_pages() > READ_ONCE(zone->huge.to))
		return false;
	*at = pfn + block_pages();
	lock(&zone->lock, LOCK_ZONE);
	unused = is_free_locked(zone, pfn);
	unlock(&zone->lock, LOCK_ZONE);
	resident = unused ? 0 : os_resident(pfn_address(pfn), pageblock_bytes());
	if (resident >= (long)(block_pages() - block_pages() / 12))
		os_collapse(pfn_address(pfn), pageblock_bytes());
	return true;
}

/* Looks again for each quarter of what is in use that went back. */
void huge_look(struct zone *zone)
{
	struct zone_huge *huge = &zone->huge;
	size_t used = READ_ONCE(zone->used_pages);
	uint64_t purged = READ_ONCE(zone->purged_pages);

	if (!is_auto(zone) || zone->present - zone->start < min_pages(zone) ||
	    (huge->purged && purged + 1 - huge->purged < used / 4) || !works() ||
	    !trylock(&zone->grow_lock, LOCK_GROW))
		return;
	huge->purged = purged + 1;
	switch (fullness(zone, zone->start, zone->present)) {
	case SPARSE:
		set_plain(zone);
		break;
	case MEDIUM:
		break;
	case FULL:
		if (zone->present >= huge->dear_to)
			set_huge(zone, zone->present);
		break;
	}
	unlock(&zone->grow_lock, LOCK_GROW);
}

/*
 * A node that has memory may have no huge page, and then the kernel takes one
 * of another node. Plain until a quarter more is used, or has gone back.
 */
void huge_strayed(struct zone *zone)
{
	struct zone_huge *huge = &zone->huge;

	if (!is_auto(zone))
		return;
	lock(&zone->grow_lock, LOCK_GROW);
	set_plain(zone);
	huge->look_at += (zone->present - zone->start) / 4;
	huge->purged = READ_ONCE(zone->purged_pages) + 1;
	unlock(&zone->grow_lock, LOCK_GROW);
}

/*
 * khugepaged makes a huge page of what is advised whatever of it is there, and
 * nobody would see that memory came back: a twelfth at most.
 */
void huge_thinned(struct zone *zone, size_t hollow)
{
	if (READ_ONCE(zone->huge.to) > zone->start &&
	    hollow > READ_ONCE(zone->used_pages) / 12)
		huge_strayed(zone);
}

bool huge_keeps_locked(const struct zone *zone, size_t target)
{
	uint32_t orders = zone->nonempty[DIRTY] | zone->nonempty[MIXED];

	return target && READ_ONCE(zone->huge.to) > zone->start &&
	       !(orders >> topo.pageblock_order) &&
	       zone->free_pages[DIRTY] - target < zone->used_pages / 4;
}

void huge_refreshed(struct zone *zone, pfn_t pfn, size_t npages)
{
	pfn_t end = pfn + npages, to = READ_ONCE(zone->huge.to);

	advise(pfn, min_u64(end, to), true);
	advise(max_u64(pfn, to), min_u64(end, READ_ONCE(zone->huge.never)),
	       false);
}
