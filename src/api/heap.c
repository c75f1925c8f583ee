/* SPDX-License-Identifier: MIT */
/*
 * What:  heaps of one's own: small objects from caches that nobody else uses,
 *        large blocks on a list, and all of it given back at once, without a
 *        look at the objects. Or, with page hooks, a region (api/region.h).
 * Locks: those of its caches and its list; the region's.
 * Invariant: a heap without hooks lies in the window, so free() knows its
 *        blocks: an object by its slab's cache, a large block by its group.
 */
#include "api/api.h"
#include "api/region.h"

#include <string.h>

struct bm_heap {
	bool hooked;			/* (C) */
	int nid;			/* (C) */
	union {
		struct {
			struct block_group group;
			struct cache caches[NR_SMALL];
		};
		struct region region;
	};
	struct cache_node nodes[];	/* NR_SMALL of each nid */
};

static void *new_heap(void)
{
	api_start();
	if (api_nested())
		return NULL;
	return large_alloc_from(NID_ANY, GFP_MOVABLE | GFP_ZERO,
				sizeof(struct bm_heap) + NR_SMALL *
					topo.nodes * sizeof(struct cache_node),
				1, NULL);
}

static void drop_heap(struct bm_heap *heap)
{
	trace_mute();
	free_slow(heap);
	trace_unmute();
}

BM_EXPORT struct bm_heap *bm_heap_create(int node)
{
	int nid = api_nid(node);
	struct bm_heap *heap = nid == NID_NONE ? NULL : new_heap();
	struct slot *slot;
	uint32_t nr;

	if (!heap)
		return NULL;
	heap->nid = nid;
	slot = api_enter(&nr);
	for (unsigned class = 1; class < NR_SMALL; class++) {
		struct cache *cache = &heap->caches[class];

		cache->first_node = &heap->nodes[class];
		cache->node_stride = NR_SMALL * sizeof(struct cache_node);
		named_init(cache, "heap", class_bytes(class));
	}
	mm_leave_slot(slot);
	return heap;
}

BM_EXPORT struct bm_heap *bm_heap_create_hooks(const struct bm_page_hooks *hooks,
					       void *arg, size_t bytes)
{
	struct bm_heap *heap;

	if (!hooks || !hooks->reserve || !bytes ||
	    bytes > (size_t)UINT32_MAX << 12) {
		errno = EINVAL;
		return NULL;
	}
	heap = new_heap();
	if (!heap)
		return NULL;
	heap->hooked = true;
	if (region_init(&heap->region, hooks, arg, bytes))
		return heap;
	drop_heap(heap);
	errno = ENOMEM;
	return NULL;
}

BM_EXPORT void bm_heap_destroy(struct bm_heap *heap)
{
	struct slot *slot;
	uint32_t nr;

	if (!heap)
		return;
	if (heap->hooked) {
		region_exit(&heap->region);
	} else {
		slot = api_enter(&nr);
		if (!slot)
			fatal("heap %p destroyed in a signal handler",
			      (void *)heap);
		for (unsigned class = 1; class < NR_SMALL; class++) {
			cache_release(&heap->caches[class], &slot->pcp);
			named_exit(&heap->caches[class]);
		}
		large_free_group(&heap->group, slot);
		mm_leave_slot(slot);
	}
	drop_heap(heap);
}

static void *take_small(struct bm_heap *heap, struct slot *slot, uint32_t nr,
			size_t size, size_t align)
{
	unsigned class = class_of(size ? size : 1);
	bool fresh;

	while (class < NR_SMALL && class_bytes(class) % align)
		class++;
	return class < NR_SMALL
		       ? named_alloc(&heap->caches[class], slot, nr, heap->nid,
				     &fresh)
		       : NULL;
}

/* NULL: nothing there, or nothing that is aligned so. */
static void *take(struct bm_heap *heap, size_t size, size_t align)
{
	void *p = NULL;
	uint32_t nr;
	struct slot *slot = api_enter(&nr);

	if (!slot)
		return NULL;
	if (heap->hooked)
		p = region_alloc(&heap->region, size, align);
	else if (size <= SMALL_MAX && align <= SMALL_MAX)
		p = take_small(heap, slot, nr, size, align);
	mm_leave_slot(slot);
	return p;
}

