/* SPDX-License-Identifier: MIT */
#include "vma/place.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "conf/conf.h"
#include "os/numa.h"
#include "topo/topo.h"
#include "vma/track.h"

enum { HUGE = 2 << 20 };

/* Where the last one was put: the kernel goes on below it. */
static uintptr_t last;	/* (A) */

bool place_wants(const void *addr, size_t bytes, int prot, int flags)
{
	return !addr && bytes >= PLACE_MIN && prot != PROT_NONE &&
	       (flags & ~(MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK)) ==
		       (MAP_PRIVATE | MAP_ANONYMOUS);
}

/*
 * Right below the last one, at a multiple of 2 MiB: with the last at 0x7f..a31000
 * and 5 MiB wanted, 0x7f..400000. Without a look at the tree the kernel would
 * say no as well, so a tree that is not up to date costs nothing but the hint.
 */
void *place_hint(size_t bytes)
{
	uintptr_t from = READ_ONCE(last), at;
	struct vma v;

	if (!from || bytes > from)
		return NULL;
	at = align_down(from - bytes, HUGE);
	if (!at || (track_next(at, &v) && v.start < at + bytes))
		return NULL;
	return (void *)at;
}

bool place_node(void *addr, size_t bytes)
{
	unsigned cpu = 0, nid;
	int saved = errno;
	bool done = false;

	WRITE_ONCE(last, (uintptr_t)addr);
	if (topo.nodes < 2 || conf.numa != NUMA_LOCAL)
		return false;
	if (os_current_place(&cpu, NULL) && !os_own_policy()) {
		nid = topo_home(topo_node_of_cpu(cpu));
		done = READ_ONCE(topo.node_id[nid]) != NODE_NONE &&
		       os_prefer_node(addr, bytes,
				      READ_ONCE(topo.node_id[nid]));
	}
	errno = saved;
	return done;
}
