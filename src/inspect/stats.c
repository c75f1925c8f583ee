/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "inspect/inspect.h"
#include "os/os.h"
#include "zone/hugetlb.h"

static void add_slots(struct bm_stats *s)
{
	for (uint32_t i = 0; i < percpu.max_active; i++) {
		const struct slot *slot = &percpu.slots[i];

		if (!slot->active)
			continue;
		s->refills += slot->refills;
		s->flushes += slot->flushes;
		s->slow_allocs += slot->slow_allocs;
		s->slow_frees += slot->slow_frees;
		s->remote_sheaves += slot->remote_sheaves;
		s->pcp_bytes += (slot->pcp.count + slot->pcp.run_pages) *
				page_bytes();
	}
}

static void add_zones(struct bm_stats *s)
{
	for (unsigned i = 0; i < nodes.nr_zones; i++) {
		struct zone *zone = nodes.zones[i];
		size_t page = page_bytes();

		lock(&zone->lock, LOCK_ZONE);
		s->large_bytes += zone->used_pages * page;
		s->free_dirty_bytes += zone->free_pages[DIRTY] * page;
		s->free_clean_bytes += zone->free_pages[CLEAN] * page;
		s->present_bytes += (zone->present - zone->start) * page;
		s->grows += zone->grows;
		s->purges += zone->purges;
		s->purged_bytes += zone->purged_pages * page;
		s->reused_bytes += zone->reused_pages * page;
		s->fresh_bytes += zone->fresh_pages * page;
		s->huge_bytes += (READ_ONCE(zone->huge.to) - zone->start) * page;
		s->huge_dear += READ_ONCE(zone->huge.dear);
		unlock(&zone->lock, LOCK_ZONE);
	}
}

/* All slots are stopped: nothing moves. */
static void add_cache(struct cache *cache, void *arg)
{
	struct cache_counts c = cache_count(cache);
	struct bm_stats *s = arg;

	s->slab_bytes += (size_t)c.slabs * (page_bytes() << cache->order);
	s->live_bytes += c.out * cache->size;
}

void stats_take(struct bm_stats *s)
{
	memset(s, 0, sizeof(*s));
	if (!mm_enter())
		return;
	if (percpu_switch.started) {
		percpu_stop();
		s->cached_bytes = sheaves_cached_bytes();
		add_slots(s);
		for (unsigned class = 1; class < NR_CLASSES; class++)
			add_cache(&caches[class], s);
		named_each(add_cache, s);
		add_zones(s);
		percpu_start(mm_diverted());
		s->large_bytes -= s->slab_bytes + s->pcp_bytes;
		s->live_bytes += s->large_bytes - s->cached_bytes;
		s->metadata_bytes = (s->present_bytes >> PAGE_DESC_SHIFT) +
				    sheaves_made() * SHEAF_BYTES;
	}
	mm_leave();
	s->reserved_bytes = window.bytes;
	s->refault_bytes = residents_refaults() << topo.page_shift;
	s->stalls = residents_stalls();
	s->refusals = READ_ONCE(quota.refused);
	s->limit_bytes = quota_limit();
	s->threads = idle_threads();
	s->hugetlb_bytes = hugetlb_pages() << topo.page_shift;
	s->drains = mm_drains();
	s->moved_bytes = mm_moved_bytes();
	s->hollow_bytes = residents_hollow() << topo.page_shift;
	s->shortages = READ_ONCE(quota.shortages);
	s->nested_calls = nested_calls();
	s->moves = large_moves();
	s->rseq = percpu.home_mode == PERCPU_RSEQ   ? 1
		  : percpu.home_mode == PERCPU_FAKE ? 2
						    : 0;
	s->membarrier = (int)percpu.can_fence;
	s->nodes = (int)nodes.nr_nodes;
	s->slots = (int)percpu.nr_slots;
	s->page_size = page_bytes();
	s->pageblock_bytes = pageblock_bytes();
}

BM_EXPORT void bm_stats(struct bm_stats *out)
{
	stats_take(out);
}

BM_EXPORT int bm_stats_print(int fd, enum bm_view what)
{
	char buf[4096];
	struct text t;
	int saved = errno;

	if (what > BM_VIEW_MAPS) {
		errno = EINVAL;
		return -1;
	}
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	text_init(&t, buf, sizeof(buf), fd);
	view_print(&t, what);
	text_flush(&t);
	if (t.failed)
		return -1;
	errno = saved;
	return 0;
}

BM_EXPORT struct bm_mallinfo2 bm_mallinfo2(void)
{
	struct bm_mallinfo2 m = { 0 };
	struct bm_stats s;

	stats_take(&s);
	m.arena = s.present_bytes - s.free_clean_bytes - s.large_bytes;
	m.hblkhd = s.large_bytes;
	m.fsmblks = s.cached_bytes;
	m.uordblks = s.live_bytes - s.large_bytes;
	m.fordblks = m.arena - m.uordblks;
	m.keepcost = s.free_dirty_bytes;
	return m;
}
ALSO(bm_mallinfo2, mallinfo2)

