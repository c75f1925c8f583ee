/* SPDX-License-Identifier: MIT */
#include "zone/balance.h"

#include "conf/conf.h"
#include "os/os.h"
#include "zone/backing.h"
#include "zone/quota.h"

struct balance balance;

/*
 * All that there are. A zone that joined its node's has left its own, which
 * stays listed and counts nothing.
 */
static struct resident *residents;	/* (A) only added to */

static void enlist(struct resident *r)
{
	struct resident **last = &residents;

	for (; *last; last = &(*last)->next)
		if (*last == r)
			return;
	store_release(last, r);
}

void resident_add(struct resident *r, struct zone *zone)
{
	r->zones[r->nr_zones++] = zone;
	zone->resident = r;
	enlist(r);
}

static bool counts(const struct resident *r)
{
	return r->nr_zones && r->zones[0]->resident == r;
}

/* The first that counts, from r on; NULL: none does. */
static struct resident *that_counts(struct resident *r)
{
	while (r && !counts(r))
		r = load_acquire(&r->next);
	return r;
}

static struct resident *first_resident(void)
{
	return that_counts(load_acquire(&residents));
}

static struct resident *next_resident(const struct resident *r)
{
	return that_counts(load_acquire(&r->next));
}

static size_t sum(size_t (*figure)(const struct resident *r))
{
	size_t total = 0;

	for (const struct resident *r = first_resident(); r; r = next_resident(r))
		total += figure(r);
	return total;
}

static size_t hollow(const struct resident *r)
{
	return READ_ONCE(r->hollow);
}

/* What n is over by, or nothing. */
static size_t less(size_t n, size_t by)
{
	return n - min_u64(n, by);
}

size_t resident_used(const struct resident *r)
{
	size_t used = 0;

	for (unsigned i = 0; i < r->nr_zones; i++)
		used += READ_ONCE(r->zones[i]->used_pages);
	return less(used, hollow(r));
}

size_t resident_dirty(const struct resident *r)
{
	size_t dirty = 0;

	for (unsigned i = 0; i < r->nr_zones; i++)
		dirty += READ_ONCE(r->zones[i]->free_pages[DIRTY]);
	return dirty;
}

static size_t present(const struct resident *r)
{
	size_t pages = 0;

	for (unsigned i = 0; i < r->nr_zones; i++)
		pages += READ_ONCE(r->zones[i]->present) - r->zones[i]->start;
	return pages;
}

static size_t refaults(const struct resident *r)
{
	return READ_ONCE(r->refaults);
}

static size_t stalls(const struct resident *r)
{
	return READ_ONCE(r->stalls);
}

size_t residents_used(void)
{
	return sum(resident_used);
}

size_t residents_dirty(void)
{
	const struct stock *stock = load_acquire(&balance.stock);

	return sum(resident_dirty) + (stock ? READ_ONCE(stock->pages) : 0);
}

size_t residents_present(void)
{
	return sum(present);
}

size_t residents_hollow(void)
{
	return sum(hollow);
}

uint64_t residents_refaults(void)
{
	return sum(refaults);
}

uint64_t residents_stalls(void)
{
	return sum(stalls);
}

void balance_set_slack(size_t bytes)
{
	WRITE_ONCE(balance.slack, max_u64(1, bytes >> topo.page_shift));
}

/* Of a program that grows and has no use for its free pages. */
static size_t least_slack(size_t used)
{
	return (KIB(256) >> topo.page_shift) + used / 32;
}

/* The least, even of pages that were not wanted for whole periods. */
static size_t least_kept(size_t used)
{
	return min_u64(least_slack(used), MIB(1) >> topo.page_shift);
}

/* What is kept whatever the program did: for pages that do not fit. */
static size_t slack(const struct resident *r, size_t used)
{
	size_t set = READ_ONCE(balance.slack);

	if (unlikely(READ_ONCE(quota.tight)))
		return least_slack(used);
	if (set)
		return set;
	return max_u64((MIB(8) >> topo.page_shift) + used / 8,
		       min_u64(READ_ONCE(r->misfit) * 9 / 8, used / 2));
}

