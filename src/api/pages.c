/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 1 << order pages, and what a page is: its address, number, node
 * and zone. Such a block is what malloc's of that size is, so free() takes it
 * too: an object of a slab or a large one.
 */
#include "api/api.h"

/*
 * Slabs lie in Normal, and begin at a multiple of 64 KiB: an object of a class
 * that is a power of two of pages is just such a block, and the fast path has
 * it. Anything that is asked of the node or of growth is for page lists.
 */
static bool is_object(int nid, unsigned gfp, size_t bytes)
{
	return nid == NID_ANY && bytes <= SMALL_MAX &&
	       !(gfp & ~(unsigned)(GFP_ZERO | GFP_NOFAIL));
}

static void *take_object(unsigned gfp, size_t bytes)
{
	void *p;

	if (api_nested())
		return NULL;
	call_begins(TRACE_ALIGNED, bytes, bytes, NULL);
	trace_mute();
	do
		p = gfp & GFP_ZERO ? malloc_zeroed(bytes) : malloc_fast(bytes);
	while (unlikely(!p) && gfp & GFP_NOFAIL && mm_again(gfp, bytes));
	trace_unmute();
	call_ends(TRACE_ALIGNED, bytes, bytes, NULL, p);
	return p;
}

static void *take(int nid, unsigned gfp, size_t bytes, size_t align)
{
	void *p;

	if (nid == NID_NONE || !api_gfp(gfp) || api_nested())
		return NULL;
	call_begins(TRACE_ALIGNED, align, bytes, NULL);
	p = large_alloc_from(nid, gfp, bytes, align, NULL);
	call_ends(TRACE_ALIGNED, align, bytes, NULL, p);
	return p;
}

/* As buddies are: a block is aligned to its size. */
static noinline void *take_slow(int nid, unsigned gfp, unsigned order)
{
	size_t bytes;

	if (order >= MAX_ORDERS) {
		errno = EINVAL;
		return NULL;
	}
	api_start();
	bytes = page_bytes() << order;
	return is_object(nid, gfp, bytes) ? take_object(gfp, bytes)
					  : take(nid, gfp, bytes, bytes);
}

static always_inline void *take_order(int nid, unsigned gfp, unsigned order)
{
	size_t bytes = (size_t)window.page_bytes << order % 32;
	void *p;

	/* 0 before the start. Larger orders have no class. */
	if (unlikely(order >= MAX_ORDERS || bytes - 1 >= SMALL_MAX ||
		     nid != NID_ANY || gfp != GFP_NORMAL))
		return take_slow(nid, gfp, order);
	p = rseq_pop(class_of(bytes));
	return likely(p) ? p : take_slow(nid, gfp, order);
}

static struct bm_page *descriptor(void *p)
{
	return p ? (struct bm_page *)page_at(pfn_find(p)) : NULL;
}

static const struct page *inside(const struct bm_page *page)
{
	return (const struct page *)page;
}

BM_EXPORT struct bm_page *bm_alloc_pages_node(int node, unsigned gfp,
					      unsigned order)
{
	return descriptor(take_order(api_nid(node), gfp, order));
}

BM_EXPORT struct bm_page *bm_alloc_pages(unsigned gfp, unsigned order)
{
	return descriptor(take_order(NID_ANY, gfp, order));
}

BM_EXPORT struct bm_page *bm_alloc_page(unsigned gfp)
{
	return descriptor(take_order(NID_ANY, gfp, 0));
}

BM_EXPORT void *bm_get_free_pages(unsigned gfp, unsigned order)
{
	return take_order(NID_ANY, gfp, order);
}

BM_EXPORT void *bm_get_free_page(unsigned gfp)
{
	return take_order(NID_ANY, gfp, 0);
}

BM_EXPORT void *bm_get_zeroed_page(unsigned gfp)
{
	return take_order(NID_ANY, gfp | GFP_ZERO, 0);
}

BM_EXPORT void *bm_alloc_pages_exact(size_t size, unsigned gfp)
{
	return take(NID_ANY, gfp, size, 1);
}

static cold void refuse(const void *p, unsigned order, size_t pages)
{
	fatal("wrong order in free of %p: %u given, block of %zu pages", p,
	      order, pages);
}

static noinline void put_slow(void *addr, unsigned order)
{
	size_t pages = order < MAX_ORDERS ? (size_t)1 << order : 0, have;

	if (addr && api_present(addr)) {
		if (!page_entry(addr)) {
			have = large_put(addr, pages);
			if (unlikely(have != pages))
				refuse(addr, order, have);
			return;
		}
		have = api_block_bytes(addr) >> topo.page_shift;
		if (have != pages)
			refuse(addr, order, have);
	}
	free_slow(addr);
}

BM_EXPORT void bm_put_pages(void *addr, unsigned order)
{
	if (likely(window_owns(addr))) {
		unsigned entry = *map_entry(addr);
		size_t bytes = api_object_bytes(addr, entry);

		if (bytes && order < MAX_ORDERS &&
		    bytes == (size_t)window.page_bytes << order &&
		    likely(rseq_push(addr, entry)))
			return;
	}
	put_slow(addr, order);
}

BM_EXPORT void bm_put_page(void *addr)
{
	bm_put_pages(addr, 0);
}

BM_EXPORT void bm_free_pages_exact(void *addr, size_t size)
{
	size_t have;

	if (!addr)
		return;
	if (api_present(addr)) {
		have = api_block_bytes(addr);
		if (bytes_to_pages(size ? size : 1) != have >> topo.page_shift)
			fatal("size mismatch in free of %p: %zu bytes given, "
			      "%s %zu", addr, size,
			      page_entry(addr) ? "size class"
					       : "large block of", have);
	}
	free_slow(addr);
}

/* Whether the pointer leads to a descriptor that may be read. */
static bool is_page(const struct bm_page *page)
{
	pfn_t pfn;

	api_start();
	if ((const char *)page < window.vmemmap)
		return false;
	pfn = pfn_of(inside(page));
	return page_at(pfn) == inside(page) && pfn_present(pfn);
}

BM_EXPORT void bm_free_pages(struct bm_page *page, unsigned order)
{
	if (!page)
		return;
	if (!is_page(page))
		fatal("invalid free of page %p: not a page of this heap",
		      (void *)page);
	bm_put_pages(page_address(inside(page)), order);
}

BM_EXPORT void bm_free_page(struct bm_page *page)
{
	bm_free_pages(page, 0);
}

BM_EXPORT void *bm_page_address(const struct bm_page *page)
{
	return page_address(inside(page));
}

BM_EXPORT struct bm_page *bm_virt_to_page(const void *addr)
{
	return api_present(addr) ? (struct bm_page *)page_at(pfn_find(addr))
				 : NULL;
}

BM_EXPORT uint64_t bm_page_to_pfn(const struct bm_page *page)
{
	return pfn_of(inside(page));
}

BM_EXPORT struct bm_page *bm_pfn_to_page(uint64_t pfn)
{
	api_start();
	return pfn_present(pfn) ? (struct bm_page *)page_at(pfn) : NULL;
}

BM_EXPORT int bm_page_to_node(const struct bm_page *page)
{
	return topo.node_id[zone_of(pfn_of(inside(page)))->node];
}

BM_EXPORT enum bm_zone bm_page_zone(const struct bm_page *page)
{
	return (enum bm_zone)zone_of(pfn_of(inside(page)))->type;
}