static void *alloc(struct bm_heap *heap, size_t size, size_t align, bool zero)
{
	bool small = heap->hooked || (size <= SMALL_MAX && align <= SMALL_MAX);
	void *p;

	if (api_nested())
		return NULL;
	if (!small)
		return large_alloc_from(heap->nid, zero ? GFP_MOVABLE | GFP_ZERO
							: GFP_MOVABLE,
					size, align, &heap->group);
	/* A region that is full is no lack of memory. */
	do
		p = take(heap, size, align);
	while (unlikely(!p) && !heap->hooked && mm_again(0, size));
	if (!p)
		errno = ENOMEM;
	return p && zero ? memset(p, 0, size) : p;
}

BM_EXPORT void *bm_heap_malloc(struct bm_heap *heap, size_t size)
{
	return alloc(heap, size, 1, false);
}

BM_EXPORT void *bm_heap_calloc(struct bm_heap *heap, size_t n, size_t size)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return alloc(heap, bytes, 1, true);
}

BM_EXPORT void *bm_heap_aligned_alloc(struct bm_heap *heap, size_t align,
				      size_t size)
{
	if (!is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	return alloc(heap, size, align, false);
}

static bool cache_is_of(const struct bm_heap *heap, const struct cache *cache)
{
	return cache >= heap->caches && cache < heap->caches + NR_SMALL;
}

BM_EXPORT int bm_heap_owns(struct bm_heap *heap, const void *ptr)
{
	if (heap->hooked)
		return region_owns(&heap->region, ptr);
	if (!api_present(ptr))
		return 0;
	if (!page_entry(ptr))
		return large_in_group(ptr, &heap->group);
	return is_named(ptr) && cache_is_of(heap, cache_of(ptr));
}

static void check(struct bm_heap *heap, const void *p, const char *what)
{
	if (!bm_heap_owns(heap, p))
		fatal("invalid %s of %p: not memory of the heap %p", what, p,
		      (void *)heap);
}

/* A hooked heap's block; the call is refused in a nested call. */
static bool region_give(struct bm_heap *heap, void *p)
{
	uint32_t nr;
	struct slot *slot = api_enter(&nr);

	if (!slot)
		return false;
	region_free(&heap->region, p);
	mm_leave_slot(slot);
	return true;
}

BM_EXPORT void bm_heap_free(struct bm_heap *heap, void *ptr)
{
	int saved = errno;

	if (!ptr)
		return;
	check(heap, ptr, "free");
	if (heap->hooked)
		region_give(heap, ptr);
	else
		free_slow(ptr);
	errno = saved;
}

BM_EXPORT size_t bm_heap_usable_size(struct bm_heap *heap, const void *ptr)
{
	uint32_t nr;
	struct slot *slot;
	size_t bytes;

	if (!ptr)
		return 0;
	check(heap, ptr, "use");
	if (!heap->hooked)
		return bm_usable_size(ptr);
	slot = api_enter(&nr);
	if (!slot)
		return 0;
	bytes = region_size(&heap->region, ptr);
	mm_leave_slot(slot);
	return bytes;
}

BM_EXPORT void *bm_heap_realloc(struct bm_heap *heap, void *ptr, size_t size)
{
	size_t have;
	void *p = NULL;

	if (!ptr)
		return bm_heap_malloc(heap, size);
	if (!size) {
		bm_heap_free(heap, ptr);
		return NULL;
	}
	if (api_nested())
		return NULL;
	have = bm_heap_usable_size(heap, ptr);
	if (size <= have && (size >= have / 2 || have <= 64))
		return ptr;
	if (!heap->hooked && have > SMALL_MAX && size > SMALL_MAX)
		p = large_realloc(ptr, size);
	if (p)
		return p;
	p = bm_heap_malloc(heap, size);
	if (p) {
		memcpy(p, ptr, have < size ? have : size);
		bm_heap_free(heap, ptr);
	}
	return p;
}

/* Memory that the heap holds: slabs, large blocks. */
BM_EXPORT size_t bm_heap_bytes(struct bm_heap *heap)
{
	size_t pages = 0;
	uint32_t nr;
	struct slot *slot = api_enter(&nr);
	struct list *l;

	if (!slot)
		return 0;
	if (heap->hooked) {
		pages = READ_ONCE(heap->region.used);
	} else {
		for (unsigned class = 1; class < NR_SMALL; class++)
			pages += (size_t)cache_count(&heap->caches[class]).slabs
				 << heap->caches[class].order;
		lock(&heap->group.lock, LOCK_LIST);
		l = heap->group.blocks.next;
		for (; l && l != &heap->group.blocks; l = l->next)
			pages += container_of(l, struct page, link)->npages;
		unlock(&heap->group.lock, LOCK_LIST);
	}
	mm_leave_slot(slot);
	return pages << topo.page_shift;
}
