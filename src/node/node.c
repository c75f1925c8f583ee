/* SPDX-License-Identifier: MIT */
#include "node/node.h"

#include "node/inside.h"
#include "os/numa.h"
#include "os/os.h"

struct nodes nodes;
struct node *node_data[NODES_MAX];

/*
 * One node: a TiB costs nothing while it is empty; more where there is more
 * memory. Several: each a power of two that is twice the memory of them all,
 * so that one node's part may hold all that a program has, but together no
 * more than a quarter of 2^47.
 */
size_t nodes_window_bytes(void)
{
	size_t part = (size_t)1 << log2_ceil(max_u64(2 * topo.ram_bytes,
						     GIB(512)));

	if (topo.nodes == 1)
		return max_u64((size_t)1 << 40, 4 * topo.ram_bytes);
	part = min_u64(part, (size_t)1 << (45 - log2_ceil(topo.nodes)));
	return part * topo.nodes;
}

/*
 * A small window is not cut in two, or a large block would find room in
 * neither: Normal has it all, Movable is empty and falls back. Else the zones
 * are equal; the last of them may be cut short, but by no more than half.
 */
static unsigned zone_shift(void)
{
	pfn_t pages = window.nr_pages;
	unsigned zones = nodes.nr_window_zones, shift;

	if (window.bytes < GIB(1))
		return log2_ceil(pages);
	shift = log2_ceil((pages + zones - 1) / zones);
	if (topo.nodes > 1 &&
	    ((pfn_t)(2 * zones - 1) << shift) / 2 > pages)
		shift--;
	return shift;
}

static struct node *make_node(unsigned nid)
{
	size_t bytes = align_up(sizeof(struct node) + zonelists_bytes(),
				page_bytes());
	struct node *node = os_map(bytes);

	/* Its CPUs take its zones' locks: they should lie on it. */
	if (node && topo.nodes > 1 && topo.allowed >> nid & 1)
		os_prefer_node(node, bytes, topo.node_id[nid]);
	return node;
}

bool nodes_init(void)
{
	pfn_t zone_pages;

	nodes.nr_nodes = topo.nodes;
	nodes.nr_window_zones = topo.nodes * WINDOW_ZONES;
	nodes.nr_zones = nodes.nr_window_zones;
	nodes.zone_shift = zone_shift();
	zone_pages = (pfn_t)1 << nodes.zone_shift;
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		struct node *node = make_node(nid);

		if (!node)
			return false;
		node_data[nid] = node;
		for (unsigned type = 0; type < WINDOW_ZONES; type++) {
			unsigned at = nid * WINDOW_ZONES + type;

			zone_init(&node->zones[type], nid, type,
				  min_u64(at * zone_pages, window.nr_pages),
				  min_u64((at + 1) * zone_pages,
					  window.nr_pages));
			resident_add(&node->resident, &node->zones[type]);
			nodes.zones[at] = &node->zones[type];
		}
	}
	/* The first half of the lists first: it lies beside the zones. */
	for (unsigned nid = 0; nid < topo.nodes; nid++)
		node_of(nid)->lists_at = 1;
	zonelists_build();
	return true;
}

void nodes_refresh(void)
{
	if (topo_refresh())
		nodes_rebuild();
}

void nodes_recover(void)
{
	special_recover();
	for (unsigned i = 0; i < nodes.nr_zones; i++)
		zone_recover(nodes.zones[i]);
}

/*
 * One zone of a list. What was not asked for gives of its free pages only, and
 * keeps some for those who do ask for it. A zone grows where its node has
 * memory for that, or (any) where no node had.
 */
static struct page *try_zone(struct zone *zone, unsigned gfp, size_t npages,
			     size_t align, bool any, unsigned *kind)
{
	bool may_grow = !(gfp & GFP_NOGROW);
	struct page *page;

	if (zone->type >= WINDOW_ZONES && zone->type != gfp_zone(gfp)) {
		if (gfp & GFP_WINDOW || zone_lendable(zone) < npages)
			return NULL;
		may_grow = false;
	}
	if (may_grow && nodes.nr_nodes == 1)
		return zone_alloc(zone, npages, align, kind);
	page = zone_alloc_present(zone, npages, align, kind);
	if (page && may_grow)
		zone_took(zone, *kind == CLEAN ? npages : 0);
	if (page || !may_grow)
		return page;
	return any || node_has_room(zone->node, npages)
		       ? zone_alloc(zone, npages, align, kind)
		       : NULL;
}

static struct page *try_list(unsigned nid, unsigned gfp, size_t npages,
			     size_t align, bool any, unsigned *kind)
{
	const struct zonelist *list = zonelist_of(node_of(nid), gfp_zone(gfp));
	bool here = gfp & GFP_THISNODE;
	unsigned nr = load_acquire(here ? &list->nr_local : &list->nr);
	struct page *page = NULL;

	for (unsigned i = 0; i < nr && !page; i++) {
		struct zone *zone = nodes.zones[READ_ONCE(list->zones[i])];

		/* A list that was built anew meanwhile may be a mixture. */
		if (!here || zone->node == nid)
			page = try_zone(zone, gfp, npages, align, any, kind);
	}
	return page;
}

static struct page *from_lists(struct pcp *pcp, struct zone *zone,
			       size_t npages, size_t align, unsigned *kind)
{
	unsigned order = pcp_order(npages);

	if (order < PCP_ORDERS)
		return align <= npages ? pcp_alloc(pcp, zone, order, kind)
				       : NULL;
	if (zone->type != ZONE_MOVABLE || align > 1)
		return NULL;
	*kind = DIRTY;
	return pcp_alloc_run(pcp, zone, npages);
}

struct page *node_alloc(unsigned nid, unsigned gfp, size_t npages,
			size_t align, struct pcp *pcp, unsigned *kind)
{
	unsigned want = gfp_zone(gfp);
	struct page *page;

	if (want >= NR_ZONE_TYPES)
		return NULL;
	if (want < PCP_ZONES && pcp && pcp->nid == nid) {
		page = from_lists(pcp, &node_of(nid)->zones[want], npages,
				  align, kind);
		if (page)
			return page;
	}
	node_call_home(nid);
	if ((want == ZONE_DMA32 || want == ZONE_DMA) && !(gfp & GFP_NOGROW))
		special_prepare(nid, want, npages);
	page = try_list(nid, gfp, npages, align, false, kind);
	/* Every node is short: the kernel finds memory, or ends somebody. */
	if (!page && nodes.nr_nodes > 1 && !(gfp & (GFP_THISNODE | GFP_NOGROW)))
		page = try_list(nid, gfp, npages, align, true, kind);
	return page;
}

void node_free(struct page *page, struct pcp *pcp)
{
	struct zone *zone = zone_of(pfn_of(page));
	unsigned order = pcp_order(page->npages);
	bool waits = pcp && !(page->flags & PAGE_MOVED) &&
		     zone->type < PCP_ZONES && zone->node == pcp->nid;

	/*
	 * To the lists of blocks only one that is a buddy: pages 5 and 6 are
	 * two pages but no block of order 1.
	 */
	if (waits && order < PCP_ORDERS &&
	    !(pfn_of(page) & (page->npages - 1)))
		pcp_free(pcp, zone, page, order);
	else if (waits && order == PCP_ORDERS && zone->type == ZONE_MOVABLE)
		pcp_free_run(pcp, zone, page);
	else
		zone_free(zone, page);
	node_call_home(zone->node);
}

void node_drain(struct pcp *pcp)
{
	pcp_drain(pcp, node_of(pcp->nid)->zones);
}
