/* SPDX-License-Identifier: MIT */
/*
 * What:  what the heap looks like: one snapshot, and the kernel's views of it.
 * Door:  stats_take(); the bm_* functions of include/buddymalloc.h.
 * Locks: stats_take() stops all slots for a moment, so that its sums agree;
 *        the views take one zone's or one cache's lock at a time.
 */
#ifndef BM_INSPECT_INSPECT_H
#define BM_INSPECT_INSPECT_H

#include "base/print.h"
#include "buddymalloc.h"
#include "malloc/mm.h"

void stats_take(struct bm_stats *out);
void view_print(struct text *t, enum bm_view what);

#endif
