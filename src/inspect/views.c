/* SPDX-License-Identifier: MIT */
/*
 * The views: a summary for people, JSON for programs, and four tables with
 * the kernel's columns.
 */
#include <stddef.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "vma/track.h"

/* One table feeds the summary and the JSON. */
static const struct figure {
	const char *name, *what;
	size_t offset;
	unsigned bytes;		/* size of the field */
	bool memory;		/* shown in KiB */
} figures[] = {
#define FIGURE(field, what, memory)                                            \
	{ #field, what, offsetof(struct bm_stats, field),                      \
	  sizeof(((struct bm_stats *)0)->field), memory }
	FIGURE(live_bytes, "handed out to the program", true),
	FIGURE(cached_bytes, "free objects in sheaves and barns", true),
	FIGURE(slab_bytes, "pages of slabs", true),
	FIGURE(large_bytes, "pages of large blocks", true),
	FIGURE(pcp_bytes, "free pages on the per-CPU lists", true),
	FIGURE(free_dirty_bytes, "free pages kept for reuse", true),
	FIGURE(free_clean_bytes, "free pages without memory", true),
	FIGURE(present_bytes, "pages of all zones", true),
	FIGURE(reserved_bytes, "address space of the window", true),
	FIGURE(metadata_bytes, "sheaves, and page descriptors at most", true),
	FIGURE(refills, "sheaves filled from slabs", false),
	FIGURE(flushes, "sheaves emptied to slabs", false),
	FIGURE(slow_allocs, "allocations off the fast path", false),
	FIGURE(slow_frees, "frees off the fast path", false),
	FIGURE(nested_calls, "calls from signal handlers", false),
	FIGURE(remote_sheaves, "whole sheaves sent to their owner", false),
	FIGURE(grows, "times that a zone grew", false),
	FIGURE(purges, "times that pages went back", false),
	FIGURE(moves, "blocks moved by mremap", false),
	FIGURE(purged_bytes, "memory that went back", true),
	FIGURE(rseq, "per-CPU by rseq (2: fake)", false),
	FIGURE(membarrier, "other CPUs' sheaves can be taken", false),
	FIGURE(nodes, "nodes", false),
	FIGURE(slots, "slots", false),
	FIGURE(page_size, "page size", false),
	FIGURE(pageblock_bytes, "pageblock", false),
	FIGURE(limit_bytes, "limit of what is resident (0: none)", true),
	FIGURE(reused_bytes, "handed out again while resident", true),
	FIGURE(refault_bytes, "given back, and wanted soon after", true),
	FIGURE(stalls, "calls that left the rest for later", false),
	FIGURE(refusals, "requests over the hard limit", false),
	FIGURE(threads, "threads made to give memory back", false),
	FIGURE(fresh_bytes, "handed out without memory: faults to come", true),
	FIGURE(drains, "times that all caches were emptied", false),
	FIGURE(shortages, "times that memory was found short", false),
	FIGURE(hugetlb_bytes, "pages of the pool of huge pages", true),
	FIGURE(moved_bytes, "objects moved by bm_defrag", true),
	FIGURE(hollow_bytes, "pages in slabs that hold nothing, given back", true),
	FIGURE(huge_bytes, "where huge pages are asked for", true),
	FIGURE(huge_dear, "times that huge pages took too long", false),
#undef FIGURE
};

static uint64_t value(const struct bm_stats *s, const struct figure *f)
{
	const char *at = (const char *)s + f->offset;

	return f->bytes == sizeof(int) ? (uint64_t)*(const int *)at
				       : *(const uint64_t *)at;
}

static void print_summary(struct text *t)
{
	struct bm_stats s;

	stats_take(&s);
	text_add(t, "buddymalloc %s, process %d, %s\n", bm_version(), getpid(),
		 s.rseq ? "rseq on" : "rseq off");
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		uint64_t v = value(&s, &figures[i]);

		if (figures[i].memory)
			text_add(t, "%14zu KiB  %s\n", (size_t)(v + 1023) / 1024,
				 figures[i].what);
		else
			text_add(t, "%14zu      %s\n", (size_t)v,
				 figures[i].what);
	}
}

/*
 * Locks are taken in a slow path of one's own: so fork waits, and a handler
 * that interrupts it takes none. What is to be printed is copied in there.
 */
static struct slot *enter(void)
{
	uint32_t nr;

	return mm_enter_slot(&nr);
}

