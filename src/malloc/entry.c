/* SPDX-License-Identifier: MIT */
/*
 * What:  the malloc family as a program sees it: bm_malloc() and, unless the
 *        library was configured with --disable-replace, malloc() for the same
 *        code. C, POSIX, GNU and C23.
 * See:   "Replacing malloc" in glibc's manual; src/libbuddymalloc.sym.
 */
#include "buddymalloc.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "conf/conf.h"
#include "malloc/fast.h"

BM_EXPORT void *bm_malloc(size_t size)
{
	return malloc_fast(size);
}
ALSO(bm_malloc, malloc)

BM_EXPORT void bm_free(void *ptr)
{
	free_fast(ptr);
}
ALSO(bm_free, free)
ALSO(bm_free, cfree)

BM_EXPORT void bm_cfree(void *ptr)
{
	free_fast(ptr);
}

BM_EXPORT void *bm_calloc(size_t n, size_t size)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc_zeroed(bytes);
}
ALSO(bm_calloc, calloc)

/* What an object of a small class holds; 0: p is something else. */
static always_inline size_t small_size(const void *p)
{
	unsigned class;

	if (unlikely(!window_owns(p)))
		return 0;
	class = *map_entry(p) & CLASS_MASK;
	return likely(class < NR_SMALL) ? class_bytes(class) : 0;
}

/* What a block holds, whoever made it; `what` names the caller in a message. */
static size_t block_size(const void *p, const char *what)
{
	unsigned entry;

	if (unlikely(!is_ours(p)))
		return nested_owns(p) ? nested_size(p) : 0;
	entry = page_entry(p);
	if (unlikely(!entry))
		return large_size(p, what);
	if (unlikely(entry_is_named(entry)))
		return cache_of(p)->size;
	return class_bytes(entry & CLASS_MASK);
}

static bool known(const void *p)
{
	return is_ours(p) || nested_owns(p);
}

/* A small block stays while it is at least half used. */
static always_inline bool fits_small(size_t size, size_t have)
{
	return size - 1 < have && (size >= have / 2 || have <= 64);
}

/* A middle one stays while three quarters are used; check:on is exact. */
static bool fits(size_t size, size_t have)
{
	if (conf.check)
		return size && size <= have && have <= SMALL_MAX &&
		       class_bytes(class_of(size)) == have;
	if (have > SMALL_MAX)
		return size <= have && size >= have - have / 4;
	return fits_small(size, have);
}

/* Apart, as realloc_other() is: a small block that stays costs no stack. */
static noinline void *move(void *ptr, size_t have, size_t size)
{
	void *p = malloc_fast(size);

	if (unlikely(!p))
		return NULL;
	memcpy(p, ptr, have < size ? have : size);
	free_fast(ptr);
	return p;
}

static void *resize(void *ptr, size_t size)
{
	size_t have = small_size(ptr);

	if (!have) {
		if (unlikely(!known(ptr)))
			return foreign_realloc(ptr, size);
		have = block_size(ptr, "realloc");
	}
	if (have > SMALL_MAX && size > SMALL_MAX && window_owns(ptr) &&
	    !page_entry(ptr)) {
		void *p = large_realloc(ptr, size);

		if (p)
			return p;
	} else if (fits(size, have)) {
		return ptr;
	}
	return move(ptr, have, size);
}

static noinline void *realloc_other(void *ptr, size_t size)
{
	void *p;

	if (!ptr)
		return malloc_fast(size);
	if (!size) {
		free_fast(ptr);
		return NULL;
	}
	if (!watched())
		return resize(ptr, size);
	call_begins(TRACE_REALLOC, 0, size, ptr);
	trace_mute();
	p = resize(ptr, size);
	trace_unmute();
	call_ends(TRACE_REALLOC, 0, size, ptr, p);
	return p;
}

BM_EXPORT void *bm_realloc(void *ptr, size_t size)
{
	size_t have = small_size(ptr);

	if (unlikely(!have || !size || watched() || conf.check))
		return realloc_other(ptr, size);
	return fits_small(size, have) ? ptr : move(ptr, have, size);
}
ALSO(bm_realloc, realloc)

BM_EXPORT void *bm_reallocarray(void *ptr, size_t n, size_t size)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return bm_realloc(ptr, bytes);
}
ALSO(bm_reallocarray, reallocarray)

BM_EXPORT int bm_posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (align < sizeof(void *) || !is_pow2(align))
		return EINVAL;
	p = malloc_aligned(align, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}
ALSO(bm_posix_memalign, posix_memalign)

BM_EXPORT void *bm_aligned_alloc(size_t align, size_t size)
{
	if (!is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	return malloc_aligned(align, size);
}
ALSO(bm_aligned_alloc, aligned_alloc)

/* glibc rounds an odd alignment up to a power of two. */
BM_EXPORT void *bm_memalign(size_t align, size_t size)
{
	if (align > (size_t)PTRDIFF_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return malloc_aligned((size_t)1 << log2_ceil(align), size);
}
ALSO(bm_memalign, memalign)

static size_t system_page(void)
{
	if (!topo.page_shift && mm_enter())
		mm_leave();
	return topo.page_shift ? page_bytes() : 65536;
}

BM_EXPORT void *bm_valloc(size_t size)
{
	return malloc_aligned(system_page(), size);
}
ALSO(bm_valloc, valloc)

BM_EXPORT void *bm_pvalloc(size_t size)
{
	size_t page = system_page();

	if (size > PTRDIFF_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc_aligned(page, size ? align_up(size, page) : page);
}
ALSO(bm_pvalloc, pvalloc)

BM_EXPORT size_t bm_usable_size(const void *ptr)
{
	size_t small = small_size(ptr);

	if (small)
		return small;
	if (!ptr)
		return 0;
	if (unlikely(!known(ptr)))
		return foreign_size(ptr);
	return block_size(ptr, "malloc_usable_size");
}

BM_EXPORT size_t bm_malloc_usable_size(void *ptr)
{
	return bm_usable_size(ptr);
}
ALSO(bm_malloc_usable_size, malloc_usable_size)

/* The size must be one that malloc would have served so. */
static void check_size(const void *p, size_t size, bool aligned)
{
	size_t have;
	bool right;

	if (!p || !known(p))
		return;
	have = block_size(p, "free");
	if (have > SMALL_MAX)
		right = size <= have && (aligned || size > SMALL_MAX);
	else
		right = aligned ? size <= have
				: size <= have &&
				  class_bytes(class_of(size ? size : 1)) == have;
	if (right || nested_owns(p) || is_named(p))
		return;
	if (have > SMALL_MAX)
		fatal("size mismatch in free of %p: %zu bytes given, "
		      "large block of %zu", p, size, have);
	fatal("size mismatch in free of %p: %zu bytes given, size class %zu", p,
	      size, have);
}

void free_sized_slow(void *p, size_t size, bool aligned)
{
	if (conf.check)
		check_size(p, size, aligned);
	free_slow(p);
}

BM_EXPORT void bm_free_sized(void *ptr, size_t size)
{
	free_sized_fast(ptr, size, false);
}
ALSO(bm_free_sized, free_sized)

BM_EXPORT void bm_free_aligned_sized(void *ptr, size_t align, size_t size)
{
	(void)align;
	free_sized_fast(ptr, size, true);
}
ALSO(bm_free_aligned_sized, free_aligned_sized)

BM_EXPORT int bm_owns(const void *ptr)
{
	return known(ptr);
}
