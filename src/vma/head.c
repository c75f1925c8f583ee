/* SPDX-License-Identifier: MIT */
#include "vma/head.h"

#include "conf/conf.h"
#include "page/page.h"
#include "slab/percpu.h"
#include "vma/track.h"

/* Initialised, so that it lies in the file and not behind it. */
static struct vma_head head = {
	.magic = { VMA_HEAD_MAGIC },
	.layout = VMA_HEAD_LAYOUT,
	.track_bytes = sizeof(struct track),
	.vma_bytes = sizeof(struct vma),
};

static void own(enum vma_own what, const void *start, size_t bytes)
{
	head.own[what].start = (uintptr_t)start;
	head.own[what].end = (uintptr_t)start + bytes;
}

void head_fill(void)
{
	const char *caches = percpu.nil - LIMBO_BYTES;

	own(OWN_WINDOW, (void *)window.base, window.bytes);
	own(OWN_PAGES, window.vmemmap,
	    window.nr_descs << (topo.page_shift - PAGE_DESC_SHIFT));
	/* The map, and behind it the map of free pages. */
	own(OWN_MAP, window.map,
	    (size_t)((char *)window.free_map - (char *)window.map) +
		    window.nr_pages / 8);
	own(OWN_CACHES, caches,
	    (size_t)(percpu.base + percpu.region_end - caches));
	head.mode = conf.mmap;
	head.track = (uintptr_t)&track;
	/* Last: until now there is none. */
	store_release(&head.self, (uintptr_t)&head);
}
