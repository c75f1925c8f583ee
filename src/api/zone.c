/* SPDX-License-Identifier: MIT */
/* Memory that the program brings, as pages of the zone Device. */
#include "api/api.h"

BM_EXPORT int bm_zone_add_memory(int node, void *addr, size_t bytes)
{
	int nid = api_nid(node);
	bool done;
	uint32_t nr;
	struct slot *slot;

	if (nid == NID_NONE)
		return -1;
	if (!addr || !bytes ||
	    ((uintptr_t)addr | bytes) & (page_bytes() - 1)) {
		errno = EINVAL;
		return -1;
	}
	slot = api_enter(&nr);
	if (!slot)
		return -1;
	done = zone_add_memory(nid == NID_ANY ? slot->node : (unsigned)nid,
			       addr, bytes);
	mm_leave_slot(slot);
	if (!done)
		errno = ENOSPC;
	return done ? 0 : -1;
}

BM_EXPORT int bm_zone_remove_memory(void *addr)
{
	bool done;
	uint32_t nr;
	struct slot *slot = api_enter(&nr);

	if (!slot)
		return -1;
	done = zone_remove_memory(addr);
	mm_leave_slot(slot);
	if (!done)
		errno = EBUSY;
	return done ? 0 : -1;
}
