/* SPDX-License-Identifier: MIT */
/*
 * What:  how much free memory stays resident, and what goes back: the
 *        watermarks of a node, and reclaim.
 * Door:  zone_balance() after pages came back, zone_took() after some were
 *        handed out; residents_idle() by whoever looks after a
 *        process that does neither any more (malloc/idle.c).
 * Locks: none is held by the caller; a zone's is taken for a block at a time.
 *        The figures of a node are read and written without: each is a word,
 *        and a value that is a moment old makes a slightly other decision.
 * Invariant: resident are the pages in use and the dirty free ones. The zones
 *        of a node are looked at together: memory that large blocks have left
 *        makes room for slabs. Example: 110 MiB of slabs were in use, 61 are,
 *        49 are dirty; now 27 MiB of Movable are taken that are clean. 110
 *        were in use lately, so 49 - 27 = 22 of Normal may stay.
 * See:   the kernel's watermarks (mm/page_alloc.c) and kswapd (mm/vmscan.c).
 */
#ifndef BM_ZONE_BALANCE_H
#define BM_ZONE_BALANCE_H

#include "base/compiler.h"

struct zone;

enum { RESIDENT_ZONES = 4 };

/* What the zones of one node hold together. */
struct resident {
	size_t peak[2];		/* (A) most used in this period and the last */
	uint64_t period_start;	/* (A) nanoseconds */
	size_t least_long[3];	/* (A) dirty in this period and the two before */
	size_t least_dirty[2];	/* (A) in this moment and the last */
	uint64_t moment_start;	/* (A) nanoseconds */
	size_t most;		/* (A) pages that ever were resident at once */
	size_t hollow;		/* (A) pages in use that have no memory */
	size_t purged[2];	/* (A) pages, in this period and the last */
	uint64_t refaults;	/* (A) of all that did, taken again so soon */
	uint64_t judged;	/* (A) refaults when the period began */
	uint32_t mistakes;	/* (A) periods in a row with many */
	uint32_t trust;		/* (A) periods for which nothing is idle */
	uint32_t granted;	/* (A) how many those were at first */
	size_t misfit;		/* (A) pages beyond the peak that they keep */
	uint64_t stalls;	/* (A) times that a caller left the rest */
	struct zone *zones[RESIDENT_ZONES];	/* (C) */
	unsigned nr_zones;			/* (C) */
	struct resident *next;			/* (A) of all that there are */
};

/*
 * What happens to dirty memory that nobody comes back for. LEFT: some was left
 * behind; SEEN: somebody looks after it, or nobody can.
 */
enum { IDLE_NONE, IDLE_LEFT, IDLE_SEEN };
/*
 * Free memory that lies in no zone (vma/serve.c): dirty when limits are asked
 * about, and the first to go then. It has a watermark of its own.
 */
struct stock {
	size_t pages;			/* (A) */
	size_t (*drop)(size_t npages);	/* returns how many have gone */
};

struct balance {
	uint32_t idle;		/* (A) one of these */
	uint32_t helper;	/* (A) a thread of ours does the rest */
	uint32_t hold;		/* (A) nothing goes back while slabs come home */
	size_t slack;		/* (A) pages; 0: by what is in use (mallopt) */
	struct stock *stock;	/* (A) NULL: none; never taken back */
};
extern struct balance balance __attribute__((visibility("hidden")));

/* The zone shares from now on, at start. */
void resident_add(struct resident *r, struct zone *zone);

size_t resident_used(const struct resident *r);
/* Three quarters of a heap of some size went away just now. */
bool resident_ebbs(const struct resident *r);
size_t resident_dirty(const struct resident *r);

/*
 * The dirty free pages that are kept warm for reuse: what was in use lately
 * and is not now (but no more than is in use and 64 MiB), and a little more,
 * since free pages never fit exactly. A page fault costs ten times a cleared
 * page that was kept.
 */
size_t resident_high(const struct resident *r);
/* Where reclaim stops that the high watermark has started. */
size_t resident_low(const struct resident *r);

/*
 * Reclaims what is over the high watermark of the zone's node after so many
 * pages were freed: no more than a batch, and what was freed where nobody else
 * would do it. The rest is for the next calls.
 */
void zone_balance(struct zone *zone, size_t freed);
/*
 * After pages were handed out. When so many of them were clean the resident
 * size is about to grow: then dirty pages that nobody has wanted for a while
 * make room first; and where it would be larger than ever, those of the node's
 * other zones, which this one cannot use.
 */
void zone_took(struct zone *zone, size_t fresh);
/* At every allocation, under the zone's lock: keeps the figures. */
void resident_note(struct resident *r);
/*
 * Purges dirty blocks of one zone, largest first, until target are left or as
 * many as that (or a pageblock) are purged. Returns how many.
 */
size_t zone_reclaim(struct zone *zone, size_t target, size_t most);

/* So much is left behind that somebody should look after it (malloc/idle.c). */
void balance_leave(size_t npages);

/* Bytes that are kept whatever the program did, in place of 8 MiB and 1/8. */
void balance_set_slack(size_t bytes);

/* Of all zones together. */
uint64_t residents_refaults(void);
size_t residents_hollow(void);
uint64_t residents_stalls(void);
size_t residents_used(void);
size_t residents_dirty(void);
size_t residents_present(void);
/*
 * Purges of npages dirty ones that are too many, wherever they are, at most so
 * many now.
 */
size_t residents_reclaim(size_t npages, size_t most);
/*
 * Dirty pages that nobody has wanted for a period, or that were kept for what
 * is over now: to be called once a period where nobody else does. Returns how
 * many there are beyond what is kept.
 */
size_t residents_idle(void);

/* "Lately" is this period and the one before it, half a second each. */
void resident_new_period(struct resident *r);
void resident_forget_peaks(struct resident *r);

#endif
