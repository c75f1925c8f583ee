/* SPDX-License-Identifier: MIT */
/*
 * Runs of any length over the buddies of buddy.c, growth, and its undoing.
 */
#include "zone/zone.h"

#include <string.h>

#include "base/print.h"
#include "os/os.h"
#include "os/rseq.h"
#include "zone/backing.h"
#include "zone/hugetlb.h"
#include "zone/quota.h"
#include "zone/stretch.h"

void zone_init(struct zone *zone, unsigned node, enum zone_type type,
	       pfn_t start, pfn_t end)
{
	pfn_t block = (pfn_t)1 << topo.pageblock_order;
	pfn_t blocks = (end - start) / block;

	/*
	 * A random first pageblock, within the first 1/16: addresses are not
	 * to be guessed. Nothing is below it, so it costs nothing.
	 */
	zone->origin = start;
	if (blocks >= 64 && type < WINDOW_ZONES)
		start += os_random() % (blocks / 16) * block;
	resident_add(&zone->alone, zone);
	zone->node = (uint8_t)node;
	zone->type = (uint8_t)type;
	zone->name = zone_type_name(type);
	zone->start = zone->present = zone->pool_to = start;
	zone->end = end;
	if (end > start)
		zone->max_order = min_u64(30 - topo.page_shift,
					  log2_floor(end - start));
	huge_init(zone);
}

/*
 * Takes the free blocks that cover [from, to); what the last one has more
 * stays free. True: they are clean.
 */
static bool absorb_locked(struct zone *zone, pfn_t from, pfn_t to)
{
	bool clean = true;

	while (from < to) {
		struct page *page = page_at(from);
		unsigned order = page->order;
		size_t npages = min_u64((size_t)1 << order, to - from);

		zone_pick_locked(zone, page);
		clean &= zone_cut_locked(zone, page, order, npages);
		from += npages;
	}
	return clean;
}

/*
 * The first stretch of free blocks that is long enough, whatever their
 * orders: for runs that are long (a walk is nothing beside touching them) and
 * for any run once the address space has run out.
 */
static cold struct page *take_long_locked(struct zone *zone, size_t npages,
					  unsigned *kind)
{
	pfn_t from = zone->start, pfn = from;

	if (zone->epoch)
		return NULL;
	while (pfn < zone->present && pfn - from < npages) {
		struct page *page = page_at(pfn);

		pfn += page_block_pages(page);
		if (page->type != PAGE_FREE)
			from = pfn;
	}
	if (pfn - from < npages)
		return NULL;
	*kind = absorb_locked(zone, from, from + npages) ? CLEAN : DIRTY;
	return page_at(from);
}

/* Longer runs grow the zone by what they need, not by a power of two. */
static size_t long_pages(void)
{
	return MIB(32) >> topo.page_shift;
}

/* The pages from pfn to the next address that is aligned so. */
static size_t skipped(pfn_t pfn, size_t align)
{
	uintptr_t addr = (uintptr_t)pfn_address(pfn);

	return (align_up(addr, align << topo.page_shift) - addr) >>
	       topo.page_shift;
}

/* Cuts a run that was taken too long for its alignment down to its middle. */
static struct page *trim_locked(struct zone *zone, struct page *page,
				size_t have, size_t npages, size_t align,
				unsigned kind)
{
	pfn_t pfn = pfn_of(page), first = pfn + skipped(pfn, align);

	zone_give_range_locked(zone, first + npages, pfn + have, kind);
	zone_give_range_locked(zone, pfn, first, kind);
	return page_at(first);
}

static struct page *take_stretch_locked(struct zone *zone, size_t npages,
					size_t align, unsigned first,
					unsigned last, unsigned *kind)
{
	pfn_t run;

	if (!stretch_find_locked(zone, npages, align, first, last, &run))
		return NULL;
	zone_part_locked(zone, zone_block_locked(zone, run, 0), run);
	*kind = absorb_locked(zone, run, run + npages) ? CLEAN : DIRTY;
	return page_at(run);
}

/*
 * Fresh runs lie side by side, 11 pages behind 20 and not each at the next 16
 * or 32: what would stay between them is too short for any other run, a seventh
 * of a zone, and huge pages would make it resident. But blocks that are
 * resident come first; powers of two leave nothing between them; and in a small
 * zone a run of up to half a pageblock stays where it is aligned, since what is
 * freed is a larger buddy then, and fits more requests.
 */
static bool should_pack_locked(const struct zone *zone, size_t npages)
{
	bool large = zone->present - zone->start >= MIB(32) >> topo.page_shift;
	unsigned order = log2_ceil(npages);

	return (large || npages > (size_t)1 << topo.pageblock_order >> 1) &&
	       !is_pow2(npages) &&
	       !((zone->nonempty[DIRTY] | zone->nonempty[MIXED]) >> order);
}

