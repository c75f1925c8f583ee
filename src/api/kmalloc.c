/* SPDX-License-Identifier: MIT */
/*
 * malloc with flags, over the classes that malloc has (slabinfo calls them
 * kmalloc-N), and blocks of whole pages.
 */
#include "api/api.h"

#include <string.h>

/* Zones of their own have no slabs: such a block is a run of pages. */
static bool special(unsigned gfp)
{
	return gfp_zone(gfp) > ZONE_MOVABLE;
}

static void *take_special(size_t size, unsigned gfp)
{
	void *p;

	if (api_nested())
		return NULL;
	call_begins(TRACE_MALLOC, 0, size, NULL);
	p = large_alloc_from(NID_ANY, gfp, size, 1, NULL);
	call_ends(TRACE_MALLOC, 0, size, NULL, p);
	return p;
}

static void *take_nogrow(size_t size)
{
	void *p = size - 1 < SMALL_MAX ? rseq_pop(class_of(size)) : NULL;

	return p ? p : malloc_nogrow(size);
}

/* Of the node that the thread is on now, or NULL. */
static void *take_here(size_t size)
{
	uint32_t nr;
	struct slot *slot = api_enter(&nr);
	unsigned nid;
	void *p;

	if (!slot)
		return NULL;
	nid = slot->node;
	mm_leave_slot(slot);
	if (size > SMALL_MAX) {
		call_begins(TRACE_MALLOC, 0, size, NULL);
		p = large_alloc_from((int)nid, GFP_MOVABLE | GFP_THISNODE, size,
				     1, NULL);
		call_ends(TRACE_MALLOC, 0, size, NULL, p);
		return p;
	}
	p = malloc_on(nid, size);
	/* Its slabs may be another node's, where this one has no memory. */
	if (!p || page_node(slab_of(p)) == nid)
		return p;
	free_fast(p);
	errno = ENOMEM;
	return NULL;
}

/* By the flags; whether it is zero is for the caller to see to. */
static void *take_as_told(size_t size, unsigned gfp)
{
	void *p;

	do
		p = gfp & GFP_NOGROW ? take_nogrow(size) : take_here(size);
	while (unlikely(!p) && gfp & GFP_NOFAIL && size <= PTRDIFF_MAX &&
	       !seat.inside && mm_again(gfp, size));
	return p && gfp & GFP_ZERO ? memset(p, 0, size) : p;
}

/*
 * What a block of so many bytes really has: bm_krealloc() counts on zeros
 * behind the size that was asked for.
 */
static size_t whole(size_t size)
{
	api_start();
	if (size <= SMALL_MAX)
		return mm_booted() ? class_bytes(class_of(size ? size : 1))
				   : size;
	if (size <= MIDDLE_MAX)
		size = class_bytes(class_of_middle(size));
	return size > PTRDIFF_MAX ? size : align_up(size, page_bytes());
}

static void *take(size_t size, unsigned gfp)
{
	void *p;

	if (gfp & (GFP_ZERO | GFP_THISNODE)) {
		api_start();
		if (gfp & GFP_ZERO)
			size = whole(size);
	}
	if (special(gfp))
		return take_special(size, gfp);
	if (gfp & GFP_NOGROW || (gfp & GFP_THISNODE && topo.nodes > 1))
		return take_as_told(size, gfp);
	do
		p = gfp & GFP_ZERO ? malloc_zeroed(size) : malloc_fast(size);
	while (unlikely(!p) && gfp & GFP_NOFAIL && size <= PTRDIFF_MAX &&
	       !seat.inside && mm_again(gfp, size));
	return p;
}

BM_EXPORT void *bm_kmalloc(size_t size, unsigned gfp)
{
	return api_gfp(gfp) ? take(size, gfp) : NULL;
}

BM_EXPORT void *bm_kzalloc(size_t size, unsigned gfp)
{
	return bm_kmalloc(size, gfp | GFP_ZERO);
}

BM_EXPORT void *bm_kcalloc(size_t n, size_t size, unsigned gfp)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return bm_kmalloc(bytes, gfp | GFP_ZERO);
}

/* In a block of its own. */
static void *move(void *p, size_t have, size_t size, unsigned gfp)
{
	void *new = take(size, gfp & ~(unsigned)GFP_ZERO);

	if (!new)
		return NULL;
	memcpy(new, p, have < size ? have : size);
	free_fast(p);
	return new;
}

BM_EXPORT void *bm_krealloc(void *ptr, size_t size, unsigned gfp)
{
	size_t have, now;
	char *p;

	if (!api_gfp(gfp))
		return NULL;
	if (!ptr)
		return bm_kmalloc(size, gfp);
	if (!size) {
		free_fast(ptr);
		return NULL;
	}
	have = bm_usable_size(ptr);
	if (special(gfp) || gfp & (GFP_NOGROW | GFP_NOFAIL))
		p = size <= have && !special(gfp) ? ptr
						  : move(ptr, have, size, gfp);
	else
		p = bm_realloc(ptr, size);
	if (p && gfp & GFP_ZERO) {
		now = bm_usable_size(p);
		if (have > size)
			have = size;
		memset(p + have, 0, now - have);
	}
	return p;
}

BM_EXPORT void bm_kfree(void *ptr)
{
	free_fast(ptr);
}

static void *take_pages(size_t size, unsigned gfp)
{
	enum trace_op op = gfp & GFP_ZERO ? TRACE_CALLOC : TRACE_MALLOC;
	void *p;

	api_start();
	call_begins(op, 0, size, NULL);
	p = large_alloc_from(NID_ANY, gfp, size, page_bytes(), NULL);
	call_ends(op, 0, size, NULL, p);
	return p;
}

BM_EXPORT void *bm_vmalloc(size_t size)
{
	return take_pages(size, GFP_MOVABLE);
}

BM_EXPORT void *bm_vzalloc(size_t size)
{
	return take_pages(size, GFP_MOVABLE | GFP_ZERO);
}

/* A block that kmalloc made of a slab: it is freed as any other. */
static bool is_object(const void *p)
{
	return window_owns(p) && page_entry(p) && !is_named(p);
}

BM_EXPORT void bm_vfree(void *ptr)
{
	if (ptr && api_present(ptr) && !is_object(ptr))
		api_block_bytes(ptr);
	free_slow(ptr);
}

BM_EXPORT void *bm_vrealloc(void *ptr, size_t size)
{
	size_t have;
	void *p = NULL;

	if (!ptr)
		return bm_vmalloc(size);
	if (!size) {
		bm_vfree(ptr);
		return NULL;
	}
	have = bm_usable_size(ptr);
	call_begins(TRACE_REALLOC, 0, size, ptr);
	trace_mute();
	/* Pages of the window may move; a slab's object is no such block. */
	if (window_owns(ptr) && !page_entry(ptr))
		p = large_realloc(ptr, size);
	if (!p) {
		p = bm_vmalloc(size);
		if (p) {
			memcpy(p, ptr, have < size ? have : size);
			bm_vfree(ptr);
		}
	}
	trace_unmute();
	call_ends(TRACE_REALLOC, 0, size, ptr, p);
	return p;
}
