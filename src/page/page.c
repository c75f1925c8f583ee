/* SPDX-License-Identifier: MIT */
#include "page/page.h"

#include "os/os.h"

struct window window;

/*
 * Descriptors for the pages of extra windows: a sixteenth of the window's, but
 * at least for 64 GiB where address space is no matter.
 */
static size_t extra_bytes(size_t bytes, bool limited)
{
	return align_up(max_u64(bytes / 16, limited ? 0 : GIB(64)),
			pageblock_bytes());
}

static bool reserve(size_t bytes, bool limited)
{
	size_t described = align_up(bytes + extra_bytes(bytes, limited),
				    DESC_GROUP_PAGES << topo.page_shift);
	size_t map_bytes = align_up((bytes >> UNIT_SHIFT) * sizeof(uint16_t),
				    page_bytes());
	size_t free_bytes = align_up(bytes >> topo.page_shift >> 3,
				     page_bytes());
	char *mem = os_reserve(bytes + pageblock_bytes());
	size_t desc_bytes = described >> PAGE_DESC_SHIFT;
	char *desc = mem ? os_reserve(desc_bytes) : NULL;
	uint16_t *map = desc ? os_reserve_readable(map_bytes + free_bytes)
			     : NULL;

	if (!map) {
		if (desc)
			os_unmap(desc, desc_bytes);
		if (mem)
			os_unmap(mem, bytes + pageblock_bytes());
		return false;
	}
	window.base = align_up((uintptr_t)mem, pageblock_bytes());
	window.vmemmap = desc;
	window.map = map;
	window.free_map = (uint64_t *)((char *)map + map_bytes);
	window.page_shift = topo.page_shift;
	window.page_bytes = (unsigned)page_bytes();
	window.bytes = bytes;
	window.nr_pages = bytes >> topo.page_shift;
	window.nr_descs = described >> topo.page_shift;
	window.nr_units = bytes >> UNIT_SHIFT;
	return true;
}

/*
 * Where the address space is limited, at most half of what is left; where the
 * kernel refuses, half as much and half again, down to 8 MiB.
 */
bool window_init(size_t wanted)
{
	size_t left = os_address_space_left();

	/* The descriptors cost 1/60 more, and the map next to nothing. */
	if (left != SIZE_MAX)
		wanted = min_u64(wanted, left / 2 / 61 * 60);
	for (; wanted >= MIB(8); wanted /= 2)
		if (reserve(align_down(wanted, pageblock_bytes()),
			    left != SIZE_MAX))
			return true;
	return false;
}

static size_t group_bytes(void)
{
	return DESC_GROUP_PAGES << (topo.page_shift - PAGE_DESC_SHIFT);
}

/*
 * Whole pieces that cover [from, to) of an array; those that cover
 * [start, from) are there.
 */
static bool commit_array(void *array, size_t start, size_t from, size_t to,
			 size_t piece)
{
	size_t lo = from > start ? align_up(from, piece)
				 : align_down(from, piece);
	size_t hi = align_up(to, piece);

	return lo >= hi || os_commit((char *)array + lo, hi - lo);
}

bool pages_describe(pfn_t start, pfn_t from, pfn_t to)
{
	unsigned desc = topo.page_shift - PAGE_DESC_SHIFT;

	return commit_array(window.vmemmap, start << desc, from << desc,
			    to << desc, group_bytes());
}

static bool commit_maps(pfn_t start, pfn_t from, pfn_t to)
{
	unsigned unit = UNIT_SHIFT - topo.page_shift;

	return commit_array(window.map, (start >> unit) * sizeof(uint16_t),
			    (from >> unit) * sizeof(uint16_t),
			    (to >> unit) * sizeof(uint16_t), page_bytes()) &&
	       commit_array(window.free_map, start / 8, from / 8,
			    (to + 7) / 8, page_bytes());
}

/* Slabs never lie outside of the window, so the maps end with it. */
bool pages_commit(pfn_t start, pfn_t from, pfn_t to)
{
	return (from >= window.nr_pages || commit_maps(start, from, to)) &&
	       pages_describe(start, from, to) &&
	       os_commit(pfn_address(from), (to - from) << topo.page_shift);
}

/* [*from, *to): the whole groups of descriptors of so many pages. */
static bool desc_groups(pfn_t first, pfn_t last, size_t *from, size_t *to)
{
	unsigned desc = topo.page_shift - PAGE_DESC_SHIFT;

	*from = align_up(first << desc, group_bytes());
	*to = align_down(last << desc, group_bytes());
	return *from < *to;
}

void pages_forget(pfn_t first, pfn_t last)
{
	size_t from, to;

	if (!desc_groups(first, last, &from, &to))
		return;
	if (page_at(first) == (struct page *)(window.vmemmap + from))
		from += page_bytes();
	os_purge(window.vmemmap + from, to - from);
}

void window_cut(pfn_t from, pfn_t to)
{
	size_t lo, hi;

	os_unmap(pfn_address(from), (to - from) << topo.page_shift);
	if (desc_groups(from, to, &lo, &hi))
		os_unmap(window.vmemmap + lo, hi - lo);
}
