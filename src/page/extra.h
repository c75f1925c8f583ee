/* SPDX-License-Identifier: MIT */
/*
 * What:  windows beside the main one: below 4 GiB, pinned, or memory that the
 *        program brought. Few, found by a look through a table.
 * Door:  extra_add(), extra_remove(); extra_find(), pfn_find() for an address
 *        that may be of any window, page_entry() for its map entry.
 * Locks: the caller's for changes (E: LOCK_GROW, node/special.c); look-ups
 *        take none, and none of them is on a fast path.
 * Invariant: pfns from window.nr_pages on belong to extra windows, each to one
 *        at most. So page_at() and pfn_of() are the same everywhere, and only
 *        the way from a page to its address and back asks the table.
 *        Example: the window has 2^28 pages; the first extra window gets the
 *        pfns from 2^28 on. Memory that starts 3 pages behind a multiple of a
 *        pageblock gets a pfn that does too, so that a block of buddies is as
 *        aligned in memory as its pfn says.
 *        bytes and pages are written last and cleared first: who finds p in
 *        a window and then the same bytes again has read one window, not half
 *        of two. So with pages, for a pfn.
 */
#ifndef BM_PAGE_EXTRA_H
#define BM_PAGE_EXTRA_H

#include "page/page.h"

enum {
	EXTRAS_MAX = 64,
};
#define PFN_NONE UINT64_MAX

struct zone;

struct extra {
	size_t bytes;		/* (A) 0: unused */
	uintptr_t base;		/* (A) */
	pfn_t first;		/* (A) */
	size_t pages;		/* (A) its pfns, kept where bytes shrinks */
	struct zone *zone;	/* (A) set once: entries are used again */
};

extern struct extra extras[EXTRAS_MAX] __attribute__((visibility("hidden")));
/* (A) Entries from here on were never used. */
extern uint32_t nr_extras __attribute__((visibility("hidden")));

/* Pfns for a window; false: there are none left, or it overlaps another. */
bool extra_add(struct extra *extra, void *addr, size_t bytes);
/* Its descriptors are zero from here on, and readable still. */
void extra_remove(struct extra *extra);
/* The end of a window goes back to the process. */
void extra_shorten(struct extra *extra, size_t bytes);
/* The descriptors that no extra window has go back to the process. */
void extra_cut(void);

struct extra *extra_of_pfn(pfn_t pfn);
pfn_t extra_pfn_of(const void *p);

/* The pfn of any address, or PFN_NONE. Whether the page is there: pfn_present(). */
static inline pfn_t pfn_find(const void *p)
{
	if (likely(window_owns(p)))
		return pfn_of_address(p);
	return READ_ONCE(nr_extras) ? extra_pfn_of(p) : PFN_NONE;
}

/* The map entry of any address; 0 outside of the window: no slab. */
static inline unsigned page_entry(const void *p)
{
	return likely(window_owns(p)) ? READ_ONCE(*map_entry(p)) : 0;
}

#endif
