/* SPDX-License-Identifier: MIT */
/*
 * What:  a program's own cache: the cache of slab/named.h with its memory, all
 *        of it one large block.
 * Invariant: (C), but for what slab/ protects.
 */
#ifndef BM_API_CACHE_H
#define BM_API_CACHE_H

#include "api/api.h"

struct bm_cache {
	struct cache cache;
	char name[32];
	struct cache_node nodes[];	/* and behind them the cache's slots */
};

static inline bool cache_has_ctor(const struct bm_cache *cache)
{
	return cache->cache.ctor != NULL;
}

#endif
