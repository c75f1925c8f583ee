/* SPDX-License-Identifier: MIT */
/*
 * When memory runs out, or is asked back: malloc/oom.c and malloc/trim.c have
 * the mechanics.
 */
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

/* Cheapest first: what is free, what caches hold, what the program can spare. */
BM_EXPORT size_t bm_reclaim(int node, size_t target)
{
	int nid = api_nid(node);
	size_t want, done;

	if (nid == NID_NONE)
		return 0;
	api_start();
	want = target / page_bytes() + (target % page_bytes() != 0);
	done = mm_reclaim(nid, want, false);
	if (done < want)
		done += mm_reclaim(nid, want - done, true);
	if (done < want && mm_shrinkers())
		done += mm_reclaim(nid, want - done, true);
	/* All of it: so does address space that strict overcommit charges. */
	if (target == SIZE_MAX && nid == NID_ANY)
		mm_trim();
	return done << topo.page_shift;
}

BM_EXPORT size_t bm_compact(void)
{
	return mm_compact();
}

/* The map is readable everywhere, and 0 where no slab is. */
static bool is_sparse(const void *p)
{
	return page_entry(p) && slab_is_sparse(p);
}

BM_EXPORT int bm_defrag_hint(const void *ptr)
{
	return is_sparse(ptr);
}

BM_EXPORT void *bm_defrag(void *ptr)
{
	int saved = errno;
	bool told;
	size_t size = 0;
	void *to;

	if (!is_sparse(ptr))
		return NULL;
	/* Told as a realloc() that may have moved the block. */
	told = watched() && !is_named(ptr);
	if (told) {
		size = bm_usable_size(ptr);
		call_begins(TRACE_REALLOC, 0, size, ptr);
	}
	to = mm_move(ptr);
	if (told)
		call_ends(TRACE_REALLOC, 0, size, ptr, to ? to : ptr);
	errno = saved;
	return to;
}