static void print_slabs_json(struct text *t)
{
	const char *comma = "";

	text_add(t, "\"slabs\":[");
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache_counts c = cache_count(&caches[class]);

		if (!c.slabs)
			continue;
		text_add(t, "%s{\"size\":%u,\"out\":%zu,\"slabs\":%u}", comma,
			 caches[class].size, c.out, c.slabs);
		comma = ",";
	}
	text_add(t, "]");
}

/* The kernel's number, as numactl shows it. */
static unsigned node_number(const struct zone *zone)
{
	return READ_ONCE(topo.node_id[zone->node]);
}

/*
 * Of device memory that was taken away the zone stays, without pages. A nid
 * that is kept for a node to come has no number yet.
 */
static bool is_shown(const struct zone *zone)
{
	return node_number(zone) != NODE_NONE &&
	       (zone->type < WINDOW_ZONES || zone->end > zone->start);
}

static void print_zones_json(struct text *t)
{
	const char *comma = "";

	text_add(t, "\"zones\":[");
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *zone = nodes.zones[i];

		if (!is_shown(zone))
			continue;
		text_add(t,
			 "%s{\"node\":%u,\"name\":\"%s\",\"used\":%zu,"
			 "\"dirty\":%zu,\"clean\":%zu,\"present\":%zu}",
			 comma, node_number(zone), zone->name, zone->used_pages,
			 zone->free_pages[DIRTY], zone->free_pages[CLEAN],
			 (size_t)(zone->present - zone->start));
		comma = ",";
	}
	text_add(t, "]");
}

static void print_json(struct text *t)
{
	struct bm_stats s;

	stats_take(&s);
	text_add(t, "{\"version\":\"%s\",\"pid\":%d,", bm_version(), getpid());
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		text_add(t, "\"%s\":%zu,", figures[i].name,
			 (size_t)value(&s, &figures[i]));
	print_zones_json(t);
	text_add(t, ",");
	print_slabs_json(t);
	text_add(t, "}\n");
}

static bool count_free(struct zone *zone, size_t nr[MAX_ORDERS])
{
	struct slot *slot = enter();

	if (!slot)
		return false;
	lock(&zone->lock, LOCK_ZONE);
	for (unsigned o = 0; o < MAX_ORDERS; o++)
		nr[o] = zone->free_area[o].nr[CLEAN] +
			zone->free_area[o].nr[DIRTY] +
			zone->free_area[o].nr[MIXED];
	unlock(&zone->lock, LOCK_ZONE);
	mm_leave_slot(slot);
	return true;
}

static void print_buddyinfo(struct text *t)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		struct zone *zone = nodes.zones[i];
		size_t nr[MAX_ORDERS];

		if (!is_shown(zone))
			continue;
		if (!count_free(zone, nr))
			return;
		text_add(t, "Node %u, zone %8s ", node_number(zone),
			 zone->name);
		for (unsigned o = 0; o <= zone->max_order; o++)
			text_add(t, "%6zu ", nr[o]);
		text_add(t, "\n");
	}
}

static const char *block_type(const struct zone *zone)
{
	return zone->type == ZONE_MOVABLE || zone->type == ZONE_DMA32
		       ? "Movable"
		       : "Unmovable";
}

static void print_block_counts(struct text *t)
{
	static const uint8_t columns[] = { BLOCKS_UNMOVABLE, BLOCKS_MOVABLE,
					   BLOCKS_MIXED, BLOCKS_FREE };

	text_add(t, "\n%-23s %12s %12s %12s %12s\n", "Number of blocks type",
		 "Unmovable", "Movable", "Mixed", "Free");
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		struct zone *zone = nodes.zones[i];
		struct pageblocks blocks;
		struct slot *slot;

		if (!is_shown(zone))
			continue;
		slot = enter();
		if (!slot)
			return;
		zone_pageblocks(zone, &blocks);
		mm_leave_slot(slot);
		text_add(t, "Node %u, zone %8s  ", node_number(zone),
			 zone->name);
		for (unsigned c = 0; c < ARRAY_SIZE(columns); c++)
			text_add(t, " %12zu", blocks.nr[columns[c]]);
		text_add(t, "\n");
	}
}

static void print_pagetypeinfo(struct text *t)
{
	text_add(t, "Page block order: %u\nPages per block:  %zu\n\n",
		 topo.pageblock_order, (size_t)1 << topo.pageblock_order);
	text_add(t, "%-43s", "Free pages count per migrate type at order");
	for (unsigned o = 0; o < MAX_ORDERS; o++)
		text_add(t, " %6u", o);
	text_add(t, "\n");
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		struct zone *zone = nodes.zones[i];
		size_t nr[MAX_ORDERS];

		if (!is_shown(zone))
			continue;
		if (!count_free(zone, nr))
			return;
		text_add(t, "Node %4u, zone %8s, type %12s ",
			 node_number(zone), zone->name, block_type(zone));
		for (unsigned o = 0; o <= zone->max_order; o++)
			text_add(t, " %6zu", nr[o]);
		text_add(t, "\n");
	}
	print_block_counts(t);
}

