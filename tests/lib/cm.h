/* SPDX-License-Identifier: MIT */
/*
 * What:  cmocka plus t.h: each file of tests/api is one cmocka group in one
 *        process with a time limit.
 */
#ifndef CM_H
#define CM_H
#include "t.h"
#include <setjmp.h>
#include <cmocka.h>

#define CM_MAIN(name, seconds, ...) \
	int main(void) \
	{ \
		const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
		t_start(name, seconds); \
		if (cmocka_run_group_tests(tests, NULL, NULL)) \
			return 1; \
		return t_done(); \
	}

/* The compiler must not see through these. */
static volatile size_t cm_huge = (size_t)PTRDIFF_MAX + 1;
static volatile size_t cm_zero;

/* true: n wrong things were found (prints the first only) */
#define CM_ALIGNED(p, a) assert_int_equal((uintptr_t)(p) & ((a) - 1), 0)
#endif
