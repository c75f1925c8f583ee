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
	size_t metadata_bytes;  /* page descriptors and sheaves in use */
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
};
void bm_stats(struct bm_stats *out) BM_NOTHROW;

/* bm_stats_print() writes to fd: what is one of these. */
enum bm_view {
	BM_VIEW_STATS = 0,  /* the summary, for people */
	BM_VIEW_JSON,       /* everything, as one JSON object */
	BM_VIEW_BUDDYINFO,  /* as /proc/buddyinfo */
	BM_VIEW_ZONEINFO,   /* as /proc/zoneinfo */
	BM_VIEW_SLABINFO    /* as /proc/slabinfo */
};
int bm_stats_print(int fd, enum bm_view what) BM_NOTHROW;

const char *bm_version(void) BM_NOTHROW;

#ifdef __cplusplus
}
#endif
#endif