static struct page *take_run_locked(struct zone *zone, size_t npages,
				    size_t align, unsigned *kind)
{
	unsigned order = log2_ceil(max_u64(npages, align));
	struct page *page = NULL;

	page = take_stretch_locked(zone, npages, align, DIRTY, MIXED, kind);
	if (!page && should_pack_locked(zone, npages))
		page = take_stretch_locked(zone, npages, align, CLEAN, CLEAN,
					   kind);
	if (page)
		return page;
	if (order <= zone->max_order)
		page = zone_take_locked(zone, order);
	if (!page)
		return npages > long_pages() && align == 1
			       ? take_long_locked(zone, npages, kind)
			       : NULL;
	*kind = zone_cut_locked(zone, page, order, npages) ? CLEAN : DIRTY;
	return page;
}

static struct page *take_run(struct zone *zone, size_t npages, size_t align,
			     bool may_grow, unsigned *kind)
{
	/*
	 * Buddies are aligned to their size, but up to a pageblock only; long
	 * runs are no buddies. Such runs are taken too long, and trimmed.
	 */
	bool odd = align > (size_t)1 << topo.pageblock_order ||
		   (align > 1 && npages > long_pages());
	size_t want = odd ? npages + align : npages;
	bool grown = may_grow;
	struct page *page;

	if (want < npages || want > zone->end - zone->start ||
	    zone_gone(zone) || !quota_admits(npages))
		return NULL;
	for (;;) {
		lock(&zone->lock, LOCK_ZONE);
		page = take_run_locked(zone, want, odd ? 1 : align, kind);
		if (!page && !grown && align == 1)
			page = take_long_locked(zone, want, kind);
		if (page) {
			if (odd)
				page = trim_locked(zone, page, want, npages,
						   align, *kind);
			page->type = PAGE_LARGE;
			page->flags = 0;
			page->npages = (uint32_t)npages;
			zone_use_locked(zone, npages);
			*(*kind == DIRTY ? &zone->reused_pages
					 : &zone->fresh_pages) += npages;
		}
		unlock(&zone->lock, LOCK_ZONE);
		if (page)
			huge_run(zone, page);
		if (page && may_grow) {
			size_t fresh = *kind == CLEAN ? npages : 0;

			huge_fresh(zone, pfn_of(page), fresh);
			zone_took(zone, fresh);
		}
		if (page || !grown)
			return page;
		grown = zone_grow(zone, odd ? want : max_u64(want, align));
	}
}

struct page *zone_alloc(struct zone *zone, size_t npages, size_t align,
			unsigned *kind)
{
	return take_run(zone, npages, align, true, kind);
}

struct page *zone_alloc_present(struct zone *zone, size_t npages, size_t align,
				unsigned *kind)
{
	return take_run(zone, npages, align, false, kind);
}

void zone_free(struct zone *zone, struct page *page)
{
	pfn_t pfn = pfn_of(page);
	size_t npages = page->npages;
	unsigned kind = DIRTY;

	if (zone_gone(zone))
		return;
	if (page->flags & PAGE_MOVED &&
	    os_refresh(page_address(page), npages << topo.page_shift)) {
		kind = CLEAN;
		zone_place(zone, pfn, pfn + npages);
		huge_refreshed(zone, pfn, npages);
	}
	lock(&zone->lock, LOCK_ZONE);
	page->type = PAGE_NONE;
	zone->used_pages -= npages;
	zone_give_range_locked(zone, pfn, pfn + npages, kind);
	unlock(&zone->lock, LOCK_ZONE);
	zone_balance(zone, npages);
}

bool zone_resize(struct zone *zone, struct page *page, size_t npages)
{
	pfn_t pfn = pfn_of(page), end, next;
	bool done = true;

	if (zone_gone(zone) ||
	    (npages > page->npages && !quota_admits(npages - page->npages)))
		return false;
	lock(&zone->lock, LOCK_ZONE);
	end = pfn + page->npages;
	if (npages <= page->npages) {
		zone_give_range_locked(zone, pfn + npages, end, DIRTY);
	} else {
		next = end;
		while (next < zone->present && next < pfn + npages &&
		       page_is_free(zone, page_at(next)))
			next += (pfn_t)1 << page_at(next)->order;
		done = next >= pfn + npages;
		if (done)
			absorb_locked(zone, end, pfn + npages);
	}
	if (done) {
		zone_use_locked(zone, npages - page->npages);
		page->npages = (uint32_t)npages;
	}
	unlock(&zone->lock, LOCK_ZONE);
	if (pfn + npages < end)
		zone_balance(zone, end - pfn - npages);
	else if (done)
		quota_keep();
	return done;
}

static pfn_t pageblock_pages(void)
{
	return (pfn_t)1 << topo.pageblock_order;
}

static pfn_t growth_step(const struct zone *zone)
{
	return huge_next(zone) ? pageblock_pages() : zone_step(zone);
}

/* Where growth by npages, the new pages aligned so, would end. */
static pfn_t grown_end(const struct zone *zone, size_t npages, pfn_t align)
{
	return align_up(align_up(zone->present, align) + npages,
			growth_step(zone));
}

/*
 * Steps of 1/64: few system calls, and what is mapped but unused never
 * matters (a core dump has it in its apparent size, strict overcommit charges
 * it). The new pages form a block of the order that npages needs; near the
 * end of the address space, or when the kernel refuses, just enough is tried.
 */