static size_t peak(const struct resident *r)
{
	return max_u64(READ_ONCE(r->peak[0]), READ_ONCE(r->peak[1]));
}

bool resident_ebbs(const struct resident *r)
{
	size_t lately = peak(r);

	return lately > MIB(64) >> topo.page_shift &&
	       resident_used(r) < lately / 4;
}

static size_t wanted(const struct resident *r, size_t used)
{
	size_t more = less(peak(r), used);

	if (unlikely(READ_ONCE(quota.tight)))
		return 0;
	return min_u64(more, (MIB(64) >> topo.page_shift) + used);
}

size_t resident_high(const struct resident *r)
{
	size_t used = resident_used(r);

	return wanted(r, used) + slack(r, used);
}

size_t resident_low(const struct resident *r)
{
	return resident_high(r) - slack(r, resident_used(r)) / 2;
}

/*
 * Blocks that come and go take their pages from the dirty ones, so these were
 * few at some moment; what was never taken is not wanted. Say 55 MiB were
 * dirty, 52 of them for 100 ms: of a slack of 19 MiB nothing is left but the
 * least. Had there been 2 MiB at some time, it would be 17.
 */
static size_t idle_pages(const struct resident *r)
{
	return READ_ONCE(r->trust) ? 0
				   : min_u64(READ_ONCE(r->least_dirty[0]),
					     READ_ONCE(r->least_dirty[1]));
}

/* The same of two whole periods and this one: for them it is certain. */
static size_t long_idle_pages(const struct resident *r)
{
	size_t least = READ_ONCE(r->least_long[0]);

	for (unsigned i = 1; i < ARRAY_SIZE(r->least_long); i++)
		least = min_u64(least, READ_ONCE(r->least_long[i]));
	return READ_ONCE(r->trust) ? 0 : least;
}

/*
 * Of a heap of 600 MiB that grew, 8 MiB are a table that moved on: they are
 * within the slack, but for a second none of them was wanted. What the program
 * said (mallopt) is kept all the same.
 */
static cold size_t high_for_fresh(const struct resident *r)
{
	size_t used = resident_used(r), dirty = resident_dirty(r);
	size_t keep = wanted(r, used) + max_u64(less(slack(r, used),
						     idle_pages(r)),
						least_slack(used));

	if (READ_ONCE(balance.slack) && !READ_ONCE(quota.tight))
		return keep;
	return min_u64(keep, max_u64(less(dirty, long_idle_pages(r)),
				     least_kept(used)));
}

/* What went back was idle, and what comes now is not. */
static void forget_idle(struct resident *r, size_t npages)
{
	for (unsigned i = 0; i < ARRAY_SIZE(r->least_long); i++)
		WRITE_ONCE(r->least_long[i],
			   less(READ_ONCE(r->least_long[i]), npages));
}

void resident_note(struct resident *r)
{
	size_t used = resident_used(r), dirty = resident_dirty(r);

	if (used > READ_ONCE(r->peak[0]))
		WRITE_ONCE(r->peak[0], used);
	if (dirty < READ_ONCE(r->least_dirty[0]))
		WRITE_ONCE(r->least_dirty[0], dirty);
	if (dirty < READ_ONCE(r->least_long[0]))
		WRITE_ONCE(r->least_long[0], dirty);
}

enum { MISTAKES = 3, TRUST = 16, MOST_TRUST = 64 };

/*
 * A program that swings comes back for what it left alone for longer than a
 * moment. Say 1 GiB is in use, and 130 MiB that went back are taken again in
 * each of three periods, where 8 would do: then nothing counts as idle for the
 * next sixteen, eight seconds; and if it goes on when these are over, at once
 * for twice as many.
 */
