/* SPDX-License-Identifier: MIT */
/*
 * What:  the machine: page sizes, CPUs, nodes with their memory, CPUs and
 *        distances, and which of them the process may use.
 * Door:  topo_init() once; topo_refresh() when CPUs, nodes or the cpuset may
 *        have changed; topo_home() and topo_node_of_cpu() to look up.
 * Locks: none. (C): constant after topo_init(). (A): written by the one
 *        refresh that runs, a field at a time; read with READ_ONCE.
 * Invariant: nodes are counted 0, 1, 2... here (nid), whatever the kernel
 *        calls them: with 0, 2 and 8 online node_id is {0, 2, 8}. A nid keeps
 *        its kernel's number for ever; `nodes` never changes; whoever cuts
 *        space by nid cuts it once. Nodes that come later take the spare nids
 *        at the end: no CPUs, no memory, NODE_NONE until then.
 * See:   sysfs.h for the files; zone/ sizes its pageblocks by this,
 *        slab/percpu.c its slots, node/ its zonelists.
 */
#ifndef BM_TOPO_TOPO_H
#define BM_TOPO_TOPO_H

#include "base/compiler.h"

enum {
	NODES_MAX = 64,
	CPUS_MAX = 1024,	/* those above are taken to be of node 0 */
	NODE_NONE = 0xffff,	/* node_id of a spare */
	SPARES_MAX = 4,
	LOCAL_DISTANCE = 10,
	REMOTE_DISTANCE = 20,	/* where the kernel does not tell */
};

struct topo {
	unsigned page_shift;		/* (C) 12, 14 or 16 */
	unsigned pageblock_order;	/* (C) a huge page, in orders */
	unsigned cpus;			/* (C) possible ones; 0: unknown */
	unsigned slots;			/* (C) as many, or more to pretend */
	unsigned nodes;			/* (C) each gets a part of the window */
	unsigned known;			/* (A) those behind are spares */
	size_t ram_bytes;		/* (C) */
	uint64_t allowed;		/* (A) has memory that we may use, by nid */
	size_t huge_bytes;		/* (C) the kernel's huge page; 0: none */
	bool huge_always;		/* (C) THP = always: mind small heaps */
	uint8_t home[NODES_MAX];	/* (A) see topo_home() */
	uint16_t node_id[NODES_MAX];	/* (A) the kernel's number of it */
	size_t node_bytes[NODES_MAX];	/* (A) its memory; 0: it has none */
	uint8_t node_of_cpu[CPUS_MAX];	/* (A) also of one that went offline */
	uint8_t distance[NODES_MAX][NODES_MAX];	/* (A) */
};

extern struct topo topo __attribute__((visibility("hidden")));

/* The string root ("/sys") must stay. */
void topo_init(unsigned pretend_cpus, const char *root);

/*
 * Reads the machine again. True: a field (A) has changed, so zonelists must be
 * built anew; a spare has become a node where `known` grew. With one nid it
 * does nothing. One caller reads, others that come meanwhile get false.
 */
bool topo_refresh(void);

/*
 * Where the memory for a nid's CPUs comes from: itself, or, while it has none
 * that we may use, the nearest that has.
 */
static inline unsigned topo_home(unsigned nid)
{
	return READ_ONCE(topo.home[nid]);
}

/*
 * The nearest of a set; of equally near ones the next by number, counted from
 * the nid itself, so that not all lean on node 0. The nid, where there is none.
 */
unsigned topo_nearest(unsigned nid, uint64_t among);

/* The nid of the kernel's node; topo.nodes: it has none. */
unsigned topo_nid(unsigned id);

static inline unsigned topo_node_of_cpu(unsigned cpu)
{
	return cpu < CPUS_MAX ? READ_ONCE(topo.node_of_cpu[cpu]) : 0;
}

static inline size_t page_bytes(void)
{
	return (size_t)1 << topo.page_shift;
}

static inline size_t pageblock_bytes(void)
{
	return page_bytes() << topo.pageblock_order;
}

#endif
