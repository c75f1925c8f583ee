/* SPDX-License-Identifier: MIT */
/* When memory runs out, or is asked back: malloc/oom.c has the mechanics. */
#include "api/api.h"

BM_EXPORT int bm_register_shrinker(size_t (*count)(void *arg),
				   size_t (*scan)(size_t nr, void *arg),
				   void *arg)
{
	int id = -1;

	errno = count && scan ? ENOSPC : EINVAL;
	if (count && scan)
		id = mm_shrinker_add(count, scan, arg);
	return id;
}

BM_EXPORT int bm_unregister_shrinker(int id)
{
	if (mm_shrinker_del(id))
		return 0;
	errno = ENOENT;
	return -1;
}

BM_EXPORT void bm_set_oom_handler(int (*handler)(size_t bytes, void *arg),
				  void *arg)
{
	mm_set_oom_handler(handler, arg);
}

static size_t purged(void)
{
	size_t pages = 0;

	for (unsigned i = 0; i < nodes.nr_zones; i++)
		pages += READ_ONCE(nodes.zones[i]->purged_pages);
	return pages << topo.page_shift;
}

BM_EXPORT size_t bm_reclaim(void)
{
	size_t before;

	api_start();
	before = purged();
	mm_shrinkers();
	mm_trim();
	return purged() - before;
}
