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
	nodes.zone_shift = log2_ceil((window.nr_pages + nodes.nr_zones - 1) /
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
				  at * zone_pages,
				  min_u64((at + 1) * zone_pages,
					  window.nr_pages));
			nodes.zones[at] = &node->zones[type];
		}
		build_zonelist(node);
	}
	return true;
}

struct page *node_alloc(unsigned nid, enum zone_type type, size_t npages,
			size_t align, unsigned *kind)
{
	struct zone **list = node_data[nid]->zonelist[type];
	struct page *page = NULL;

	for (unsigned i = 0; i < NR_ZONE_TYPES && !page; i++)
		page = zone_alloc(list[i], npages, align, true, kind);
	return page;
}

void node_free(struct page *page)
{
	zone_free(zone_of(pfn_of(page)), page);
}
