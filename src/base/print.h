/* SPDX-License-Identifier: MIT */
/*
 * What:  text without stdio: a bounded buffer, a small printf, one line to
 *        stderr, and the end of the process.
 * Door:  text_add() for views; warn() for one line; fatal() for corruption.
 * Locks: none. A line is one write(2), so lines of two threads never mix.
 * Invariant: nothing here allocates, and errno is kept.
 *
 * The formats are %s %d %u %x (int), %zu %zx (size_t), %llu (uint64_t), %p,
 * %%, with width, '-' and '0': just those, so that the code fits a screen.
 */
#ifndef BM_BASE_PRINT_H
#define BM_BASE_PRINT_H

#include <stdarg.h>

#include "base/compiler.h"

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

struct text {
	char *buf;
	size_t cap, len;
	int fd;		/* where a full buffer goes; -1: cut */
	bool failed;	/* a write did not succeed */
};

/*
 * What of s follows a beginning, or NULL. Each process asks at its start: libc's
 * functions for that lie in 64 KiB that many small programs never run.
 */
static inline const char *text_after(const char *s, const char *beginning)
{
	while (*beginning)
		if (*s++ != *beginning++)
			return NULL;
	return s;
}

void text_init(struct text *t, char *buf, size_t cap, int fd);
void text_add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_vadd(struct text *t, const char *fmt, va_list ap);
void text_flush(struct text *t);

/* "buddymalloc: ..." and a newline on stderr */
void warn(const char *fmt, ...) PRINTF_LIKE(1, 2) cold;
void fatal(const char *fmt, ...) PRINTF_LIKE(1, 2) cold
	__attribute__((noreturn));

#define BUG_ON(cond)                                                           \
	do {                                                                   \
		if (unlikely(cond))                                            \
			fatal("internal error: %s (%s:%d)", #cond, __FILE__,   \
			      __LINE__);                                       \
	} while (0)
#define DEBUG_ON(cond)                                                         \
	do {                                                                   \
		if (CONFIG_DEBUG)                                              \
			BUG_ON(cond);                                          \
	} while (0)

#endif
