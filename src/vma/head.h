/* SPDX-License-Identifier: MIT */
/*
 * What:  where another process finds the tree of this one's mappings
 *        (`buddymalloc stat --maps`), by reading its memory and no more: no
 *        signal, no thread, no stop.
 * Door:  vma_head, found by its magic in the writable part of a mapped file;
 *        head_fill() at the start.
 * Who:   the reader takes no lock. It reads track.changes, then track.lock
 *        (which must be free), copies the tree, and reads track.changes again:
 *        each change of the tree is counted before it is begun, so what was
 *        copied is whole if the number is the same (vma/track.c).
 * Invariant: a copy of the head (a file in memory, a dump) is none: `self` is
 *        the address of the real one. Whatever changes in a structure that the
 *        reader looks at, here or in track.h and tree.h, changes `layout`.
 */
#ifndef BM_VMA_HEAD_H
#define BM_VMA_HEAD_H

#include "base/compiler.h"

#define VMA_HEAD_MAGIC "buddymalloc maps"	/* 16 letters, no 0 */

enum { VMA_HEAD_LAYOUT = 1 };

/* The allocator's own address space. */
enum vma_own { OWN_WINDOW, OWN_PAGES, OWN_MAP, OWN_CACHES, NR_OWN };

struct vma_head {
	char magic[16];
	uint64_t self;
	uint32_t layout, mode;		/* mode: enum mmap_mode; (C) */
	uint32_t track_bytes, vma_bytes;	/* sizes, for good measure */
	uint64_t track;			/* the address of struct track */
	struct {
		uint64_t start, end;
	} own[NR_OWN];			/* (C) */
};

void head_fill(void);

#endif