cold bool zone_grow(struct zone *zone, size_t npages)
{
	pfn_t from, to[3];
	bool done = false;

	if (unlikely(seat.inside & INSIDE_NOGROW))
		return false;
	lock(&zone->grow_lock, LOCK_GROW);
	quota_look();
	from = zone->present;
	to[2] = grown_end(zone, npages, 1);
	to[1] = to[2];
	if (npages <= long_pages()) {
		pfn_t size = (pfn_t)1 << log2_ceil(npages);

		to[1] = grown_end(zone, size, size);
	}
	to[0] = max_u64(to[1], align_up(from + (from - zone->start) / 64,
					growth_step(zone)));
	for (int i = 0; i < 3 && !done; i++) {
		if (to[i] > zone->end || (i && to[i] == to[i - 1]))
			continue;
		done = zone_commit(zone, from, to[i]);
		if (!done)
			continue;
		huge_grown(zone, from, to[i], npages);
		lock(&zone->lock, LOCK_ZONE);
		zone->present = to[i];
		zone->grows++;
		zone_give_range_locked(zone, from, to[i], CLEAN);
		unlock(&zone->lock, LOCK_ZONE);
	}
	unlock(&zone->grow_lock, LOCK_GROW);
	return done;
}

/*
 * A slab's bitmap lies over the descriptors of its pages, so what is in front
 * of a page may be read as a block only where no slab is.
 */
static bool slab_before(const struct zone *zone, pfn_t pfn)
{
	return pfn > zone->start && pfn <= window.nr_pages &&
	       READ_ONCE(*map_entry(pfn_address(pfn - 1)));
}

/* Where the free blocks at the end of the zone begin. */
static pfn_t free_tail_locked(const struct zone *zone)
{
	pfn_t end = zone->present;

	for (unsigned order = zone->max_order + 1; order-- > 0;) {
		pfn_t size = (pfn_t)1 << order;

		while (!(end & (size - 1)) && end - zone->start >= size &&
		       !slab_before(zone, end) &&
		       page_is_free(zone, page_at(end - size)) &&
		       page_at(end - size)->order == order) {
			end -= size;
			order = zone->max_order;
			size = (pfn_t)1 << order;
		}
	}
	return end;
}

void zone_shrink(struct zone *zone)
{
	pfn_t tail, cut, was;
	bool clean = true;

	if (zone_gone(zone) || zone->type == ZONE_DEVICE)
		return;
	lock(&zone->grow_lock, LOCK_GROW);
	lock(&zone->lock, LOCK_ZONE);
	was = zone->present;
	tail = free_tail_locked(zone);
	/* A huge page is not cut in two. */
	cut = align_up(tail, tail < max_u64(zone->huge.to, zone->pool_to)
				     ? pageblock_pages()
				     : zone_step(zone));
	if (cut < was) {
		clean = absorb_locked(zone, tail, was);
		zone->present = cut;
		zone_give_range_locked(zone, tail, cut, clean ? CLEAN : DIRTY);
	}
	unlock(&zone->lock, LOCK_ZONE);
	if (cut < was && !os_uncommit(pfn_address(cut),
				      (was - cut) << topo.page_shift)) {
		lock(&zone->lock, LOCK_ZONE);
		zone->present = was;
		zone_give_range_locked(zone, cut, was, clean ? CLEAN : DIRTY);
		unlock(&zone->lock, LOCK_ZONE);
	}
	huge_shrunk(zone);
	hugetlb_shrunk(zone);
	unlock(&zone->grow_lock, LOCK_GROW);
}

void zone_cut(struct zone *zone, size_t keep)
{
	pfn_t block = (pfn_t)1 << topo.pageblock_order;
	pfn_t end;

	if (zone_gone(zone) || zone->type == ZONE_DEVICE)
		return;
	lock(&zone->grow_lock, LOCK_GROW);
	if (zone->origin < zone->start)
		window_cut(zone->origin, zone->start);
	zone->origin = zone->start;
	end = align_up(zone->present + keep, block);
	if (end < zone->end) {
		window_cut(end, zone->end);
		zone->end = end;
		if (zone->type >= WINDOW_ZONES)
			extra_shorten(extra_of_pfn(zone->start),
				      (end - zone->start) << topo.page_shift);
	}
	unlock(&zone->grow_lock, LOCK_GROW);
}

void zone_recover(struct zone *zone)
{
	if (zone->lock.word) {
		memset(zone->free_area, 0, sizeof(zone->free_area));
		memset(zone->nonempty, 0, sizeof(zone->nonempty));
		memset(zone->free_pages, 0, sizeof(zone->free_pages));
		zone->is_mapped = false;
		zone->epoch++;
	}
	/* zone_shrink() may have been about to drop what lies behind. */
	if (zone->grow_lock.word && zone->end > zone->present &&
	    !zone_gone(zone))
		os_uncommit(pfn_address(zone->present),
			    (zone->end - zone->present) << topo.page_shift);
	zone->lock.word = 0;
	zone->grow_lock.word = 0;
}
