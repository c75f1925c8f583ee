/* SPDX-License-Identifier: MIT */
/*
 * What:  mmap:serve: a mapping that the program ends is kept, and the next one
 *        that fits it is given, zeroed: no page of it faults again.
 * Door:  serve_take() before and serve_note() after the kernel's mmap,
 *        serve_keep() in place of its munmap; serve_forget() before a call that
 *        makes a mapping anything but ordinary.
 * Locks: one of the level VMA, never across a system call.
 * Invariant: what the program has is the kernel's mapping and nothing else, so
 *        every call on it does what the kernel does. What is kept lies at an
 *        address that the program was never told; where its mapping was,
 *        nothing is.
 * See:   serve.c for how, and what it costs.
 */
#ifndef BM_VMA_SERVE_H
#define BM_VMA_SERVE_H

#include "base/compiler.h"

struct serve_sums {
	uint64_t asked;		/* mappings that could have been served */
	uint64_t taken;		/* that were */
	size_t kept, kept_bytes;	/* now */
};

/* False: the kernel cannot, or address space is limited. */
bool serve_init(void);
/* For good: the program limits its address space, or locks all of it. */
void serve_stop(void);

/* An ordinary mapping of a size that is worth it. */
bool serve_wants(const void *addr, size_t bytes, int prot, int flags,
		 int64_t offset);
/* Zeroed; NULL: ask the kernel, and if *look, tell of what it gave. */
void *serve_take(size_t bytes, const void *who, bool *look);
/* The kernel gave this one for it. */
void serve_note(void *p, size_t bytes, const void *who);

/* True: unmapped, as the program sees it. */
bool serve_keep(void *addr, size_t bytes);
/*
 * From now on it is the kernel's alone, or not there any more. True: it was one
 * that could be kept, or a part of one.
 */
bool serve_forget(const void *addr, size_t bytes);
/* Its pages went, by advice; nothing else of it changed. */
void serve_emptied(const void *addr, size_t bytes);

/* All that is kept goes back to the kernel. True: there was something. */
bool serve_release(void);
/* Of that, what nobody has wanted for half a second. */
bool serve_idle(void);
/* Before a fork: nothing is kept, and what lives is the kernel's. */
void serve_prepare(void);
/* In the child of any fork. */
void serve_child(void);

void serve_count(struct serve_sums *out);

#endif
