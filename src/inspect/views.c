/* SPDX-License-Identifier: MIT */
/*
 * The views: a summary for people, JSON for programs, and three tables with
 * the kernel's columns.
 */
#include <stddef.h>
#include <unistd.h>

#include "inspect/inspect.h"

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
	FIGURE(metadata_bytes, "page descriptors and sheaves", true),
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

static void print_slabs_json(struct text *t)
{
	const char *comma = "";

	text_add(t, "\"slabs\":[");
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache *cache = &caches[class];

		if (!cache->node || !READ_ONCE(cache->node->nr_slabs))
			continue;
		text_add(t, "%s{\"size\":%u,\"out\":%zu,\"slabs\":%u}", comma,
			 cache->size, (size_t)READ_ONCE(cache->node->nr_out),
			 READ_ONCE(cache->node->nr_slabs));
		comma = ",";
	}
	text_add(t, "]");
}

static void print_zones_json(struct text *t)
{
	text_add(t, "\"zones\":[");
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *zone = nodes.zones[i];

		text_add(t,
			 "%s{\"node\":%u,\"name\":\"%s\",\"used\":%zu,"
			 "\"dirty\":%zu,\"clean\":%zu,\"present\":%zu}",
			 i ? "," : "", zone->node, zone->name, zone->used_pages,
			 zone->free_pages[DIRTY], zone->free_pages[CLEAN],
			 (size_t)(zone->present - zone->start));
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

/*
 * Locks are taken in a slow path of one's own: so fork waits, and a handler
 * that interrupts it takes none. What is to be printed is copied in there.
 */
static struct slot *enter(void)
{
	uint32_t nr;

	return mm_enter() ? slot_enter(&nr) : NULL;
}

static void leave(struct slot *slot)
{
	slot_exit(slot);
	mm_leave();
}

static void print_buddyinfo(struct text *t)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		struct zone *zone = nodes.zones[i];
		struct slot *slot = enter();
		size_t nr[MAX_ORDERS];

		if (!slot)
			return;
		lock(&zone->lock, LOCK_ZONE);
		for (unsigned o = 0; o < MAX_ORDERS; o++)
			nr[o] = zone->free_area[o].nr[CLEAN] +
				zone->free_area[o].nr[DIRTY] +
				zone->free_area[o].nr[MIXED];
		unlock(&zone->lock, LOCK_ZONE);
		leave(slot);
		text_add(t, "Node %u, zone %8s ", zone->node, zone->name);
		for (unsigned o = 0; o <= zone->max_order; o++)
			text_add(t, "%6zu ", nr[o]);
		text_add(t, "\n");
	}
}

static void print_zoneinfo(struct text *t)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		const struct zone *z = nodes.zones[i];

		text_add(t, "Node %u, zone %8s\n", z->node, z->name);
		text_add(t, "  pages free     %zu\n",
			 z->free_pages[CLEAN] + z->free_pages[DIRTY]);
		text_add(t, "        boost    0\n        min      0\n");
		text_add(t, "        low      %zu\n", zone_low_watermark(z));
		text_add(t, "        high     %zu\n", zone_high_watermark(z));
		text_add(t, "        spanned  %zu\n",
			 (size_t)(z->end - z->start));
		text_add(t, "        present  %zu\n",
			 (size_t)(z->present - z->start));
		text_add(t, "        managed  %zu\n",
			 (size_t)(z->present - z->start));
		text_add(t, "      nr_used_pages  %zu\n", z->used_pages);
		text_add(t, "      nr_dirty_pages %zu\n", z->free_pages[DIRTY]);
		text_add(t, "      nr_clean_pages %zu\n", z->free_pages[CLEAN]);
		text_add(t, "      nr_purged      %zu\n",
			 (size_t)z->purged_pages);
		text_add(t, "  start_pfn:           %zu\n", (size_t)z->start);
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
		struct cache *cache = &caches[class];
		struct cache_node *node = cache->node;
		size_t out;
		uint32_t slabs, empty;
		char name[24];
		struct text n;
		struct slot *slot = node ? enter() : NULL;

		if (!slot)
			continue;
		lock(&node->list_lock, LOCK_LIST);
		out = node->nr_out;
		slabs = node->nr_slabs;
		empty = node->nr_empty;
		unlock(&node->list_lock, LOCK_LIST);
		leave(slot);
		text_init(&n, name, sizeof(name) - 1, -1);
		text_add(&n, "kmalloc-%u", cache->size);
		name[n.len] = 0;
		text_add(t,
			 "%-17s %6zu %6zu %6u %4u %4u : tunables %4u %4u %4u "
			 ": slabdata %6u %6u %6u\n",
			 name, out, (size_t)slabs * cache->objects, cache->size,
			 cache->objects, 1u << cache->order, cache->max_sheaf,
			 cache->max_sheaf, cache->max_barn, slabs - empty,
			 slabs, 0u);
	}
}

void view_print(struct text *t, enum bm_view what)
{
	static void (*const views[])(struct text *) = {
		[BM_VIEW_STATS] = print_summary,
		[BM_VIEW_JSON] = print_json,
		[BM_VIEW_BUDDYINFO] = print_buddyinfo,
		[BM_VIEW_ZONEINFO] = print_zoneinfo,
		[BM_VIEW_SLABINFO] = print_slabinfo,
	};

	if (!mm_enter())
		return;
	mm_leave();
	if (!percpu.base)
		return;
	views[what](t);
}
