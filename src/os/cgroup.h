/* SPDX-License-Identifier: MIT */
/*
 * What:  how much memory the process's control group may have, and whether
 *        memory is short, there or in the machine.
 * Door:  os_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
 *        os_memory_pressure(the same, "/proc/pressure/memory").
 * Locks: none; one caller at a time, since the buffers are static: callers
 *        may have a small stack.
 * Invariant: the smallest of the group's own limits and of those around it
 *        that can be seen: memory.max and memory.high of version 2,
 *        memory.limit_in_bytes of version 1. What cannot be read limits
 *        nothing. Example: "4:memory:/a/b" reads memory/a/b, memory/a and
 *        memory, where a container that sees only its own group finds that.
 * See:   Documentation/admin-guide/cgroup-v2.rst, accounting/psi.rst.
 */
#ifndef BM_OS_CGROUP_H
#define BM_OS_CGROUP_H

#include "base/compiler.h"

/* Bytes; SIZE_MAX: no limit that is known; 0: groups cannot be read. */
size_t os_cgroup_limit(const char *groups, const char *mount);
/*
 * How much of the last ten seconds something stood still for want of memory,
 * in hundredths of a per cent; the larger of the two. -1: nobody tells.
 */
int os_memory_pressure(const char *groups, const char *mount,
		       const char *machine);

#endif
