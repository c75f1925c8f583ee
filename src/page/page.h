/* SPDX-License-Identifier: MIT */
/*
 * What:  the window of address space, its page descriptors (vmemmap) and the
 *        map that tells free() the class of an address.
 * Door:  window_init(); page_at(), pfn_of(), page_address(); map_entry();
 *        pages_commit() when a zone grows. page/extra.h for other windows:
 *        their pages have descriptors here, behind the window's.
 * Locks: none here: a descriptor belongs to whoever owns its pages (a zone
 *        while they are free: Z; a slab's cache: L; a large block's caller).
 * Invariant: only the first page of a block has a type; the descriptors of
 *        the pages behind it have type PAGE_NONE, or hold the slab's bitmap.
 *        Example: pages 8..15 are one free block of order 3. page(8) is
 *        { PAGE_FREE, order 3 }, page(9)..page(15) are PAGE_NONE.
 *
 * A descriptor takes page_size / 64 bytes: 64 with 4K pages, 1 KiB with 64K
 * pages. So a slab of 64 KiB has 1 KiB of descriptors on every machine: 40
 * bytes for itself and room for a bit for each of its objects behind them.
 * Most slabs need less than a quarter of it, and large blocks just the first
 * descriptor. So descriptors do not lie in the order of the pages: a group
 * has those of 256 pages, and each of its four system pages has a quarter of
 * each KiB. What nobody needs is never touched.
 *        Example: 4K pages, page(0) to page(255). The group's first 4 KiB
 *        have page(0) to (3), (16) to (19), (32) to (35) ..., the next have
 *        page(4) to (7), (20) to (23) ... A slab of 64 KiB at page(16) has its
 *        own descriptor and bits for 1728 objects in the first: 256 bytes.
 * See:   zone/zone.h for free blocks, slab/slab.h for slabs.
 */
#ifndef BM_PAGE_PAGE_H
#define BM_PAGE_PAGE_H

#include "base/bits.h"
#include "base/list.h"
#include "topo/topo.h"

typedef uint64_t pfn_t;		/* page number from the window's base */

enum {
	UNIT_SHIFT = 16,	/* the map has an entry for each 64 KiB */
	PAGE_DESC_SHIFT = 6,	/* descriptors are 1/64 of the memory */
	DESC_GROUP_PAGES = 256,
};
#define UNIT_BYTES ((size_t)1 << UNIT_SHIFT)
#define DESC_QUARTER (UNIT_BYTES >> PAGE_DESC_SHIFT >> 2) /* of a unit's */

enum page_type {
	PAGE_NONE = 0,	/* inside a block, or never used */
	PAGE_FREE,	/* first page of a free block of 1 << order pages */
	PAGE_LARGE,	/* first page of a block of npages pages */
	PAGE_SLAB,	/* first page of a slab of 1 << order pages */
	PAGE_SLAB_UNIT,	/* first page of a further 64 KiB of a slab */
	PAGE_PCP,	/* on a CPU's page list, 1 << order pages */
	PAGE_PCP_RUN,	/* there too, npages of them */
	PAGE_PART,	/* upper half of a free block that is mixed */
};

enum page_flag {
	PAGE_DIRTY = 1,	/* may be resident, contents unknown; else zero */
	PAGE_MOVED = 2,	/* its mapping was moved here: refresh when freed */
	PAGE_FREED = 4,	/* was the start of a block once (for messages) */
	PAGE_GROUPED = 8,	/* a large block on its group's list */
	PAGE_HOLLOW = 16,	/* a slab of which pages went back */
};

struct page {
	uint8_t type;
	uint8_t order;		/* free blocks and slabs */
	uint8_t flags;
	uint8_t epoch;		/* free blocks and slabs: see malloc/fork.c */
	uint32_t npages;	/* PAGE_LARGE and PAGE_PCP_RUN: its length */
	struct list link;	/* free area (Z), or partial list (L) */
	union {
		struct {	/* PAGE_FREE and PAGE_PART, all (Z) */
			uint32_t mixed;		/* bit o: so is its order o */
			uint32_t dirty;		/* pages */
		} free;
		struct {	/* PAGE_SLAB, all (L) */
			struct cache *cache;
			uint16_t nr_free;	/* bits that are set */
			uint16_t fresh;		/* objects ever handed out */
			uint16_t hint;		/* first word that may have one */
			uint8_t bin;		/* partial list it is on */
			uint8_t zeroed;		/* objects >= fresh are zero */
		} slab;
		struct {	/* PAGE_LARGE that is PAGE_GROUPED */
			struct block_group *group;	/* see malloc/large.c */
		} large;
		struct {	/* PAGE_SLAB_UNIT */
			uint32_t back;		/* units back to the first */
		} unit;
	};
};

