/* SPDX-License-Identifier: MIT */
/*
 * buddymalloc: a malloc built the way the kernel manages memory.
 *
 * Every function of the malloc family exists here under a bm_ name.  Unless
 * the library was configured with --disable-replace it also defines the plain
 * names (malloc, free, operator new ...), so a program that links with
 * -lbuddymalloc needs no change at all.  See buddymalloc(3).
 */
#ifndef BUDDYMALLOC_H
#define BUDDYMALLOC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BM_MALLOC __attribute__((__malloc__, __warn_unused_result__))
#define BM_SIZE(...) __attribute__((__alloc_size__(__VA_ARGS__)))
#else
#define BM_MALLOC
#define BM_SIZE(...)
#endif
#ifdef __cplusplus
#define BM_NOTHROW noexcept
#else
#define BM_NOTHROW
#endif

/* ISO C, POSIX, GNU and C23: same semantics as the functions without bm_. */
void *bm_malloc(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
void *bm_calloc(size_t n, size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1, 2);
void *bm_realloc(void *ptr, size_t size) BM_NOTHROW BM_SIZE(2);
void *bm_reallocarray(void *ptr, size_t n, size_t size) BM_NOTHROW BM_SIZE(2, 3);
void bm_free(void *ptr) BM_NOTHROW;
void bm_free_sized(void *ptr, size_t size) BM_NOTHROW;
void bm_free_aligned_sized(void *ptr, size_t align, size_t size) BM_NOTHROW;
void bm_cfree(void *ptr) BM_NOTHROW;
void *bm_aligned_alloc(size_t align, size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(2);
int bm_posix_memalign(void **out, size_t align, size_t size) BM_NOTHROW;
void *bm_memalign(size_t align, size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(2);
void *bm_valloc(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
void *bm_pvalloc(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
size_t bm_malloc_usable_size(void *ptr) BM_NOTHROW;
size_t bm_usable_size(const void *ptr) BM_NOTHROW;

/* GNU's heap control. */
struct bm_mallinfo { /* laid out as struct mallinfo */
	int arena, ordblks, smblks, hblks, hblkhd;
	int usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct bm_mallinfo2 { /* laid out as struct mallinfo2 */
	size_t arena, ordblks, smblks, hblks, hblkhd;
	size_t usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct bm_mallinfo bm_mallinfo(void) BM_NOTHROW;
struct bm_mallinfo2 bm_mallinfo2(void) BM_NOTHROW;
int bm_mallopt(int param, int value) BM_NOTHROW;
int bm_malloc_trim(size_t pad) BM_NOTHROW;
void bm_malloc_stats(void) BM_NOTHROW;
int bm_malloc_info(int options, void *file /* FILE * */) BM_NOTHROW;

/* 1 when ptr is the start of a block, or inside memory, of this heap. */
int bm_owns(const void *ptr) BM_NOTHROW;

/* Statistics.  One snapshot; every figure in bytes unless it says otherwise. */
struct bm_stats {
	size_t live_bytes;      /* handed out to the program */
	size_t cached_bytes;    /* free objects in the per-CPU sheaves and barns */
	size_t slab_bytes;      /* pages that belong to slabs */
	size_t large_bytes;     /* pages that belong to large blocks */
	size_t pcp_bytes;       /* free pages on the per-CPU lists */
	size_t free_dirty_bytes;/* free pages that may be resident */
	size_t free_clean_bytes;/* free pages that hold no memory */
	size_t present_bytes;   /* pages of all zones */
	size_t reserved_bytes;  /* address space of the window */
	size_t metadata_bytes;  /* sheaves, and page descriptors if all were touched */
	uint64_t refills, flushes;    /* sheaves filled from, emptied to, slabs */
	uint64_t slow_allocs, slow_frees;
	uint64_t nested_calls;        /* served from a signal handler's side */
	uint64_t remote_sheaves;      /* whole sheaves that went to another owner */
	uint64_t grows, purges, moves;/* zone growth, give-backs, mremap moves */
	uint64_t purged_bytes;
	int rseq;               /* 1: per-CPU by rseq, 0: locked slots, 2: fake */
	int membarrier;         /* 1: sheaves of other CPUs can be drained */
	int nodes, slots;
	size_t page_size, pageblock_bytes;
	size_t limit_bytes;     /* resident memory to stay below; 0: no limit */
	uint64_t reused_bytes;  /* handed out again while still resident */
	uint64_t refault_bytes; /* went back, and was wanted within a second */
	uint64_t stalls;        /* calls that gave back all that one call may */
	uint64_t refusals;      /* requests that the hard limit refused */
	uint64_t threads;       /* that were made to give memory back */
	uint64_t fresh_bytes;   /* handed out without memory: faults to come */
	uint64_t drains;        /* times that the caches of all CPUs were emptied */
	uint64_t shortages;     /* times that memory was found short (PSI) */
	size_t hugetlb_bytes;   /* pages that the pool of huge pages gave */
	uint64_t moved_bytes;   /* objects that bm_defrag() moved */
	size_t hollow_bytes;    /* pages in slabs that went back: nothing lives there */
	size_t huge_bytes;      /* where the kernel is asked for huge pages */
	uint64_t huge_dear;     /* times that these took far longer than plain ones */
};
void bm_stats(struct bm_stats *out) BM_NOTHROW;

/* bm_stats_print() writes to fd: what is one of these. */
enum bm_view {
	BM_VIEW_STATS = 0,  /* the summary, for people */
	BM_VIEW_JSON,       /* everything, as one JSON object */
	BM_VIEW_BUDDYINFO,  /* as /proc/buddyinfo */
	BM_VIEW_ZONEINFO,   /* as /proc/zoneinfo */
	BM_VIEW_SLABINFO,   /* as /proc/slabinfo */
	BM_VIEW_PAGETYPEINFO,/* as /proc/pagetypeinfo */
	BM_VIEW_MAPS        /* mappings of the process, and who made them */
};
int bm_stats_print(int fd, enum bm_view what) BM_NOTHROW;

/*
 * What a caller asks of its pages: one zone, and flags.  See bm_pages(3).
 */
enum {
	BM_GFP_KERNEL = 0,      /* the zone Normal */
	BM_GFP_NORMAL = 0,
	BM_GFP_MOVABLE = 1,
	BM_GFP_DMA32 = 2,       /* below 4 GiB */
	BM_GFP_DMA = 3,         /* pinned */
	BM_GFP_DEVICE = 4,      /* memory from bm_zone_add_memory() */
	BM_GFP_ZERO = 1 << 3,   /* the memory reads as zeros */
	BM_GFP_THISNODE = 1 << 4, /* this node or NULL */
	BM_GFP_NOGROW = 1 << 5, /* of free memory only; never waits */
	BM_GFP_NOFAIL = 1 << 6  /* waits; never NULL */
};
enum { BM_NODE_ANY = -1 };      /* nodes are numbered as numactl(8) shows them */

/* Pages: bm_pages(3). */
struct bm_page;
enum bm_zone { BM_ZONE_NORMAL, BM_ZONE_MOVABLE, BM_ZONE_DMA32, BM_ZONE_DMA,
	       BM_ZONE_DEVICE };
struct bm_page *bm_alloc_pages(unsigned gfp, unsigned order) BM_NOTHROW;
struct bm_page *bm_alloc_pages_node(int node, unsigned gfp, unsigned order) BM_NOTHROW;
struct bm_page *bm_alloc_page(unsigned gfp) BM_NOTHROW;
void bm_free_pages(struct bm_page *page, unsigned order) BM_NOTHROW;
void bm_free_page(struct bm_page *page) BM_NOTHROW;
void *bm_get_free_pages(unsigned gfp, unsigned order) BM_NOTHROW;
void *bm_get_free_page(unsigned gfp) BM_NOTHROW;
void *bm_get_zeroed_page(unsigned gfp) BM_NOTHROW;
void bm_put_pages(void *addr, unsigned order) BM_NOTHROW;
void bm_put_page(void *addr) BM_NOTHROW;
void *bm_alloc_pages_exact(size_t size, unsigned gfp) BM_NOTHROW;
void bm_free_pages_exact(void *addr, size_t size) BM_NOTHROW;
void *bm_page_address(const struct bm_page *page) BM_NOTHROW;
struct bm_page *bm_virt_to_page(const void *addr) BM_NOTHROW;
uint64_t bm_page_to_pfn(const struct bm_page *page) BM_NOTHROW;
struct bm_page *bm_pfn_to_page(uint64_t pfn) BM_NOTHROW;
int bm_page_to_node(const struct bm_page *page) BM_NOTHROW;
enum bm_zone bm_page_zone(const struct bm_page *page) BM_NOTHROW;
int bm_zone_add_memory(int node, void *addr, size_t bytes) BM_NOTHROW;
int bm_zone_remove_memory(void *addr) BM_NOTHROW;

/* Caches of objects of one size: bm_cache(3). */
struct bm_cache;
enum {
	BM_CACHE_HWALIGN = 1,   /* each object has cache lines of its own */
	BM_CACHE_PER_NODE = 2   /* objects are of their CPU's node; so they are without it */
};
struct bm_cache *bm_cache_create(const char *name, size_t size, size_t align,
				 unsigned flags, void (*ctor)(void *object)) BM_NOTHROW;
void *bm_cache_alloc(struct bm_cache *cache, unsigned gfp) BM_NOTHROW;
void *bm_cache_alloc_node(struct bm_cache *cache, unsigned gfp, int node) BM_NOTHROW;
void bm_cache_free(struct bm_cache *cache, void *object) BM_NOTHROW;
size_t bm_cache_alloc_bulk(struct bm_cache *cache, unsigned gfp, size_t n,
			   void **objects) BM_NOTHROW;
void bm_cache_free_bulk(struct bm_cache *cache, size_t n, void **objects) BM_NOTHROW;
size_t bm_cache_size(const struct bm_cache *cache) BM_NOTHROW;
size_t bm_cache_shrink(struct bm_cache *cache) BM_NOTHROW;
int bm_cache_destroy(struct bm_cache *cache) BM_NOTHROW;

/* Reserves that allocation falls back on: bm_pool(3). */
struct bm_pool;
typedef void *bm_pool_alloc_fn(unsigned gfp, void *arg);
typedef void bm_pool_free_fn(void *element, void *arg);
struct bm_pool *bm_pool_create(size_t min, bm_pool_alloc_fn *alloc,
			       bm_pool_free_fn *free, void *arg) BM_NOTHROW;
struct bm_pool *bm_pool_create_cache(size_t min, struct bm_cache *cache) BM_NOTHROW;
struct bm_pool *bm_pool_create_kmalloc(size_t min, size_t size) BM_NOTHROW;
struct bm_pool *bm_pool_create_pages(size_t min, unsigned order) BM_NOTHROW;
void *bm_pool_alloc(struct bm_pool *pool, unsigned gfp) BM_NOTHROW;
void bm_pool_free(void *element, struct bm_pool *pool) BM_NOTHROW;
int bm_pool_resize(struct bm_pool *pool, size_t min) BM_NOTHROW;
size_t bm_pool_reserve(struct bm_pool *pool) BM_NOTHROW;
void bm_pool_destroy(struct bm_pool *pool) BM_NOTHROW;

/* malloc with flags: bm_kmalloc(3). */
void *bm_kmalloc(size_t size, unsigned gfp) BM_NOTHROW BM_SIZE(1);
void *bm_kzalloc(size_t size, unsigned gfp) BM_NOTHROW BM_SIZE(1);
void *bm_kcalloc(size_t n, size_t size, unsigned gfp) BM_NOTHROW BM_SIZE(1, 2);
void *bm_krealloc(void *ptr, size_t size, unsigned gfp) BM_NOTHROW BM_SIZE(2);
void bm_kfree(void *ptr) BM_NOTHROW;
void *bm_vmalloc(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
void *bm_vzalloc(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
void *bm_vrealloc(void *ptr, size_t size) BM_NOTHROW BM_SIZE(2);
void bm_vfree(void *ptr) BM_NOTHROW;

/* Nodes: bm_malloc_node(3). */
void *bm_malloc_node(size_t size, int node) BM_NOTHROW BM_MALLOC BM_SIZE(1);
void *bm_malloc_interleaved(size_t size) BM_NOTHROW BM_MALLOC BM_SIZE(1);
int bm_node_of(const void *ptr) BM_NOTHROW;

/* Heaps of one's own, destroyed at once: bm_heap(3). */
struct bm_heap;
struct bm_page_hooks {
	/* Address space, aligned so; NULL: refused. */
	void *(*reserve)(size_t bytes, size_t align, void *arg);
	/* Whole pages of it become usable, or are not used now; 0: done. */
	int (*commit)(void *addr, size_t bytes, void *arg);
	int (*decommit)(void *addr, size_t bytes, void *arg);
	void (*release)(void *addr, size_t bytes, void *arg);
};
struct bm_heap *bm_heap_create(int node) BM_NOTHROW;
struct bm_heap *bm_heap_create_hooks(const struct bm_page_hooks *hooks,
				     void *arg, size_t bytes) BM_NOTHROW;
void *bm_heap_malloc(struct bm_heap *heap, size_t size) BM_NOTHROW BM_SIZE(2);
void *bm_heap_calloc(struct bm_heap *heap, size_t n, size_t size) BM_NOTHROW BM_SIZE(2, 3);
void *bm_heap_aligned_alloc(struct bm_heap *heap, size_t align, size_t size) BM_NOTHROW BM_SIZE(3);
void *bm_heap_realloc(struct bm_heap *heap, void *ptr, size_t size) BM_NOTHROW BM_SIZE(3);
void bm_heap_free(struct bm_heap *heap, void *ptr) BM_NOTHROW;
size_t bm_heap_usable_size(struct bm_heap *heap, const void *ptr) BM_NOTHROW;
int bm_heap_owns(struct bm_heap *heap, const void *ptr) BM_NOTHROW;
size_t bm_heap_bytes(struct bm_heap *heap) BM_NOTHROW;
void bm_heap_destroy(struct bm_heap *heap) BM_NOTHROW;

/* When memory runs out: bm_reclaim(3). */
int bm_register_shrinker(size_t (*count)(void *arg),
			 size_t (*scan)(size_t nr, void *arg), void *arg) BM_NOTHROW;
int bm_unregister_shrinker(int id) BM_NOTHROW;
size_t bm_reclaim(int node, size_t target) BM_NOTHROW;
void bm_set_oom_handler(int (*handler)(size_t bytes, void *arg), void *arg) BM_NOTHROW;

/* Objects out of slabs that are nearly empty: bm_compact(3). */
size_t bm_compact(void) BM_NOTHROW;
int bm_defrag_hint(const void *ptr) BM_NOTHROW;
void *bm_defrag(void *ptr) BM_NOTHROW;

/* Mappings, as mmap(2) and its kin: bm_mmap(3). */
void *bm_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
	      int64_t offset) BM_NOTHROW;
int bm_munmap(void *addr, size_t bytes) BM_NOTHROW;
void *bm_mremap(void *addr, size_t bytes, size_t new_bytes, int flags,
		void *new_addr) BM_NOTHROW;
int bm_mprotect(void *addr, size_t bytes, int prot) BM_NOTHROW;
int bm_madvise(void *addr, size_t bytes, int advice) BM_NOTHROW;

/* Functions to be called before and after others: bm_hook(3). */
enum {
	BM_EVENT_MALLOC = 1, BM_EVENT_FREE = 2, BM_EVENT_REALLOC = 4,
	BM_EVENT_MMAP = 8, BM_EVENT_MUNMAP = 16, BM_EVENT_MREMAP = 32
};
struct bm_event {
	unsigned what;          /* one of BM_EVENT_... */
	int error;              /* afterwards: why it failed; 0: it did not */
	void *ptr;              /* what is freed, resized, unmapped; mmap: a wish */
	void *result;           /* afterwards: the block, or the mapping */
	size_t size;            /* asked for, or unmapped; free: 0 */
	size_t align;           /* asked for; 0: malloc's own */
	size_t old_size;        /* mremap */
	int prot, flags, fd;    /* mmap; flags: mremap too */
	int64_t offset;         /* mmap */
};
typedef void bm_hook_fn(const struct bm_event *event, void *arg);
int bm_register_hook(unsigned events, bm_hook_fn *before, bm_hook_fn *after,
		     void *arg) BM_NOTHROW;
int bm_unregister_hook(int id) BM_NOTHROW;

const char *bm_version(void) BM_NOTHROW;

#ifdef __cplusplus
}
#endif
#endif
