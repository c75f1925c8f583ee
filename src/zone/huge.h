/* SPDX-License-Identifier: MIT */
/*
 * What:  which memory of a zone the kernel is asked to back with huge pages.
 * Door:  huge_grown() when pages were added, huge_run() when a long run was
 *        handed out, huge_fresh() when any was that has no memory yet,
 *        huge_look() before memory goes back.
 * Locks: the zone's grow_lock (G); system calls are made under it.
 * Invariant: [start, to) is advised, [to, present) is plain: few mappings a
 *        zone, however often the mind is changed. There is no taking back of
 *        advice: what was advised once and is plain again is advised against,
 *        [to, never), and so is what is fresh there. What is plain
 *        can be measured, since each of its pages was faulted by itself:
 *        Say 3 of 4 pageblocks have all 512 pages resident, one has 100 and
 *        the rest of it is in use as well: huge pages would make 2,048 of
 *        1,636, which is a quarter more; so they stay plain. With the fourth
 *        free, or full, nothing would be lost, and all four are advised.
 * See:   ARCHITECTURE.md, "Huge pages"; Documentation/admin-guide/mm/
 *        transhuge.rst of the kernel.
 */
#ifndef BM_ZONE_HUGE_H
#define BM_ZONE_HUGE_H

#include "page/page.h"

struct zone;

struct zone_huge {
	pfn_t to;		/* (G) end of what is advised; read by anyone */
	pfn_t never;		/* (G) [to, never) is advised against */
	pfn_t until;		/* (G) growth up to here is advised unseen */
	pfn_t look_at;		/* (G) growth from here on looks first */
	size_t proven;		/* (G) longest run when all was found full */
	size_t longest;		/* (A) longest run since then */
	uint64_t purged;	/* (G) purged_pages at the last look, and 1; or 0 */
	uint32_t advised;	/* (G) how often plain memory became huge */
	uint32_t given_up;	/* (G) and the other way */
	pfn_t unpriced;		/* (G) huge from here on, if untouched; read by anyone */
	pfn_t dear_to;		/* (G) they were dear: none before this is present */
	uint32_t dear;		/* (G) how often they were; read by anyone */
};

/* What the first touch of a pageblock may cost. */
struct huge_price {
	uint64_t fair;		/* nanoseconds a KiB; then nothing is compared */
	unsigned times;		/* as much as plain pages of that size */
};
/* (C) but for tests, which have other prices. */
extern struct huge_price huge_price __attribute__((visibility("hidden")));

/* Whether advice has an effect in this process; reads sysfs. */
bool huge_works(void);
void huge_init(struct zone *zone);
/*
 * The next pageblock would be advised at once: it is added whole, or nothing
 * would be huge where pageblocks are longer than a step. grow_lock is held.
 */
bool huge_next(const struct zone *zone);
/* Pages [from, to) were added for a run of so many; grow_lock is held. */
void huge_grown(struct zone *zone, pfn_t from, pfn_t to, size_t run);
/* The free end of the zone went away; grow_lock is held. */
void huge_shrunk(struct zone *zone);
/* A run was handed out that is not touched yet. */
void huge_run(struct zone *zone, const struct page *page);
/*
 * Pages without memory were handed out: the first ones of what was advised are
 * touched, to see what that takes. Milliseconds, at worst.
 */
void huge_fresh(struct zone *zone, pfn_t pfn, size_t npages);
/*
 * The next pageblock from *at on that is advised and was faulted page by page
 * becomes a huge page now: a millisecond or three, for which nobody waits but a
 * program that asks. False: there are no more.
 */
bool huge_collapse(struct zone *zone, pfn_t *at);
/* Memory is about to go back, and will be faulted again. */
void huge_look(struct zone *zone);
/*
 * What is free are parts of huge pages, and not enough over the target to
 * break them for: the kernel has nothing back before it splits the page.
 */
bool huge_keeps_locked(const struct zone *zone, size_t target);
/* What was advised lies on another node; no lock is held. */
void huge_strayed(struct zone *zone);
/*
 * Pages inside slabs went back, so many of the zone by now: the kernel is not
 * to fill the holes again.
 */
void huge_thinned(struct zone *zone, size_t hollow);
/* A range has a fresh mapping, without its old advice: it gets it again. */
void huge_refreshed(struct zone *zone, pfn_t pfn, size_t npages);

#endif
