/* SPDX-License-Identifier: MIT */
/*
 * What:  a thread that libc does not know of, for work in the background.
 * Door:  os_thread_start() from anywhere, a slow path within free() too: it
 *        allocates nothing and takes no lock of libc's, which a caller of
 *        free() may hold (libc frees under its lock of thread stacks).
 * Locks: as os/os.h has it. The caller sees to it that no two start at once.
 * Invariant: the thread has no libc thread structure. What it may use of libc
 *        is what needs none: system calls, errno, memset and the like. Its
 *        thread pointer leads into zeros that are as large as the words that
 *        the allocator and errno have there; its rseq area says that it is not
 *        registered. All signals are blocked in it for good.
 */
#ifndef BM_OS_THREAD_H
#define BM_OS_THREAD_H

#include "base/compiler.h"

struct os_thread {
	uint32_t tid;		/* (A) the kernel writes 0 when it is gone */
	char *memory;		/* (starter) kept for the next one */
	char *stack;		/* (starter) its end */
	char *pointer;		/* (starter) the thread pointer */
};

/* False: refused, or the one before has not gone yet. */
bool os_thread_start(struct os_thread *thread, int (*fn)(void *arg));
/* In a fork child, where it is not. */
void os_thread_child(struct os_thread *thread);

void os_thread_name(const char *name);
/* From here on locks know when there is one thread, where libc tells. */
void os_thread_watch(void);
/* Whether libc says that the program has made threads. */
bool os_has_threads(void);
/* Whether the program runs with another user's rights from its start. */
bool os_set_user_id(void);
/*
 * Whether this thread has the rights of the program's first one. libc tells
 * all threads that it knows when the program changes its user. Where /proc does
 * not say: whether it has no rights that anybody could drop.
 */
bool os_thread_is_true(void);
void os_sleep(uint32_t *word, uint32_t value, uint64_t ns);

#endif
