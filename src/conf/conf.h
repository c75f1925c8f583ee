/* SPDX-License-Identifier: MIT */
/*
 * What:  the options: BUDDYMALLOC_CONF="key:value,key:value".
 * Door:  conf_init() once at start; then the fields of `conf` are constant.
 * Locks: LOCK_INIT while it is filled.
 * Invariant: an unknown key or a bad value is one line on stderr and leaves
 *        the default; with AT_SECURE nothing of the user's is read.
 * See:   conf.c holds the one table; buddymalloc.conf(5) tells each option.
 */
#ifndef BM_CONF_CONF_H
#define BM_CONF_CONF_H

#include "base/compiler.h"

enum foreign { FOREIGN_ABORT, FOREIGN_LIBC, FOREIGN_IGNORE };
enum rseq_mode { RSEQ_AUTO, RSEQ_OFF, RSEQ_FAKE };
enum numa_mode { NUMA_LOCAL, NUMA_INTERLEAVE, NUMA_OFF };
enum stats_mode { STATS_OFF, STATS_EXIT, STATS_JSON, STATS_VIEWS };

enum reclaim_mode {
	RECLAIM_AUTO,	/* a thread where the program has some, else callers */
	RECLAIM_THREAD,
	RECLAIM_CALLER,
	RECLAIM_OFF,
};

enum deepbind_mode { DEEPBIND_IGNORE, DEEPBIND_KEEP };

enum mmap_mode { MMAP_OFF, MMAP_TRACK, MMAP_PLACE, MMAP_SERVE };

enum hugepages_mode {
	HUGEPAGES_AUTO,
	HUGEPAGES_NEVER,
	HUGEPAGES_ALWAYS,
	HUGEPAGES_HUGETLB,	/* the pool's, while it has some */
};

struct conf {
	uint32_t foreign;	/* enum foreign */
	uint32_t rseq;		/* enum rseq_mode */
	uint32_t numa;		/* enum numa_mode */
	uint32_t stats;		/* enum stats_mode */
	uint32_t check;		/* every free is checked at once */
	uint32_t hugepages;	/* enum hugepages_mode */
	uint32_t reclaim;	/* enum reclaim_mode */
	uint32_t mmap;		/* enum mmap_mode */
	uint32_t deepbind;	/* enum deepbind_mode */
	uint32_t debug;		/* 1: print the start-up stages */
	uint32_t help;		/* 1: print the options */
	size_t limit;		/* bytes resident, soft; 0: none */
	size_t hard_limit;	/* the same, never exceeded */
	size_t window;		/* bytes of address space; 0: by the machine */
	size_t slots;		/* pretend so many CPUs; 0: ask the kernel */
	char trace[200];	/* where calls are recorded; "": nowhere */
	char sysfs[200];	/* a tree in place of /sys; "": none */
};

extern struct conf conf __attribute__((visibility("hidden")));

/* Where to look while libc has no environ. */
void conf_environ(char **env);
void conf_init(void);

/* Where sysfs is. */
static inline const char *conf_sysfs(void)
{
	return conf.sysfs[0] ? conf.sysfs : "/sys";
}

#endif
