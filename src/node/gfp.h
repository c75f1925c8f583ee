/* SPDX-License-Identifier: MIT */
/*
 * What:  what a caller asks of its pages, as the kernel's gfp_t: one zone, and
 *        flags that each do something.
 * See:   include/buddymalloc.h: BM_GFP_* are these numbers.
 */
#ifndef BM_NODE_GFP_H
#define BM_NODE_GFP_H

#include "zone/zone.h"

enum gfp {
	GFP_NORMAL = ZONE_NORMAL,	/* the low three bits: a zone */
	GFP_MOVABLE = ZONE_MOVABLE,
	GFP_DMA32 = ZONE_DMA32,
	GFP_DMA = ZONE_DMA,
	GFP_DEVICE = ZONE_DEVICE,
	GFP_ZONE_MASK = 7,
	GFP_ZERO = 1 << 3,		/* the memory reads as zeros */
	GFP_THISNODE = 1 << 4,		/* this node or NULL */
	GFP_NOGROW = 1 << 5,		/* of present pages only: no zone grows */
	GFP_NOFAIL = 1 << 6,		/* waits; never NULL */
	GFP_WINDOW = 1 << 7,		/* only where there are map entries */
};

static inline enum zone_type gfp_zone(unsigned gfp)
{
	return (enum zone_type)(gfp & GFP_ZONE_MASK);
}

#endif
