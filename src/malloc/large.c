/* SPDX-License-Identifier: MIT */
/*
 * What:  blocks over 32 KiB (but for those that slab/middle.h makes objects):
 *        runs of exactly as many pages as they need, of the zone Movable.
 * Invariant: the descriptor of the first page is PAGE_LARGE and has npages;
 *        the block's map entries are 0.
 */
#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "malloc/mm.h"
#include "os/os.h"
#include "zone/backing.h"

enum {
	/* From here on moving page tables beats copying. */
	MOVE_MIN = 1 << 20,
	/* From here on dropping pages beats clearing them. */
	PURGE_MIN = 16 << 20,
	/* A moved block splits mappings; the kernel allows 65,530 of them. */
	MOVES_MAX = 64,
};

static struct {
	uint32_t work;		/* (A) 0: not tried yet, 1: yes, 2: no */
	uint64_t total;		/* (A) */
	uint32_t live;		/* (A) blocks that lie in a moved mapping */
} moves;

uint64_t large_moves(void)
{
	return READ_ONCE(moves.total);
}

static void join_group(struct block_group *group, struct page *page)
{
	lock(&group->lock, LOCK_LIST);
	page->flags |= PAGE_GROUPED;
	page->large.group = group;
	list_add(&page->link, &group->blocks);
	unlock(&group->lock, LOCK_LIST);
}

static void leave_group(struct page *page)
{
	struct block_group *group = page->large.group;

	lock(&group->lock, LOCK_LIST);
	list_del(&page->link);
	page->flags &= (uint8_t)~PAGE_GROUPED;
	unlock(&group->lock, LOCK_LIST);
}

/* In a slow path, as everything here that takes and gives pages. */
static struct page *take_pages(int nid, unsigned gfp, size_t npages,
			       size_t align, struct block_group *group,
			       unsigned *kind)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);
	struct page *page = node_alloc(nid == NID_ANY ? slot->node
						      : (unsigned)nid,
				       gfp, npages, align, &slot->pcp, kind);

	if (page && group)
		join_group(group, page);
	slot_exit(slot);
	return page;
}

static void give_pages_to(struct slot *slot, struct page *page)
{
	if (page->flags & PAGE_GROUPED)
		leave_group(page);
	if (page->flags & PAGE_MOVED)
		__atomic_sub_fetch(&moves.live, 1, __ATOMIC_RELAXED);
	node_free(page, &slot->pcp);
}

static void give_pages(struct page *page)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);

	give_pages_to(slot, page);
	slot_exit(slot);
}

void large_free_group(struct block_group *group, struct slot *slot)
{
	while (!list_empty(&group->blocks))
		give_pages_to(slot, container_of(group->blocks.next,
						 struct page, link));
}

static struct page *take_block(int nid, unsigned gfp, size_t size, size_t align,
			       struct block_group *group, unsigned *kind)
{
	size_t npages = bytes_to_pages(size ? size : 1), align_pages = 1;

	if (align > page_bytes())
		align_pages = align >> topo.page_shift;
	if (npages > UINT32_MAX || align_pages > UINT32_MAX)
		return NULL;
	return take_pages(nid, gfp, npages, align_pages, group, kind);
}

/* A huge block may be dirty in part only, and used in part only. */
static void clear(struct page *page, size_t size)
{
	void *p = page_address(page);
	bool purge = size >= PURGE_MIN && zone_purges(zone_of(pfn_of(page)));

	if (!purge || !os_purge(p, size))
		memset(p, 0, size);
}

void *large_alloc_from(int nid, unsigned gfp, size_t size, size_t align,
		       struct block_group *group)
{
	struct page *page = NULL;
	unsigned kind = CLEAN;
	bool hopeless;

	if (size > PTRDIFF_MAX || align > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	do {
		if (!mm_enter())
			return nested_alloc(size, align);
		/* Whatever comes free, it is not so much: nobody is asked. */
		hopeless = size > window.bytes || align > window.bytes;
		if (gfp & GFP_NOGROW)
			seat.inside |= INSIDE_NOGROW;
		if (likely(mm_booted()))
			page = take_block(nid, gfp, size, align, group, &kind);
		mm_leave();
	} while (unlikely(!page) && !hopeless && mm_again(gfp, size));
	if (!page) {
		errno = ENOMEM;
		return NULL;
	}
	if (gfp & GFP_ZERO && kind == DIRTY)
		clear(page, size);
	return page_address(page);
}

void *large_alloc(size_t size, size_t align, bool zero)
{
	return large_alloc_from(NID_ANY, zero ? GFP_MOVABLE | GFP_ZERO
					      : GFP_MOVABLE,
				size, align, NULL);
}

/* The descriptor of a live large block; anything else ends the process. */
static struct page *large_page(const void *p, const char *what)
{
	pfn_t pfn = pfn_find(p);
	struct page *page;

