/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 1 << order pages, and what a page is: its address, number, node
 * and zone. Such a block is a large one as malloc's, so free() takes it too.
 */
#include "api/api.h"

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
static void *take_order(int nid, unsigned gfp, unsigned order)
{
	size_t bytes;

	if (order >= MAX_ORDERS) {
		errno = EINVAL;
		return NULL;
	}
	api_start();
	bytes = page_bytes() << order;
	return take(nid, gfp, bytes, bytes);
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

BM_EXPORT void bm_put_pages(void *addr, unsigned order)
{
	size_t have;

	if (!addr)
		return;
	if (api_present(addr)) {
		have = api_block_bytes(addr);
		if (order >= MAX_ORDERS || have != page_bytes() << order)
			fatal("wrong order in free of %p: %u given, "
			      "block of %zu pages",
			      addr, order, have >> topo.page_shift);
	}
	free_slow(addr);
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
			      "large block of %zu", addr, size, have);
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
