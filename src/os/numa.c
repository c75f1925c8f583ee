/* SPDX-License-Identifier: MIT */
#include "os/numa.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's ABI; its header is not everywhere. */
enum {
	MPOL_DEFAULT,
	MPOL_PREFERRED,
	MPOL_BIND,
	MPOL_INTERLEAVE,
	MPOL_MODE = 0xff,		/* flags stand above */
	MPOL_F_RELATIVE_NODES = 1 << 14,
	MPOL_F_ADDR = 1 << 1,		/* of get_mempolicy */
	MPOL_F_MEMS_ALLOWED = 1 << 2,
};

/* The calls take one more than the number of bits that they look at. */
static const long mask_bits = OS_NODES + 1;

bool os_allowed_nodes(uint64_t mask[OS_NODE_WORDS])
{
	return syscall(SYS_get_mempolicy, NULL, mask, mask_bits, NULL,
		       (long)MPOL_F_MEMS_ALLOWED) == 0;
}

/* With RELATIVE_NODES the mask counts the cpuset's nodes: no numbers. */
bool os_bound_nodes(uint64_t mask[OS_NODE_WORDS])
{
	int mode = MPOL_DEFAULT;

	return syscall(SYS_get_mempolicy, &mode, mask, mask_bits, NULL,
		       0L) == 0 &&
	       (mode & MPOL_MODE) == MPOL_BIND &&
	       !(mode & MPOL_F_RELATIVE_NODES);
}

bool os_own_policy(void)
{
	int mode = MPOL_DEFAULT;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0L) ||
	       mode != MPOL_DEFAULT;
}

bool os_policy_at(const void *addr)
{
	int mode = MPOL_DEFAULT;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0L, addr,
		       (long)MPOL_F_ADDR) ||
	       mode != MPOL_DEFAULT;
}

static bool set_node(void *addr, size_t bytes, unsigned node, long mode)
{
	uint64_t mask[OS_NODE_WORDS];

	if (node >= OS_NODES)
		return false;
	memset(mask, 0, sizeof(mask));
	mask[node / 64] = (uint64_t)1 << node % 64;
	return syscall(SYS_mbind, addr, bytes, mode, mask, mask_bits, 0L) == 0;
}

bool os_prefer_node(void *addr, size_t bytes, unsigned node)
{
	return set_node(addr, bytes, node, MPOL_PREFERRED);
}

bool os_bind_node(void *addr, size_t bytes, unsigned node)
{
	return set_node(addr, bytes, node, MPOL_BIND);
}

bool os_interleave(void *addr, size_t bytes,
		   const uint64_t mask[OS_NODE_WORDS])
{
	return syscall(SYS_mbind, addr, bytes, (long)MPOL_INTERLEAVE, mask,
		       mask_bits, 0L) == 0;
}

bool os_page_nodes(void **pages, size_t n, int *nodes)
{
	return syscall(SYS_move_pages, 0L, n, pages, NULL, nodes, 0L) == 0;
}

bool os_current_place(unsigned *cpu, unsigned *node)
{
	return syscall(SYS_getcpu, cpu, node, NULL) == 0;
}

int os_current_cpu(void)
{
	return sched_getcpu();
}

/*
 * The CPUs that this thread may run on, and the bytes of the mask, 0 where it
 * cannot be had. A mask too short for the kernel's CPUs is EINVAL.
 */
static size_t affinity(uint64_t *mask, size_t most)
{
	int err = errno;
	size_t bytes = sizeof(*mask);

	while (bytes <= most &&
	       syscall(SYS_sched_getaffinity, 0L, bytes, mask) <= 0)
		bytes = errno == EINVAL ? bytes * 2 : most + 1;
	errno = err;
	return bytes <= most ? bytes : 0;
}

unsigned os_cpus_bound(void)
{
	uint64_t mask[256];

	return (unsigned)affinity(mask, sizeof(mask)) * 8;
}

unsigned os_cpus_usable(void)
{
	uint64_t mask[256] = { 0 };
	unsigned n = 0;

	if (!affinity(mask, sizeof(mask)))
		return UINT_MAX;
	for (unsigned i = 0; i < 256; i++)
		n += (unsigned)__builtin_popcountll(mask[i]);
	return n;
}