	if (!pfn_present(pfn))
		fatal("invalid %s of %p: not the start of a block", what, p);
	page = page_at(pfn);
	if (page->type == PAGE_LARGE && pfn_address(pfn) == p)
		return page;
	if (page->type != PAGE_LARGE && page->flags & PAGE_FREED &&
	    pfn_address(pfn) == p)
		fatal("double free of %p (large block)", p);
	fatal("invalid %s of %p: not the start of a block", what, p);
}

void large_free(void *p)
{
	give_pages(large_page(p, "free"));
}

size_t large_put(void *p, size_t npages)
{
	struct page *page = large_page(p, "free");
	int saved = errno;

	if (page->npages != npages)
		return page->npages;
	if (watched() || !mm_enter()) {
		free_slow(p);
	} else {
		give_pages(page);
		mm_leave();
	}
	errno = saved;
	return npages;
}

bool large_in_group(const void *p, const struct block_group *group)
{
	pfn_t pfn = pfn_find(p);
	const struct page *page = page_at(pfn);

	return page->type == PAGE_LARGE && pfn_address(pfn) == p &&
	       page->flags & PAGE_GROUPED && page->large.group == group;
}

size_t large_size(const void *p, const char *what)
{
	return (size_t)large_page(p, what)->npages << topo.page_shift;
}

static bool resize(struct page *page, size_t npages)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);
	bool done = zone_resize(zone_of(pfn_of(page)), page, npages);

	slot_exit(slot);
	return done;
}

static void remap_later(struct page *page)
{
	page->flags |= PAGE_MOVED;
	__atomic_add_fetch(&moves.live, 1, __ATOMIC_RELAXED);
}

bool large_remap(void *p)
{
	struct page *page = large_page(p, "use");

	if (READ_ONCE(moves.live) >= MOVES_MAX)
		return false;
	remap_later(page);
	return true;
}

/* Mappings of huge pages can only be cut and moved whole. */
static bool has_pool(const struct page *page)
{
	return !zone_purges(zone_of(pfn_of(page)));
}

static bool may_move(const struct page *page, size_t bytes)
{
	if (bytes < MOVE_MIN || page->flags & PAGE_GROUPED ||
	    READ_ONCE(moves.live) >= MOVES_MAX || has_pool(page))
		return false;
	if (!READ_ONCE(moves.work))
		WRITE_ONCE(moves.work, os_move_works() ? 1 : 2);
	return READ_ONCE(moves.work) == 1;
}

/* A new run with the old one's pages moved into it; NULL: copy instead. */
static cold struct page *move(struct page *old, size_t npages)
{
	size_t bytes = (size_t)old->npages << topo.page_shift;
	struct page *page;
	unsigned kind;

	if (!may_move(old, bytes))
		return NULL;
	page = take_pages(NID_ANY, GFP_MOVABLE, npages, 1, NULL, &kind);
	if (page && has_pool(page)) {
		give_pages(page);
		page = NULL;
	}
	if (!page)
		return NULL;
	if (!os_move(page_address(old), page_address(page), bytes)) {
		/*
		 * The kernel may have unmapped the place already, and nobody
		 * else's mapping may fall into our window: map it again, or
		 * else never use it.
		 */
		if (os_refresh(page_address(page), bytes))
			give_pages(page);
		return NULL;
	}
	remap_later(page);
	__atomic_add_fetch(&moves.total, 1, __ATOMIC_RELAXED);
	give_pages(old);
	return page;
}

void *large_realloc(void *p, size_t size)
{
	size_t npages = bytes_to_pages(size);
	struct page *page = large_page(p, "realloc");

	if (size > PTRDIFF_MAX || npages > UINT32_MAX || !mm_enter())
		return NULL;
	if (npages != page->npages && !resize(page, npages))
		page = move(page, npages);
	mm_leave();
	return page ? page_address(page) : NULL;
}
