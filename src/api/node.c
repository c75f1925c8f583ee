/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a given node, or of all of them in turn, and which one a block is
 * of.
 */
#include "api/api.h"
#include "os/numa.h"
#include "os/os.h"

BM_EXPORT void *bm_malloc_node(size_t size, int node)
{
	int nid = api_nid(node);

	if (nid == NID_NONE)
		return NULL;
	if (nid == NID_ANY || topo.nodes == 1)
		return malloc_fast(size);
	return malloc_on((unsigned)nid, size);
}

/* The kernel deals the pages out as they are touched. */
static void interleave(void *p)
{
	uint64_t mask[OS_NODE_WORDS] = { 0 };
	size_t bytes = large_size(p, "interleave");

	for (unsigned nid = 0; nid < READ_ONCE(topo.known); nid++)
		if (READ_ONCE(topo.allowed) >> nid & 1)
			mask[topo.node_id[nid] / 64] |=
				1ull << topo.node_id[nid] % 64;
	/*
	 * What is resident already lies where it lies. The pages are mapped
	 * anew when the block is freed, so that the next one has no such
	 * policy; of such mappings there may be few only.
	 */
	if (large_remap(p) && os_purge(p, bytes))
		os_interleave(p, bytes, mask);
}

/* Whole pages: they are what lies on nodes. */
BM_EXPORT void *bm_malloc_interleaved(size_t size)
{
	void *p = bm_vmalloc(size);

	if (p && READ_ONCE(topo.known) > 1 && api_present(p) &&
	    zone_purges(zone_of(pfn_find(p))))
		interleave(p);
	return p;
}

BM_EXPORT int bm_node_of(const void *ptr)
{
	if (!api_present(ptr))
		return -1;
	return topo.node_id[zone_of(pfn_find(ptr))->node];
}
