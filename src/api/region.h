/* SPDX-License-Identifier: MIT */
/*
 * What:  an allocator over memory that the program brings by its page hooks:
 *        runs of pages, first fit, and slabs of 64 KiB for objects to 2 KiB.
 *        What describes it lies elsewhere, so the memory may be anything.
 * Door:  region_init(), region_exit(); the rest as malloc's.
 * Locks: region->lock (G), of the level GROW, since hooks are called under it.
 *        A hook that allocates is served like a signal handler in a slow path.
 * Invariant: pages are in runs that cover the region; the first and the last
 *        page of a run have its length, the first its type. A page is
 *        committed while its run is in use (or a hook refused to take it
 *        back). `live` has a bit for each 16 bytes: a block starts there.
 *        Example: pages 0-15 a slab, 16-18 in use, the rest of 256 free:
 *        page[0] = { SLAB, 16 }, page[16] = { USED, 3 }, page[19] = { FREE,
 *        237 }, page[255].length = 237.
 */
#ifndef BM_API_REGION_H
#define BM_API_REGION_H

#include "api/api.h"

enum region_type { REGION_INNER, REGION_FREE, REGION_USED, REGION_SLAB };

struct region_page {
	uint32_t length;	/* (G) pages of the run: first and last page */
	uint8_t type;		/* (G) enum region_type: first page */
	uint8_t class;		/* (G) of a slab */
	uint8_t committed;	/* (G) each page */
	uint8_t listed;		/* (G) a slab with objects at home */
	uint16_t out, fresh;	/* (G) a slab's objects: out; ever handed out */
	uint16_t back;		/* (G) pages back to the first of a slab */
	uint16_t unused;
	void *free;		/* (G) a slab's objects that came home */
	struct list link;	/* (G) slabs of the class */
};

struct region {
	struct lock lock;
	struct bm_page_hooks hooks;	/* (C) */
	void *arg;			/* (C) */
	char *base;			/* (C) */
	size_t bytes, npages;		/* (C) */
	struct region_page *page;	/* (C) npages of them */
	uint64_t *live;			/* (G) */
	size_t used;			/* (G) pages of runs in use */
	struct list slabs[NR_SMALL];	/* (G) with objects at home */
};

bool region_init(struct region *region, const struct bm_page_hooks *hooks,
		 void *arg, size_t bytes);
void region_exit(struct region *region);
void *region_alloc(struct region *region, size_t size, size_t align);
/* These end the process where no block starts at p. */
void region_free(struct region *region, void *p);
size_t region_size(struct region *region, const void *p);

static inline bool region_owns(const struct region *region, const void *p)
{
	return (uintptr_t)p - (uintptr_t)region->base < region->bytes;
}

#endif
