/* SPDX-License-Identifier: MIT */
/*
 * What:  blocks over 32 KiB: runs of exactly as many pages as they need, of
 *        the zone Movable.
 * Invariant: the descriptor of the first page is PAGE_LARGE and has npages;
 *        the block's map entries are 0.
 */
#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "malloc/mm.h"
#include "os/os.h"

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

static struct page *take_pages(size_t npages, size_t align, unsigned *kind)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);
	struct page *page = node_alloc(0, ZONE_MOVABLE, npages, align,
				       &slot->pcp, kind);

	slot_exit(slot);
	return page;
}

static void give_pages(struct page *page)
{
	uint32_t nr;
	struct slot *slot = slot_enter(&nr);

	if (page->flags & PAGE_MOVED)
		__atomic_sub_fetch(&moves.live, 1, __ATOMIC_RELAXED);
	node_free(page, &slot->pcp);
	slot_exit(slot);
}

void *large_alloc(size_t size, size_t align, bool zero)
{
	size_t npages, align_pages = 1;
	struct page *page = NULL;
	unsigned kind = CLEAN;
	void *p;

	if (size > PTRDIFF_MAX || align > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	if (!mm_enter())
		return nested_alloc(size, align);
	if (likely(mm_booted())) {
		npages = bytes_to_pages(size ? size : 1);
		if (align > page_bytes())
			align_pages = align >> topo.page_shift;
		if (npages <= UINT32_MAX && align_pages <= UINT32_MAX)
			page = take_pages(npages, align_pages, &kind);
	}
	mm_leave();
	if (!page) {
		errno = ENOMEM;
		return NULL;
	}
	p = page_address(page);
	/* A huge block may be dirty in part only, and used in part only. */
	if (zero && kind == DIRTY && (size < PURGE_MIN || !os_purge(p, size)))
		memset(p, 0, size);
	return p;
}

/* The descriptor of a live large block; anything else ends the process. */
static struct page *large_page(const void *p, const char *what)
{
	struct page *page;

	if (!pfn_present(pfn_of_address(p)))
		fatal("invalid %s of %p: not the start of a block", what, p);
	page = page_of(p);
	if (page->type == PAGE_LARGE && page_address(page) == p)
		return page;
	if (page->type != PAGE_LARGE && page->flags & PAGE_FREED &&
	    page_address(page) == p)
		fatal("double free of %p (large block)", p);
	fatal("invalid %s of %p: not the start of a block", what, p);
}

void large_free(void *p)
{
	give_pages(large_page(p, "free"));
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

static bool may_move(size_t bytes)
{
	if (bytes < MOVE_MIN || READ_ONCE(moves.live) >= MOVES_MAX)
		return false;
	if (!READ_ONCE(moves.work))
		WRITE_ONCE(moves.work, os_move_works() ? 1 : 2);
	return READ_ONCE(moves.work) == 1;
}

/* A new run with the old one's pages moved into it; NULL: copy instead. */
static struct page *move(struct page *old, size_t npages)
{
	size_t bytes = (size_t)old->npages << topo.page_shift;
	struct page *page;
	unsigned kind;

	if (!may_move(bytes))
		return NULL;
	page = take_pages(npages, 1, &kind);
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
	page->flags |= PAGE_MOVED;
	__atomic_add_fetch(&moves.live, 1, __ATOMIC_RELAXED);
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
