/* SPDX-License-Identifier: MIT */
/*
 * What:  the machine as read at start: page sizes, CPUs, nodes, memory.
 * Door:  topo_init() once; then every field is constant.
 * See:   zone/ sizes its pageblocks by it, slab/percpu.c its slots.
 */
#ifndef BM_TOPO_TOPO_H
#define BM_TOPO_TOPO_H

#include "base/compiler.h"

struct topo {
	unsigned page_shift;		/* 12, 14 or 16 */
	unsigned pageblock_order;	/* a huge page, in orders */
	unsigned cpus;			/* possible ones; 0: unknown */
	unsigned slots;			/* as many, or more to pretend */
	unsigned nodes;
	size_t ram_bytes;
	bool huge_always;		/* THP = always: mind small heaps */
};

extern struct topo topo __attribute__((visibility("hidden")));

void topo_init(unsigned pretend_cpus);

static inline size_t page_bytes(void)
{
	return (size_t)1 << topo.page_shift;
}

static inline size_t pageblock_bytes(void)
{
	return page_bytes() << topo.pageblock_order;
}

#endif