/* The old struct has ints: figures over 2 GiB stop there. */
static int to_int(size_t n)
{
	return n > INT32_MAX ? INT32_MAX : (int)n;
}

BM_EXPORT struct bm_mallinfo bm_mallinfo(void)
{
	struct bm_mallinfo2 m = bm_mallinfo2();

	return (struct bm_mallinfo){
		.arena = to_int(m.arena),
		.hblkhd = to_int(m.hblkhd),
		.fsmblks = to_int(m.fsmblks),
		.uordblks = to_int(m.uordblks),
		.fordblks = to_int(m.fordblks),
		.keepcost = to_int(m.keepcost),
	};
}
ALSO(bm_mallinfo, mallinfo)

/*
 * glibc's parameters are known; but for the trim threshold, what is kept
 * beyond what was wanted lately, they have no counterpart to set: 1, as there.
 */
BM_EXPORT int bm_mallopt(int param, int value)
{
	const int trim_threshold = -1;

	if (param == trim_threshold) {
		if (mm_enter())
			mm_leave();
		/* Negative: for ever, as there. */
		balance_set_slack(value < 0 ? (size_t)1 << 46 : (size_t)value);
	}
	return (param >= -8 && param <= -1) || param == 1;
}
ALSO(bm_mallopt, mallopt)

BM_EXPORT int bm_malloc_trim(size_t pad)
{
	(void)pad;
	return mm_trim();
}
ALSO(bm_malloc_trim, malloc_trim)

BM_EXPORT void bm_malloc_stats(void)
{
	bm_stats_print(STDERR_FILENO, BM_VIEW_STATS);
}
ALSO(bm_malloc_stats, malloc_stats)

/* The stream is the caller's: its buffer is libc's business, not ours. */
BM_EXPORT int bm_malloc_info(int options, void *file)
{
	char buf[2048];
	struct bm_stats s;
	struct text t;

	if (options) {
		errno = EINVAL;
		return -1;
	}
	stats_take(&s);
	text_init(&t, buf, sizeof(buf) - 1, -1);
	text_add(&t, "<malloc version=\"1\">\n<heap nr=\"0\">\n");
	text_add(&t, "<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n",
		 s.cached_bytes);
	text_add(&t, "<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n",
		 s.free_dirty_bytes);
	text_add(&t, "<total type=\"large\" count=\"0\" size=\"%zu\"/>\n",
		 s.large_bytes);
	text_add(&t, "<system type=\"current\" size=\"%zu\"/>\n",
		 s.present_bytes - s.free_clean_bytes);
	text_add(&t, "<system type=\"max\" size=\"%zu\"/>\n", s.present_bytes);
	text_add(&t, "<aspace type=\"total\" size=\"%zu\"/>\n",
		 s.reserved_bytes);
	text_add(&t, "</heap>\n<total type=\"live\" count=\"0\" size=\"%zu\"/>\n",
		 s.live_bytes);
	text_add(&t, "</malloc>\n");
	return fwrite(buf, 1, t.len, file) == t.len ? 0 : -1;
}
#if CONFIG_REPLACE
extern int malloc_info(int options, FILE *file) BM_EXPORT
	__attribute__((alias("bm_malloc_info")));
#endif

BM_EXPORT const char *bm_version(void)
{
#ifdef PACKAGE_VERSION
	return PACKAGE_VERSION;
#else
	return "unknown";
#endif
}

/* Many programs close their stderr before they end: a copy stays open. */
static int exit_fd = -1;

__attribute__((constructor)) static void at_start(void)
{
	if (conf.stats != STATS_OFF)
		exit_fd = os_keep_fd(STDERR_FILENO);
}

/* Late: after the program's own destructors have had their say. */
__attribute__((destructor(101))) static void at_exit(void)
{
	if (exit_fd < 0)
		return;
	bm_stats_print(exit_fd, conf.stats == STATS_JSON ? BM_VIEW_JSON
							 : BM_VIEW_STATS);
	if (conf.stats != STATS_VIEWS)
		return;
	bm_stats_print(exit_fd, BM_VIEW_BUDDYINFO);
	bm_stats_print(exit_fd, BM_VIEW_ZONEINFO);
	bm_stats_print(exit_fd, BM_VIEW_SLABINFO);
	bm_stats_print(exit_fd, BM_VIEW_PAGETYPEINFO);
	if (conf.mmap != MMAP_OFF)
		bm_stats_print(exit_fd, BM_VIEW_MAPS);
}