static void judge(struct resident *r, size_t used)
{
	uint64_t refaults = READ_ONCE(r->refaults);
	bool mistaken = refaults - READ_ONCE(r->judged) > used / 128;
	uint32_t trust = READ_ONCE(r->trust), granted = READ_ONCE(r->granted);

	WRITE_ONCE(r->judged, refaults);
	WRITE_ONCE(r->mistakes, mistaken ? READ_ONCE(r->mistakes) + 1 : 0);
	if (trust) {
		WRITE_ONCE(r->trust, trust - 1);
		if (trust == 1)
			WRITE_ONCE(r->misfit, 0);
	} else if (READ_ONCE(r->mistakes) >= (granted ? 1 : MISTAKES)) {
		granted = (uint32_t)min_u64(max_u64(TRUST, 2 * granted),
					    MOST_TRUST);
		WRITE_ONCE(r->granted, granted);
		WRITE_ONCE(r->trust, granted);
	} else if (!mistaken && granted) {
		WRITE_ONCE(r->granted, granted / 2);
	}
}

/*
 * Memory is wanted though much is free: in pieces that do not fit, and at the
 * next swing they will not fit either. Say 2.2 GiB are resident now, 2 GiB were
 * in use at most: 0.2 stay besides those 2. A quarter of the peak, at most.
 */
static void note_misfit(struct resident *r, size_t used, size_t dirty)
{
	size_t most, misfit;

	if (!READ_ONCE(r->trust))
		return;
	most = peak(r);
	misfit = min_u64(less(used + dirty, most), most / 4);
	if (misfit > READ_ONCE(r->misfit))
		WRITE_ONCE(r->misfit, misfit);
}

cold void resident_new_period(struct resident *r)
{
	size_t used = resident_used(r);

	judge(r, used);
	/* A peak of long ago counts for what is resident, at most. */
	WRITE_ONCE(r->peak[1], min_u64(READ_ONCE(r->peak[0]),
				       used + resident_dirty(r)));
	WRITE_ONCE(r->peak[0], used);
}

void resident_forget_peaks(struct resident *r)
{
	resident_new_period(r);
	resident_new_period(r);
}

enum { PERIOD_NS = 500000000, MOMENT_NS = PERIOD_NS / 10 };

