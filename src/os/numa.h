/* SPDX-License-Identifier: MIT */
/*
 * What:  the system calls of memory policy and of where a thread runs.
 * Door:  os_*(); nodes are the kernel's numbers here, as numactl shows them.
 * Locks: as in os/os.h: none of those that forbid a system call.
 * Invariant: nothing here is needed. Containers often refuse these calls
 *        (EPERM), kernels without NUMA lack them (ENOSYS), a node may have no
 *        memory or be outside of the cpuset (EINVAL): each is a return value.
 * See:   topo/ for which nodes there are.
 */
#ifndef BM_OS_NUMA_H
#define BM_OS_NUMA_H

#include "base/compiler.h"

enum {
	OS_NODES = 1024,	/* the kernel's numbers end below */
	OS_NODE_WORDS = OS_NODES / 64,
};

/* Nodes that the cpuset lets this thread take memory from. */
bool os_allowed_nodes(uint64_t mask[OS_NODE_WORDS]);
/* The nodes that this thread's policy binds it to; false: it does not. */
bool os_bound_nodes(uint64_t mask[OS_NODE_WORDS]);
/*
 * The thread has a policy of its own, which one of ours would override. True
 * also where the kernel does not tell: what cannot be seen is left alone.
 */
bool os_own_policy(void);

/* The mapping at an address has one; true also where nothing is told. */
bool os_policy_at(const void *addr);

/* Pages come from the node where it has some, else from another. */
bool os_prefer_node(void *addr, size_t bytes, unsigned node);
/* Pages come from the node, or there are none. */
bool os_bind_node(void *addr, size_t bytes, unsigned node);
/* Pages come from the nodes of the mask in turn. */
bool os_interleave(void *addr, size_t bytes,
		   const uint64_t mask[OS_NODE_WORDS]);

/* The node of each page; negative: an error, -ENOENT where none is there. */
bool os_page_nodes(void **pages, size_t n, int *nodes);
/* Where this thread runs now (it may move at once). */
int os_current_cpu(void);
bool os_current_place(unsigned *cpu, unsigned *node);
/*
 * No CPU's number reaches this: a bound in steps of 64 or more, for where
 * sysfs is not mounted. 0: unknown.
 */
unsigned os_cpus_bound(void);
/* How many CPUs this thread may run on. UINT_MAX: unknown. */
unsigned os_cpus_usable(void);

#endif
