/* SPDX-License-Identifier: MIT */
/*
 * What:  powers of two and rounding, each with one worked number.
 */
#ifndef BM_BASE_BITS_H
#define BM_BASE_BITS_H

#include "base/compiler.h"

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define GIB(n) ((size_t)(n) << 30)

/* log2_floor(5) = 2; n is not 0 */
static always_inline unsigned log2_floor(uint64_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

/* log2_ceil(5) = 3, log2_ceil(8) = 3, log2_ceil(1) = 0 */
static always_inline unsigned log2_ceil(uint64_t n)
{
	return n <= 1 ? 0 : log2_floor(n - 1) + 1;
}

static always_inline bool is_pow2(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* align_up(5, 4) = 8; a is a power of two */
static always_inline uint64_t align_up(uint64_t n, uint64_t a)
{
	return (n + a - 1) & ~(a - 1);
}

/* align_down(7, 4) = 4; a is a power of two */
static always_inline uint64_t align_down(uint64_t n, uint64_t a)
{
	return n & ~(a - 1);
}

static always_inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static always_inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
