/* SPDX-License-Identifier: MIT */
/*
 * What:  a zone: pages of one node with one use, managed as buddies.
 * Door:  zone_alloc()/zone_free() for runs of any length (exactly so many
 *        pages); zone_take()/zone_give() for blocks of 1 << order pages;
 *        zone_grow() for more of them; zone/balance.h to give memory back.
 * Locks: zone->lock (Z) for everything but growth; zone->grow_lock around it
 *        when pages are added. System calls only under grow_lock or none.
 * Invariant: two free buddies are always merged. Worked example, order 0:
 *        page 8 is freed, its buddy is 8 ^ (1 << 0) = 9; if 9 is free both
 *        become block 8 of order 1, whose buddy is 8 ^ (1 << 1) = 10.
 *        A free page is dirty (may be resident, contents unknown) or clean
 *        (holds no memory, reads as zeros), and that is never forgotten: a
 *        block is wholly clean, wholly dirty, or mixed, and then its upper
 *        half keeps a descriptor of its own. Say pages 8-11 are clean, 12 and
 *        13 dirty, 14 and 15 clean: page(8) = { FREE, order 3, clean, mixed =
 *        1 << 3 }, page(12) = { PART, dirty, mixed = 1 << 2 }, page(14) =
 *        { PART, clean }. A split just takes the halves apart again.
 * Cost:  a take or give is one list operation for each order split or merged.
 * See:   zone/buddy.c (one screen), zone/stretch.c, zone/zone.c; the kernel's
 *        page_alloc.c.
 */
#ifndef BM_ZONE_ZONE_H
#define BM_ZONE_ZONE_H

#include "base/lock.h"
#include "page/page.h"
#include "zone/balance.h"
#include "zone/huge.h"

enum {
	MAX_ORDERS = 19,	/* 4 KiB << 18 = 1 GiB */
};

enum kind { CLEAN, DIRTY, MIXED, NR_KINDS };

/*
 * Normal and Movable lie in the window and are there from the start. The
 * others are windows of their own, made when they are first asked for; a node
 * may have several of a type (node/special.c).
 */
enum zone_type {
	ZONE_NORMAL,
	ZONE_MOVABLE,
	ZONE_DMA32,	/* addresses below 4 GiB */
	ZONE_DMA,	/* locked, and not there in a fork child */
	ZONE_DEVICE,	/* memory that the program brought */
	NR_ZONE_TYPES,
	WINDOW_ZONES = ZONE_DMA32,	/* types that lie in the window */
};

/* How the kernel was told where to put the pages of the last growth. */
enum placement {
	PLACE_DEFAULT,		/* not at all: one node, or numa:off */
	PLACE_NODE,		/* on the zone's node while it has some */
	PLACE_INTERLEAVE,	/* numa:interleave */
	PLACE_BY_POLICY,	/* the growing thread has a policy: that wins */
	PLACE_FIRST_TOUCH,	/* refused: where the first CPU to touch is */
};

struct free_area {
	struct list blocks[NR_KINDS];	/* (Z) */
	size_t nr[NR_KINDS];		/* (Z) */
};

struct zone {
	struct lock lock;
	struct lock grow_lock;
	uint32_t nonempty[NR_KINDS];	/* (Z) orders that have a block of the kind */
	struct free_area free_area[MAX_ORDERS];
	size_t free_pages[2];	/* (Z) [CLEAN] and [DIRTY] */
	size_t used_pages;	/* (Z) */
	struct resident *resident;	/* (C) the node's */
	struct resident alone;		/* of a zone that has no node */

	pfn_t origin;		/* (Z) first pfn of the address space */
	pfn_t start;		/* (C) first that is ever used */
	pfn_t present;		/* (Z) end of what is usable; grow_lock too */
	pfn_t end;		/* (Z) end of the address space */
	pfn_t pool_to;		/* (G) end of what the pool gave: hugetlb.h */
	unsigned max_order;	/* (C) 1 GiB, or less in a small window */
	uint8_t node, type;	/* (C) */
	uint8_t epoch;		/* (C) but in a child of _Fork */
	uint8_t placement;	/* (A) enum placement */
	bool is_mapped;		/* (Z) in the free map: zone/stretch.h */
	uint32_t birth;		/* (C) 0, or the process that may use it */
	const char *name;	/* (C) */

