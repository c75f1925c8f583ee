/* SPDX-License-Identifier: MIT */
#include "page/extra.h"

#include <string.h>

#include "base/print.h"
#include "os/os.h"

struct extra extras[EXTRAS_MAX] set_apart;
uint32_t nr_extras;

/*
 * Pfns are given out in pieces whose descriptors are whole groups, each to one
 * window: when that goes away they are dropped.
 */
static size_t piece(void)
{
	return max_u64((size_t)1 << topo.pageblock_order, DESC_GROUP_PAGES);
}

static size_t offset_in_block(const void *addr)
{
	return ((uintptr_t)addr & (pageblock_bytes() - 1)) >> topo.page_shift;
}

/* The first piece that a window has some of, and the end of its last. */
static pfn_t lowest(const struct extra *extra)
{
	return align_down(extra->first, piece());
}

static pfn_t behind(const struct extra *extra)
{
	return align_up(extra->first + extra->pages, piece());
}

/* The extra window that has pieces of [from, to). */
static const struct extra *taken(pfn_t from, pfn_t to)
{
	for (uint32_t i = 0; i < nr_extras; i++)
		if (extras[i].pages && from < behind(&extras[i]) &&
		    to > lowest(&extras[i]))
			return &extras[i];
	return NULL;
}

/* The first gap that is long enough. */
static pfn_t find_pfns(size_t pages)
{
	pfn_t at = align_up(window.nr_pages, piece());
	const struct extra *in_the_way;

	while ((in_the_way = taken(at, at + pages)))
		at = behind(in_the_way);
	return at + pages <= window.nr_descs ? at : PFN_NONE;
}

static bool overlaps(uintptr_t base, size_t bytes)
{
	if (base < window.base + window.bytes && window.base < base + bytes)
		return true;
	for (uint32_t i = 0; i < nr_extras; i++)
		if (base < extras[i].base + extras[i].bytes &&
		    extras[i].base < base + bytes)
			return true;
	return false;
}

bool extra_add(struct extra *extra, void *addr, size_t bytes)
{
	size_t offset = offset_in_block(addr);
	size_t pages = offset + (bytes >> topo.page_shift);
	uint32_t nr = (uint32_t)(extra - extras) + 1;
	pfn_t first;

	if (overlaps((uintptr_t)addr, bytes))
		return false;
	first = find_pfns(pages);
	if (first == PFN_NONE)
		return false;
	WRITE_ONCE(extra->base, (uintptr_t)addr);
	WRITE_ONCE(extra->first, first + offset);
	store_release(&extra->pages, pages - offset);
	store_release(&extra->bytes, bytes);
	if (nr > nr_extras)
		store_release(&nr_extras, nr);
	return true;
}

void extra_remove(struct extra *extra)
{
	unsigned desc = topo.page_shift - PAGE_DESC_SHIFT;
	size_t from = lowest(extra) << desc, to = behind(extra) << desc;

	WRITE_ONCE(extra->bytes, 0);
	WRITE_ONCE(extra->pages, 0);
	smp_mb();
	/* The last piece may end behind what was ever used. */
	to = min_u64(to, window.nr_descs << desc);
	os_purge(window.vmemmap + from, to - from);
}

void extra_shorten(struct extra *extra, size_t bytes)
{
	if (bytes < extra->bytes)
		store_release(&extra->bytes, bytes);
}

void extra_cut(void)
{
	unsigned desc = topo.page_shift - PAGE_DESC_SHIFT;
	pfn_t end = align_up(window.nr_pages, piece());

	for (uint32_t i = 0; i < nr_extras; i++)
		if (extras[i].pages)
			end = max_u64(end, behind(&extras[i]));
	if (end >= window.nr_descs)
		return;
	os_unmap(window.vmemmap + (end << desc),
		 (window.nr_descs - end) << desc);
	window.nr_descs = end;
}

struct extra *extra_of_pfn(pfn_t pfn)
{
	for (uint32_t i = 0; i < load_acquire(&nr_extras); i++) {
		size_t pages = load_acquire(&extras[i].pages);

		if (pfn - READ_ONCE(extras[i].first) >= pages)
			continue;
		smp_mb();
		if (READ_ONCE(extras[i].pages) == pages)
			return &extras[i];
	}
	return NULL;
}

void *extra_address(pfn_t pfn)
{
	const struct extra *extra = extra_of_pfn(pfn);

	BUG_ON(!extra);
	return (void *)(extra->base +
			((pfn - extra->first) << topo.page_shift));
}

pfn_t extra_pfn_of(const void *p)
{
	for (uint32_t i = 0; i < load_acquire(&nr_extras); i++) {
		size_t bytes = load_acquire(&extras[i].bytes);
		uintptr_t at = (uintptr_t)p - READ_ONCE(extras[i].base);
		pfn_t first = READ_ONCE(extras[i].first);

		if (at >= bytes)
			continue;
		smp_mb();
		if (READ_ONCE(extras[i].bytes) == bytes)
			return first + (at >> topo.page_shift);
	}
	return PFN_NONE;
}