static void print_zoneinfo(struct text *t)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *z = nodes.zones[i];
		size_t lent = z->type == ZONE_DMA32 ? zone_lowmem_reserve(z)
						    : 0;

		if (!is_shown(z))
			continue;
		text_add(t, "Node %u, zone %8s\n", node_number(z), z->name);
		text_add(t, "  pages free     %zu\n",
			 z->free_pages[CLEAN] + z->free_pages[DIRTY]);
		text_add(t, "        boost    0\n        min      0\n");
		text_add(t, "        low      %zu\n", resident_low(z->resident));
		text_add(t, "        high     %zu\n", resident_high(z->resident));
		text_add(t, "        spanned  %zu\n",
			 (size_t)(z->end - z->start));
		text_add(t, "        present  %zu\n",
			 (size_t)(z->present - z->start));
		text_add(t, "        managed  %zu\n",
			 (size_t)(z->present - z->start));
		/* What it keeps from requests for each type, in their order. */
		text_add(t, "        protection: (%zu, %zu, 0, 0, 0)\n",
			 (size_t)0, lent);
		text_add(t, "      nr_used_pages  %zu\n", z->used_pages);
		text_add(t, "      nr_dirty_pages %zu\n", z->free_pages[DIRTY]);
		text_add(t, "      nr_clean_pages %zu\n", z->free_pages[CLEAN]);
		text_add(t, "      nr_purged      %zu\n",
			 (size_t)z->purged_pages);
		text_add(t, "  start_pfn:           %zu\n", (size_t)z->start);
		text_add(t, "  placement: %s\n",
			 placement_name(READ_ONCE(z->placement)));
	}
}

/* One line, as /proc/slabinfo has it; batch and shared are its tunables. */
static void print_slabs(struct text *t, const struct named_row *row)
{
	uint32_t slabs = row->count.slabs;

	text_add(t,
		 "%-17s %6zu %6zu %6u %4u %4u : tunables %4u %4u %4u "
		 ": slabdata %6u %6u %6u\n",
		 row->name, row->count.out, (size_t)slabs * row->objects,
		 row->size, row->objects, 1u << row->order, row->sheaf,
		 row->sheaf, row->barn,
		 slabs - (uint32_t)min_u64(slabs, row->count.empty), slabs, 0u);
}

static void print_named(struct text *t)
{
	struct named_row row;

	for (unsigned i = 0;; i++) {
		struct slot *slot = enter();
		bool more = slot && named_row(i, &row);

		if (slot)
			mm_leave_slot(slot);
		if (!more)
			return;
		/* A heap has many that are never used. */
		if (row.count.slabs || row.sheaf)
			print_slabs(t, &row);
	}
}

static void print_slabinfo(struct text *t)
{
	text_add(t, "slabinfo - version: 2.1\n"
		    "# name            <active_objs> <num_objs> <objsize> "
		    "<objperslab> <pagesperslab> : tunables <limit> "
		    "<batchcount> <sharedfactor> : slabdata <active_slabs> "
		    "<num_slabs> <sharedavail>\n");
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		const struct cache *cache = &caches[class];
		struct named_row row = {
			.size = cache->size,
			.objects = cache->objects,
			.sheaf = cache->max_sheaf,
			.barn = cache->max_barn,
			.order = cache->order,
			.count = cache_count(cache),
		};
		struct text name;

		text_init(&name, row.name, sizeof(row.name) - 1, -1);
		text_add(&name, "kmalloc-%u", cache->size);
		print_slabs(t, &row);
	}
	print_named(t);
}

void view_print(struct text *t, enum bm_view what)
{
	static void (*const views[])(struct text *) = {
		[BM_VIEW_STATS] = print_summary,
		[BM_VIEW_JSON] = print_json,
		[BM_VIEW_BUDDYINFO] = print_buddyinfo,
		[BM_VIEW_ZONEINFO] = print_zoneinfo,
		[BM_VIEW_SLABINFO] = print_slabinfo,
		[BM_VIEW_PAGETYPEINFO] = print_pagetypeinfo,
		[BM_VIEW_MAPS] = track_print,
	};

	if (!mm_enter())
		return;
	mm_leave();
	if (!percpu.base)
		return;
	views[what](t);
}
