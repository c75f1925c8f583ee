/* SPDX-License-Identifier: MIT */
/*
 * What:  how much free memory the kernel says a node has.
 * Door:  os_node_free(), by the kernel's number of the node; os_min_free().
 * Locks: as os/os.h has it.
 * See:   node/room.c, which asks seldom and remembers.
 */
#ifndef BM_OS_NODEMEM_H
#define BM_OS_NODEMEM_H

#include "base/compiler.h"

/*
 * Bytes that no process uses, the page cache neither; SIZE_MAX: unknown. The
 * root is "/sys", but in tests.
 */
size_t os_node_free(const char *root, unsigned kernel_node);
/* What the kernel keeps free in all nodes together at least; 0: unknown. */
size_t os_min_free(void);

#endif