static bool over(uint64_t *start, uint64_t now, uint64_t length)
{
	uint64_t was = READ_ONCE(*start);

	return now - was > length &&
	       __atomic_compare_exchange_n(start, &was, now, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* What is left behind for longer than this is worth a helper's while. */
static size_t idle_floor(void)
{
	return MIB(16) >> topo.page_shift;
}

/*
 * A clock of its own: a program that frees much once in a period might always
 * end that with the first few pages.
 */
static void feel(const struct resident *r, uint64_t now)
{
	static uint64_t felt;	/* (A) nanoseconds */

	if (conf.reclaim != RECLAIM_OFF &&
	    (READ_ONCE(quota.tight) || resident_dirty(r) > idle_floor()) &&
	    over(&felt, now, PERIOD_NS))
		quota_feel();
}

static void tick(struct resident *r)
{
	uint64_t now = os_now();

	feel(r, now);

	if (over(&r->period_start, now, PERIOD_NS)) {
		resident_new_period(r);
		WRITE_ONCE(r->purged[1], READ_ONCE(r->purged[0]));
		WRITE_ONCE(r->purged[0], 0);
		WRITE_ONCE(r->least_long[2], READ_ONCE(r->least_long[1]));
		WRITE_ONCE(r->least_long[1], READ_ONCE(r->least_long[0]));
		WRITE_ONCE(r->least_long[0], resident_dirty(r));
		/* Perhaps somebody can by now. */
		if (READ_ONCE(balance.idle) == IDLE_SEEN &&
		    !READ_ONCE(balance.helper))
			WRITE_ONCE(balance.idle, IDLE_NONE);
	}
	if (over(&r->moment_start, now, MOMENT_NS)) {
		WRITE_ONCE(r->least_dirty[1], READ_ONCE(r->least_dirty[0]));
		WRITE_ONCE(r->least_dirty[0], resident_dirty(r));
	}
}

static struct zone *dirtiest(struct resident *r)
{
	struct zone *most = r->zones[0];

	for (unsigned i = 1; i < r->nr_zones; i++)
		if (READ_ONCE(r->zones[i]->free_pages[DIRTY]) >
		    READ_ONCE(most->free_pages[DIRTY]))
			most = r->zones[i];
	return most;
}

/* How much one call gives back: two milliseconds of the kernel's time. */
static size_t batch(void)
{
	return max_u64(MIB(32) >> topo.page_shift,
		       (size_t)1 << topo.pageblock_order);
}

void balance_leave(size_t npages)
{
	if (READ_ONCE(balance.idle) == IDLE_NONE && npages > idle_floor())
		WRITE_ONCE(balance.idle, IDLE_LEFT);
}

static void note_purged(struct resident *r, size_t npages)
{
	WRITE_ONCE(r->purged[0], READ_ONCE(r->purged[0]) + npages);
	forget_idle(r, npages);
}

/* Down to target, but no more than so many pages. Returns how many. */
static size_t reclaim_to(struct resident *r, size_t target, size_t most)
{
	size_t dirty, done = 0;

	while (done < most && (dirty = resident_dirty(r)) > target) {
		struct zone *zone = dirtiest(r);
		size_t has = READ_ONCE(zone->free_pages[DIRTY]);
		size_t surplus = dirty - target;
		size_t n = zone_reclaim(zone,
					has > surplus ? has - surplus : 0,
					most - done);

		if (!n)
			break;
		done += n;
	}
	note_purged(r, done);
	if (done >= most)
		WRITE_ONCE(r->stalls, READ_ONCE(r->stalls) + 1);
	return done;
}

void zone_balance(struct zone *zone, size_t freed)
{
	struct resident *r = zone->resident;
	size_t dirty = resident_dirty(r), most = batch();

	if (dirty <= min_u64(slack(r, resident_used(r)), idle_floor()) ||
	    !zone_purges(zone))
		return;
	/* The gate is shut then, and many wait: no look at files. */
	if (READ_ONCE(balance.hold))
		return;
	tick(r);
	if (conf.reclaim == RECLAIM_OFF)
		return;
	if (dirty > resident_high(r)) {
		huge_look(zone);
		if (!READ_ONCE(balance.helper))
			most = max_u64(most, freed);
		reclaim_to(r, resident_low(r), most);
	}
	balance_leave(dirty);
}

/* Memory that went back lately is wanted after all. */
static void note_refault(struct resident *r, size_t npages)
{
	for (unsigned i = 2; i--;) {
		size_t purged = READ_ONCE(r->purged[i]);
		size_t n = min_u64(purged, npages);

		WRITE_ONCE(r->purged[i], purged - n);
		WRITE_ONCE(r->refaults, READ_ONCE(r->refaults) + n);
		npages -= n;
	}
}

/*
 * Page for page, and a little more, so that the kernel is not called for each
 * slab; no more than a batch, for a huge block may never be touched. A program
 * that turns from small objects to large blocks, 40 MiB of each, then has 43
 * at most, not 54; one that turns for ever is trusted soon. Huge pages are
 * broken for it, if need be. Returns how many pages.
 */
static cold size_t hold_down(struct zone *zone, size_t more)
{
	struct resident *r = zone->resident;
	size_t keep = least_slack(resident_used(r)), done = 0;

	if (READ_ONCE(r->trust) || READ_ONCE(balance.slack))
		return 0;
	more = min_u64(more, batch());
	for (unsigned i = 0; i < r->nr_zones && done < more; i++) {
		struct zone *other = r->zones[i];
		size_t idle = less(READ_ONCE(other->free_pages[DIRTY]), keep);

		if (other != zone && idle > keep / 4)
			done += zone_reclaim(other, 0,
					     min_u64(idle, max_u64(more - done,
								   keep / 4)));
	}
	if (done)
		note_purged(r, done);
	return done;
}

/* So many more are resident than ever were. Returns how many pages went back. */
static cold size_t make_room(struct zone *zone, size_t fresh, size_t dirty,
			     size_t more)
{
	struct resident *r = zone->resident;
	size_t high = high_for_fresh(r), done = 0;

	if (dirty > high)
		done = reclaim_to(r, high, max_u64(batch(), fresh));
	return more > done ? done + hold_down(zone, more - done) : done;
}

void zone_took(struct zone *zone, size_t fresh)
{
	struct resident *r = zone->resident;
	size_t used, dirty, most, done = 0;

	quota_keep();
	if (!fresh)
		return;
	if (READ_ONCE(r->purged[0]) | READ_ONCE(r->purged[1]))
		note_refault(r, fresh);
	/* What is freed between the two counts not at all, and not twice. */
	dirty = resident_dirty(r);
	used = resident_used(r);
	most = READ_ONCE(r->most);
	if (dirty > least_kept(used)) {
		note_misfit(r, used, dirty);
		tick(r);
		if (conf.reclaim != RECLAIM_OFF)
			done = make_room(zone, fresh, dirty,
					 less(used + dirty, most));
	}
	WRITE_ONCE(r->most, max_u64(most, less(used + dirty, done)));
}

size_t residents_idle(void)
{
	size_t idle = 0;

	for (struct resident *r = first_resident(); r; r = next_resident(r)) {
		size_t dirty = resident_dirty(r), keep;

		tick(r);
		keep = high_for_fresh(r);
		if (zone_purges(r->zones[0]) && dirty > keep)
			idle += dirty - keep;
	}
	return idle;
}

size_t residents_reclaim(size_t npages, size_t most)
{
	struct stock *stock = load_acquire(&balance.stock);
	struct resident *r = first_resident();
	size_t done = 0;

	if (stock)
		done = stock->drop(min_u64(npages, most));
	for (; r && done < npages && done < most; r = next_resident(r)) {
		size_t dirty = resident_dirty(r), left = npages - done;

		done += reclaim_to(r, dirty > left ? dirty - left : 0,
				   most - done);
	}
	return done;
}

void zone_put_back(struct zone *zone, struct page *page, unsigned kind)
{
	unsigned order = page->order;

	lock(&zone->lock, LOCK_ZONE);
	page->type = PAGE_NONE;
	zone_give_locked(zone, pfn_of(page), order, kind);
	if (kind == CLEAN) {
		zone->purges++;
		zone->purged_pages += (size_t)1 << order;
	}
	unlock(&zone->lock, LOCK_ZONE);
}

/*
 * Dirty blocks, largest first, down to target; of a large one no more than
 * most. What counts is what was dirty: of a mixed block the rest costs little.
 */
size_t zone_reclaim(struct zone *zone, size_t target, size_t most)
{
	size_t done = 0;

	if (!zone_purges(zone))
		return 0;
	while (done < most) {
		struct page *page = NULL;
		unsigned order = 0;
		size_t dirty;
		bool purged;

		lock(&zone->lock, LOCK_ZONE);
		dirty = zone->free_pages[DIRTY];
		if (zone->free_pages[DIRTY] > target &&
		    !huge_keeps_locked(zone, target)) {
			page = zone_take_dirty_locked(zone,
						      log2_floor(most - done));
			order = page->order;
			page->type = PAGE_PCP;
			dirty -= zone->free_pages[DIRTY];
		}
		unlock(&zone->lock, LOCK_ZONE);
		if (!page)
			return done;
		purged = os_purge(page_address(page),
				  (size_t)1 << (order + topo.page_shift));
		if (purged && order >= topo.pageblock_order)
			pages_forget(pfn_of(page),
				     pfn_of(page) + ((pfn_t)1 << order));
		zone_put_back(zone, page, purged ? CLEAN : DIRTY);
		if (!purged)
			return done;
		done += dirty;
	}
	return done;
}