struct window {
	unsigned page_shift;	/* (C) copy of topo's, beside the rest */
	unsigned page_bytes;	/* (C) */
	uintptr_t base;		/* (C) aligned to a pageblock, no more */
	char *vmemmap;		/* (C) */
	size_t nr_units;	/* (C) */
	uint64_t *free_map;	/* (C) a bit for each page: zone/stretch.h */
	uint16_t *map;		/* (C) class, owner hint and node of a unit */
	size_t bytes;		/* (C) */
	size_t nr_pages;	/* (C) */
	size_t nr_descs;	/* (C) but in extra_cut(): with extra windows;
				   whole groups */
} aligned_to(64);
not_at_a_start(struct window, base);
not_at_a_start(struct window, nr_units);
not_at_a_start(struct window, map);

/*
 * A block changes between slab, run and page list without its zone's lock,
 * while another thread may walk the zone by the lengths of blocks: the length
 * that goes with a type is there before the type.
 */
static always_inline void page_set_type(struct page *page, enum page_type type)
{
	store_release(&page->type, (uint8_t)type);
}

/* How many pages the block that starts at a page has. */
static always_inline size_t page_block_pages(const struct page *page)
{
	unsigned type = load_acquire(&page->type);

	return type == PAGE_LARGE || type == PAGE_PCP_RUN
		       ? page->npages
		       : (size_t)1 << page->order;
}

extern struct window window __attribute__((visibility("hidden")));

/* False when not even a small window can be had. */
bool window_init(size_t wanted);
/* Makes pages [from, to) and what describes them usable; [start, from) are. */
bool pages_commit(pfn_t start, pfn_t from, pfn_t to);
/* Only what describes them: the memory is somebody else's. */
bool pages_describe(pfn_t start, pfn_t from, pfn_t to);
/*
 * Of the block that is all of them only the first descriptor means anything:
 * the others may go back to zero, and their memory to the system.
 */
void pages_forget(pfn_t first, pfn_t last);
/* Forgets the address space behind a pfn: it goes back to the process. */
void window_cut(pfn_t from, pfn_t to);

/*
 * Of a descriptor's distance in the order of the pages, the bits that say
 * where in its group it lies: in which unit, and in which quarter of it.
 */
static always_inline size_t desc_place(size_t distance)
{
	return distance & (((size_t)4 << window.page_shift) - DESC_QUARTER);
}

static always_inline struct page *page_at(pfn_t pfn)
{
	size_t distance = pfn << (window.page_shift - PAGE_DESC_SHIFT);
	size_t place = desc_place(distance);
	size_t quarter = place / DESC_QUARTER % 4;

	return (struct page *)(window.vmemmap + distance - place +
			       (quarter << window.page_shift) +
			       place / (4 * DESC_QUARTER) * DESC_QUARTER);
}

static always_inline pfn_t pfn_of(const struct page *page)
{
	size_t distance = (size_t)((const char *)page - window.vmemmap);
	size_t place = desc_place(distance);
	size_t quarter = place >> window.page_shift;
	size_t unit = place - (quarter << window.page_shift);

	distance += quarter * DESC_QUARTER + unit * 4 - place;
	return distance >> (window.page_shift - PAGE_DESC_SHIFT);
}

/* Addresses of the window only; pfn_find() (page/extra.h) knows all. */
static always_inline pfn_t pfn_of_address(const void *p)
{
	return ((uintptr_t)p - window.base) >> window.page_shift;
}

/* Of a page that has one, in whatever window (page/extra.c). */
void *extra_address(pfn_t pfn) cold;

static always_inline void *pfn_address(pfn_t pfn)
{
	if (unlikely(pfn >= window.nr_pages))
		return extra_address(pfn);
	return (void *)(window.base + (pfn << window.page_shift));
}

static always_inline void *page_address(const struct page *page)
{
	return pfn_address(pfn_of(page));
}

static always_inline bool window_owns(const void *p)
{
	return ((uintptr_t)p - window.base) >> UNIT_SHIFT < window.nr_units;
}

/*
 * The same as page_at() for the first page of a unit, and cheaper. Each 4 KiB
 * of first quarters has three others behind it: unit 17 is 17 * 256 = 4,352
 * into the first quarters, so in the second 4 KiB, and 3 * 4,096 further on.
 */
static always_inline struct page *page_of_unit(size_t unit)
{
	size_t distance = unit * DESC_QUARTER;
	size_t before = distance & -(size_t)window.page_bytes;

	return (struct page *)(window.vmemmap + distance + 3 * before);
}

/*
 * Word w of a unit's descriptors, whose first is given: 32 words are in the
 * first quarter, then 32 in the second, and so on.
 */
static always_inline uint64_t *page_word(struct page *first, unsigned w)
{
	size_t quarter = w * sizeof(uint64_t) / DESC_QUARTER;

	return (uint64_t *)((char *)first +
			    quarter * (window.page_bytes - DESC_QUARTER)) + w;
}

/* The map entry of an address inside the window. */
static always_inline uint16_t *map_entry(const void *p)
{
	return &window.map[((uintptr_t)p - window.base) >> UNIT_SHIFT];
}

/* Pages that hold so many bytes: bytes_to_pages(4097) = 2 with 4K pages. */
static always_inline size_t bytes_to_pages(size_t bytes)
{
	return (bytes + page_bytes() - 1) >> topo.page_shift;
}

#endif