	uint64_t grows, purges, purged_pages;	/* (Z) */
	uint64_t reused_pages;	/* (Z) dirty ones that were handed out */
	uint64_t fresh_pages;	/* (Z) clean ones */
	struct zone_huge huge;	/* (G) but where it says otherwise */
};

void zone_init(struct zone *zone, unsigned node, enum zone_type type,
	       pfn_t start, pfn_t end);

static inline bool page_is_free(const struct zone *zone,
				const struct page *page)
{
	return page->type == PAGE_FREE && page->epoch == zone->epoch;
}

/* Buddies. A block of the order, dirty if one can be had; NULL: grow. */
struct page *zone_take_locked(struct zone *zone, unsigned order);
void zone_give_locked(struct zone *zone, pfn_t pfn, unsigned order,
		      unsigned kind);
/* Takes one given free block off its list. */
void zone_pick_locked(struct zone *zone, struct page *page);
/*
 * A block half of which is dirty, at least: the largest, nearly, but of the
 * order or a pageblock at most.
 */
struct page *zone_take_dirty_locked(struct zone *zone, unsigned max_order);
/* Keeps the first npages of a block that was taken; true: they are clean. */
bool zone_cut_locked(struct zone *zone, struct page *page, unsigned order,
		     size_t npages);
/* The free block, of the order at least, that has a page; NULL: none has it. */
struct page *zone_block_locked(const struct zone *zone, pfn_t pfn,
			       unsigned order);
/* Of a free block that has page pfn: one begins there now. */
void zone_part_locked(struct zone *zone, struct page *page, pfn_t pfn);
/* Gives [from, to) back as the fewest blocks that are aligned to their size. */
void zone_give_range_locked(struct zone *zone, pfn_t from, pfn_t to,
			    unsigned kind);

/*
 * Exactly npages pages, their first address a multiple of align pages. The
 * first page is PAGE_LARGE; *kind tells whether the run is zero. NULL: the
 * zone has no more and cannot grow.
 */
struct page *zone_alloc(struct zone *zone, size_t npages, size_t align,
			unsigned *kind);
/* Of what is present only: it does not grow, and makes no system call. */
struct page *zone_alloc_present(struct zone *zone, size_t npages, size_t align,
				unsigned *kind);
void zone_free(struct zone *zone, struct page *page);
/* Another length in place: true when page's run now has npages pages. */
bool zone_resize(struct zone *zone, struct page *page, size_t npages);

/*
 * Of the free pages of an extra zone, those that a request for another type
 * may take: a quarter of the zone, and 4 MiB, are kept for its own.
 */
size_t zone_lowmem_reserve(const struct zone *zone);
size_t zone_lendable(const struct zone *zone);

/* At least npages pages more, as one run where that is possible. */
bool zone_grow(struct zone *zone, size_t npages);
static inline void zone_use_locked(struct zone *zone, size_t npages)
{
	WRITE_ONCE(zone->used_pages, zone->used_pages + npages);
	resident_note(zone->resident);
}

/*
 * A block that was taken out of the free areas, typed PAGE_PCP, is free again.
 * CLEAN: it was purged meanwhile.
 */
void zone_put_back(struct zone *zone, struct page *page, unsigned kind);
/*
 * Dirty blocks of which a page lies elsewhere than on the kernel's node go
 * back to the kernel; returns how many pages. See stray.c.
 */
size_t zone_drop_strays(struct zone *zone, unsigned node);

/*
 * In a child of _Fork: a zone whose lock is held by a thread that is not here
 * was being changed. It forgets its free blocks and goes on with a new epoch.
 */
void zone_recover(struct zone *zone);
/*
 * The free end of the zone is reserved address space again: what strict
 * overcommit charges for it is given back too.
 */
void zone_shrink(struct zone *zone);
/* Address space beside what is used goes back, but for keep pages behind. */
void zone_cut(struct zone *zone, size_t keep);

#endif
