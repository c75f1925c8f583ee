/* SPDX-License-Identifier: MIT */
/*
 * What:  -DPREFIXED turns the plain names into the bm_ ones, for builds with
 *        --disable-replace and under the sanitizers.  Included after all
 *        system headers (lib/t.h sees to that).
 */
#ifndef T_NAMES_H
#define T_NAMES_H
#ifdef PREFIXED
#include "buddymalloc.h"
#define malloc bm_malloc
#define calloc bm_calloc
#define realloc bm_realloc
#define reallocarray bm_reallocarray
#define free bm_free
#define aligned_alloc bm_aligned_alloc
#define posix_memalign bm_posix_memalign
#define memalign bm_memalign
#define valloc bm_valloc
#define pvalloc bm_pvalloc
#define malloc_usable_size bm_malloc_usable_size
#define mallinfo bm_mallinfo
#define mallinfo2 bm_mallinfo2
#define mallopt bm_mallopt
#define malloc_trim bm_malloc_trim
#define malloc_stats bm_malloc_stats
#define malloc_info bm_malloc_info
#endif
#endif
