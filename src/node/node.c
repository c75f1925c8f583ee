/* SPDX-License-Identifier: MIT */
#include "node/node.h"

#include "os/os.h"

struct nodes nodes;

/* A node's own zones: the one asked for first, then the others. */
static void build_zonelist(struct node *node)
{
	for (unsigned want = 0; want < NR_ZONE_TYPES; want++)
		for (unsigned i = 0; i < NR_ZONE_TYPES; i++)
			node->zonelist[want][i] =
				&node->zones[(want + i) % NR_ZONE_TYPES];
}

static struct node *node_data[NODES_MAX];

bool nodes_init(void)
{
	pfn_t zone_pages;

	nodes.nr_nodes = topo.nodes;
	nodes.nr_zones = topo.nodes * NR_ZONE_TYPES;
	/*
	 * A small window is not cut in two, or a large block would find room
	 * in neither: Normal has it all, Movable is empty and falls back.
	 */
	if (window.bytes < GIB(1))
		nodes.zone_shift = log2_ceil(window.nr_pages);
	else
		nodes.zone_shift = log2_ceil((window.nr_pages +
					      nodes.nr_zones - 1) /
					     nodes.nr_zones);
	zone_pages = (pfn_t)1 << nodes.zone_shift;
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct node *node = os_map(align_up(sizeof(*node), page_bytes()));

		if (!node)
			return false;
		node_data[nid] = node;
		for (unsigned type = 0; type < NR_ZONE_TYPES; type++) {
			unsigned at = nid * NR_ZONE_TYPES + type;

			zone_init(&node->zones[type], nid, type,
				  min_u64(at * zone_pages, window.nr_pages),
				  min_u64((at + 1) * zone_pages,
					  window.nr_pages));
			nodes.zones[at] = &node->zones[type];
		}
		build_zonelist(node);
	}
	return true;
}

struct page *node_alloc(unsigned nid, enum zone_type type, size_t npages,
			size_t align, struct pcp *pcp, unsigned *kind)
{
	struct zone **list = node_data[nid]->zonelist[type];
	unsigned order = pcp_order(npages);
	struct page *page = NULL;

	if (pcp && order < PCP_ORDERS && align <= npages) {
		page = pcp_alloc(pcp, list[0], order, kind);
		if (page)
			return page;
	}
	for (unsigned i = 0; i < NR_ZONE_TYPES && !page; i++)
		page = zone_alloc(list[i], npages, align, kind);
	return page;
}

void node_free(struct page *page, struct pcp *pcp)
{
	struct zone *zone = zone_of(pfn_of(page));
	unsigned order = pcp_order(page->npages);

	/*
	 * Of a run that was cut or resized, only one that is still a buddy:
	 * pages 5 and 6 are two pages but no block of order 1.
	 */
	if (pcp && order < PCP_ORDERS && !(page->flags & PAGE_MOVED) &&
	    !(pfn_of(page) & (page->npages - 1)))
		pcp_free(pcp, zone, page, order);
	else
		zone_free(zone, page);
}

void node_drain(unsigned nid, struct pcp *pcp)
{
	pcp_drain(pcp, node_data[nid]->zones);
}
