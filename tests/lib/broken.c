/* SPDX-License-Identifier: MIT */
/*
 * What:  a heap that is wrong in one way, put in front of the real one by
 *        tests/can-fail.sh (LD_PRELOAD): BM_BROKEN names the way. Every test
 *        that looks for that fault must go red.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEXT(ret, name, ...) \
	static ret (*next_##name)(__VA_ARGS__); \
	static void find_##name(void) \
	{ \
		if (!next_##name) \
			next_##name = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); \
	}

NEXT(void *, malloc, size_t)
NEXT(void, free, void *)
NEXT(void *, calloc, size_t, size_t)
NEXT(void *, realloc, void *, size_t)
NEXT(void *, memalign, size_t, size_t)
NEXT(int, posix_memalign, void **, size_t, size_t)
NEXT(size_t, malloc_usable_size, void *)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is(const char *what)
{
	const char *s = getenv("BM_BROKEN");

	return s && !strcmp(s, what);
}

/* align: blocks start 8 bytes late */
static int shifted(const void *p)
{
	return is("align") && ((uintptr_t)p & 15) == 8;
}

void *malloc(size_t n)
{
	static __thread void *last;
	static __thread size_t last_n;
	static _Atomic unsigned long calls;
	void *p;

	find_malloc();
	calls++;
	if (is("align") && n >= 64 && n < 1 << 20)
		return (char *)next_malloc(n + 8) + 8;
	if (is("huge") && n > PTRDIFF_MAX)
		return next_malloc(64);
	if (is("unique") && !n)
		return NULL;
	if (is("die") && calls > 40)
		abort();
	if (is("twice") && n >= 100 && n == last_n && calls % 64 == 0)
		return last;
	if (is("lock")) {
		pthread_mutex_lock(&lock);
		p = next_malloc(n);
		sched_yield();	/* so that a fork or a signal finds it held */
		pthread_mutex_unlock(&lock);
	} else {
		p = next_malloc(n);
	}
	if (!p && is("enomem"))
		errno = 0;
	last = p;
	last_n = n;
	return p;
}

void free(void *p)
{
	static _Atomic unsigned long calls;

	find_free();
	if (is("leak") && p && ++calls % 4 == 0)
		return;
	if (shifted(p))
		p = (char *)p - 8;
	next_free(p);
	if (is("errno"))
		errno = EAGAIN;
}

void *calloc(size_t n, size_t size)
{
	char *p;

	find_calloc();
	if (is("overflow") && size && n > SIZE_MAX / size)
		return next_calloc(1, 64);
	p = next_calloc(n, size);
	if (is("calloc") && p && n * size >= 700)
		p[n * size / 2] = 1;
	return p;
}

void *realloc(void *p, size_t n)
{
	size_t old = 0;
	char *q;

	find_realloc();
	find_malloc_usable_size();
	if (shifted(p))
		return memcpy(malloc(n), p, n < 64 ? n : 64);
	if (p)
		old = next_malloc_usable_size(p);
	if (is("realloc0") && p && !n)
		return p;
	q = next_realloc(p, n);
	if (is("realloc") && q && n >= 300 && old >= 300)
		q[(n < old ? n : old) / 2] ^= 1;
	if (is("fails") && !q && p)
		++*(char *)p;
	return q;
}

void *memalign(size_t align, size_t n)
{
	find_memalign();
	if (is("memalign") && align >= 64)
		return (char *)next_memalign(align, n + align) + 16;
	return next_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	find_posix_memalign();
	if (is("einval") && (align & (align - 1)))
		return ENOMEM;
	return next_posix_memalign(out, align, n);
}

size_t malloc_usable_size(void *p)
{
	size_t n;

	find_malloc_usable_size();
	if (shifted(p))
		return next_malloc_usable_size((char *)p - 8) - 8;
	n = next_malloc_usable_size(p);
	return is("usable") && n >= 100 ? n + 16 : n;
}
