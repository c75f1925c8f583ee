/* SPDX-License-Identifier: MIT */
/*
 * What:  the words that every file uses: attributes, integer types, atomics.
 * Door:  included first by every other header.
 * See:   base/bits.h for arithmetic, base/lock.h for locks.
 */
#ifndef BM_BASE_COMPILER_H
#define BM_BASE_COMPILER_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef CONFIG_DEBUG
#define CONFIG_DEBUG 0
#endif
#ifndef CONFIG_REPLACE
#define CONFIG_REPLACE 1
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((__noinline__))
#define cold __attribute__((__cold__, __noinline__))
#define always_inline inline __attribute__((always_inline))
/*
 * The linker puts data in this order (SHARED in Makefile.am), so that what each
 * process touches shares few pages: what stands nowhere here; what is large, of
 * which most processes touch the head; tables that few touch; and what fork
 * wipes, whole pages.
 */
#define set_behind __attribute__((section(".bss.behind")))
#define set_apart __attribute__((section(".bss.set_apart")))
#define set_wiped __attribute__((section(".bss.wiped")))
#define aligned_to(n) __attribute__((aligned(n)))
/*
 * A word that every malloc or free reads, of a struct that is aligned to 16. At
 * first a CPU compares only the place in a page: a load waits for a store before
 * it that went to the same place of another page. Programs write to where their
 * objects begin, at multiples of 16, so these words lie 8 behind one; and none
 * where the rows do, which every call writes. (A free and a malloc of 16 to
 * 1,024 bytes took 9.1 ns when such words and the rows began their pages, and
 * 4.9 so.)
 */
#define not_at_a_start(type, member)                                           \
	_Static_assert(offsetof(type, member) % 16 == 8,                       \
		       #member " lies where an object may begin")
#define BM_EXPORT __attribute__((visibility("default")))

/* The plain name for the code of a bm_ function (not with --disable-replace). */
#if !CONFIG_REPLACE
#define ALSO(bm_name, name)
#elif __has_attribute(copy)
#define ALSO(bm_name, name)                                                    \
	extern __typeof__(bm_name) name BM_EXPORT                              \
		__attribute__((alias(#bm_name), copy(bm_name)));
#else
#define ALSO(bm_name, name)                                                    \
	extern __typeof__(bm_name) name BM_EXPORT                              \
		__attribute__((alias(#bm_name)));
#endif

/* Few words, reached in one instruction, never allocated at first use. */
#define thread_local_word __thread __attribute__((tls_model("initial-exec")))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static always_inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#endif
