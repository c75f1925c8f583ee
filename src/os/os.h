/* SPDX-License-Identifier: MIT */
/*
 * What:  every system call of the allocator, each with what it promises.
 * Door:  os_*(); nothing else in src/ enters the kernel, but for locks and
 *        the line of a fatal error.
 * Locks: none may be held but LOCK_INIT, LOCK_SLOT, LOCK_GROW, LOCK_TRACE.
 * Invariant: a refusal is a return value, never an abort; errno is the
 *        caller's business (the entry points keep it where they must).
 */
#ifndef BM_OS_OS_H
#define BM_OS_OS_H

#include "base/compiler.h"

/* Address space without memory: no charge, no core dump. NULL: refused. */
void *os_reserve(size_t bytes);
/* The same, readable as zeros from the start. */
void *os_reserve_readable(size_t bytes);
/* Zeroed memory for the allocator's own use, faulted in at first touch. */
void *os_map(size_t bytes);
void os_unmap(void *addr, size_t bytes);

/* Makes reserved pages usable (zero until written). */
bool os_commit(void *addr, size_t bytes);
/* Drops the memory of pages; they read as zeros again. */
bool os_purge(void *addr, size_t bytes);
/* Takes the use of pages back: reserved again, uncharged. */
bool os_uncommit(void *addr, size_t bytes);
/* Puts fresh pages over a range, undoing moves and advice: one VMA again. */
bool os_refresh(void *addr, size_t bytes);
/* Moves pages to a mapped place, leaving the old range mapped and empty. */
bool os_move(void *from, void *to, size_t bytes);
/* Moves pages to where nothing is, and leaves nothing here. NULL: refused. */
void *os_move_away(void *addr, size_t bytes);
/* The same pages and more behind them, elsewhere if need be. NULL: refused. */
void *os_grow(void *addr, size_t bytes, size_t new_bytes);
/*
 * Whether a moved range's old place is really empty: an emulator that only
 * half knows the call would give old data back as clean pages.
 */
bool os_move_works(void);
/* Advice: from now on faults make huge pages here, or never do. */
void os_huge(void *addr, size_t bytes);
void os_no_huge(void *addr, size_t bytes);
/* Makes huge pages of what is there, now, where the kernel can. */
void os_collapse(void *addr, size_t bytes);
/* Memory of the pool of that page size, reserved, anywhere; NULL: it has none. */
void *os_hugetlb_map(size_t bytes, size_t page);
/* Faults it all in. False: not all is there, and touching it may be a signal. */
bool os_populate(void *addr, size_t bytes);
/* A mapping goes to another's place; false: either may be gone from there. */
bool os_put(void *from, void *to, size_t bytes);
/* Pages of a range that hold memory; -1: the kernel will not say. */
long os_resident(void *addr, size_t bytes);
/* The pages read as zeros in a fork child. False where the kernel cannot. */
bool os_wipe_on_fork(void *addr, size_t bytes);

size_t os_page_size(void);
bool os_huge_forbidden(void);		/* by prctl, for this process */
size_t os_total_ram(void);
size_t os_address_space_left(void);	/* SIZE_MAX: no limit */
size_t os_address_space_used(void);
uint64_t os_random(void);
bool os_secure(void);			/* AT_SECURE: do not trust the user */
uint64_t os_now(void);			/* nanoseconds since some moment */
uint64_t os_cpu_time(void);		/* of this thread, in nanoseconds */

/* Restarts every rseq critical section of the process that runs now. */
bool os_rseq_fence_register(void);
bool os_rseq_fence(void);

/* A copy of a file descriptor, out of the program's way; -1: refused. */
int os_keep_fd(int fd);

/* A new file, its descriptor out of the program's way; -1: refused. */
int os_create(const char *path);
bool os_write(int fd, const void *buf, size_t bytes);
void os_close(int fd);
unsigned os_pid(void);

void os_wait(uint32_t *word, uint32_t value);
void os_wake_all(uint32_t *word);
/* Sleeps so long, below a second. */
void os_nap(long nanoseconds);

/* The first cap bytes of a file; its length, or -1. */
long os_read_file(const char *path, char *buf, size_t cap);

#endif
