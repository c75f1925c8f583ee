/* SPDX-License-Identifier: MIT */
/*
 * What:  reads the files of sysfs that describe CPUs, nodes and huge pages.
 * Door:  sysfs_root() says where the tree stands; sysfs_*() read one file.
 * Locks: one reader at a time (there is one buffer): the start, or the one
 *        refresh that runs.
 * Invariant: a file that is missing, longer than the buffer or not in the
 *        kernel's form is "unknown" as a whole; half of one is never used.
 * See:   topo.c for what is assumed of the unknown.
 */
#ifndef BM_TOPO_SYSFS_H
#define BM_TOPO_SYSFS_H

#include "base/print.h"

enum {
	IDS_MAX = 1024,
	IDS_END_MAX = 16384,	/* no kernel counts so many CPUs */
};

/*
 * A set of CPUs or of nodes: "0-3,8" is the bits 0x10f, end 9. Numbers from
 * 1,024 on have no bit, but end knows of them.
 */
struct ids {
	uint64_t bits[IDS_MAX / 64];
	unsigned end;		/* the highest number, plus 1 */
};

static inline bool ids_has(const struct ids *ids, unsigned id)
{
	return id < IDS_MAX && ids->bits[id / 64] >> id % 64 & 1;
}

/* How many are below id: ids_below(ids, IDS_MAX) is all of them. */
unsigned ids_below(const struct ids *ids, unsigned id);
bool ids_parse(struct ids *ids, const char *s, size_t len);

/* The string must stay; "/sys" until it is called. */
void sysfs_root(const char *root);
/* "devices/system/node/online" and its like. False: unknown, and empty. */
bool sysfs_ids(struct ids *ids, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* False: unknown; a node may well have 0 bytes. */
bool sysfs_node_bytes(unsigned node, size_t *bytes);
/* To the online nodes in their order; how many there are, 0: unknown. */
unsigned sysfs_node_distances(unsigned node, uint8_t *to, unsigned cap);
size_t sysfs_huge_page_size(void);	/* 0: unknown */
bool sysfs_huge_pages_always(void);
/* The sizes (as one number) that advised memory can have; 0: none. */
uint64_t sysfs_huge_sizes(size_t page, size_t largest);
/*
 * Pages of that size in the pool of hugetlbfs that nobody has or was promised;
 * those of a node, if it is not -1.
 */
size_t sysfs_hugetlb_spare(size_t page, int node);
/* Slots are indexed by number, so the last one counts; 0: unknown. */
unsigned sysfs_possible_cpus(void);
/* A line "Key:\t0-3" of a file outside of sysfs (/proc/self/status). */
bool proc_ids(struct ids *ids, const char *path, const char *key);

#endif
