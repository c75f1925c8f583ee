/* SPDX-License-Identifier: MIT */
#include "api/region.h"

#include <string.h>

#include "os/os.h"

enum { OBJECT_MAX = 2048 };

static size_t describe_bytes(const struct region *region)
{
	return align_up(region->npages * sizeof(struct region_page),
			page_bytes());
}

static size_t live_bytes(const struct region *region)
{
	return align_up(region->bytes / 128, page_bytes());
}

/* A run's first and last page know its length. */
static void set_run(struct region *region, size_t at, size_t length,
		    enum region_type type)
{
	region->page[at].length = (uint32_t)length;
	region->page[at + length - 1].length = (uint32_t)length;
	if (length > 1)
		region->page[at + length - 1].type = REGION_INNER;
	region->page[at].type = (uint8_t)type;
}

bool region_init(struct region *region, const struct bm_page_hooks *hooks,
		 void *arg, size_t bytes)
{
	memset(region, 0, sizeof(*region));
	region->hooks = *hooks;
	region->arg = arg;
	region->bytes = align_up(bytes, UNIT_BYTES);
	region->npages = region->bytes >> topo.page_shift;
	region->page = os_map(describe_bytes(region));
	region->live = os_map(live_bytes(region));
	if (region->page && region->live)
		region->base = hooks->reserve(region->bytes, UNIT_BYTES, arg);
	if (region->base && !((uintptr_t)region->base & (page_bytes() - 1))) {
		set_run(region, 0, region->npages, REGION_FREE);
		return true;
	}
	region_exit(region);
	return false;
}

void region_exit(struct region *region)
{
	if (region->base && region->hooks.release)
		region->hooks.release(region->base, region->bytes, region->arg);
	if (region->page)
		os_unmap(region->page, describe_bytes(region));
	if (region->live)
		os_unmap(region->live, live_bytes(region));
}

static char *address(const struct region *region, size_t at)
{
	return region->base + (at << topo.page_shift);
}

/* Calls the hook for each stretch of pages that is not yet as it should be. */
static bool set_committed(struct region *region, size_t at, size_t length,
			  bool want)
{
	int (*hook)(void *addr, size_t bytes, void *arg) =
		want ? region->hooks.commit : region->hooks.decommit;
	size_t end = at + length, to;

	for (; at < end; at = to) {
		to = at + 1;
		if (region->page[at].committed == want)
			continue;
		while (to < end && region->page[to].committed != want)
			to++;
		if (hook && hook(address(region, at),
				 (to - at) << topo.page_shift, region->arg))
			return false;
		for (size_t i = at; i < to; i++)
			region->page[i].committed = want;
	}
	return true;
}

static void join_run(struct region *region, size_t at)
{
	size_t length = region->page[at].length, next = at + length;

	if (next < region->npages && region->page[next].type == REGION_FREE) {
		region->page[next].type = REGION_INNER;
		length += region->page[next].length;
	}
	if (at) {
		size_t before = at - region->page[at - 1].length;

		if (region->page[before].type == REGION_FREE) {
			region->page[at].type = REGION_INNER;
			length += at - before;
			at = before;
		}
	}
	set_run(region, at, length, REGION_FREE);
}

static void give_run(struct region *region, size_t at)
{
	size_t length = region->page[at].length;

	region->used -= length;
	set_committed(region, at, length, false);
	set_run(region, at, length, REGION_FREE);
	join_run(region, at);
}

/* The first free run that has room for length pages at such an alignment. */
static size_t take_run(struct region *region, size_t length, size_t align,
		       enum region_type type)
{
	size_t at = 0, have = 0, skip = 0;

	for (; at < region->npages; at += have) {
		uintptr_t addr = (uintptr_t)address(region, at);

		have = region->page[at].length;
		skip = (align_up(addr, align) - addr) >> topo.page_shift;
		if (region->page[at].type == REGION_FREE && have >= skip &&
		    have - skip >= length)
			break;
	}
	if (at >= region->npages ||
	    !set_committed(region, at + skip, length, true))
		return SIZE_MAX;
	if (skip)
		set_run(region, at, skip, REGION_FREE);
	if (have > skip + length)
		set_run(region, at + skip + length, have - skip - length,
			REGION_FREE);
	set_run(region, at + skip, length, type);
	region->used += length;
	return at + skip;
}

static bool test_live(const struct region *region, const void *p)
{
	size_t i = (size_t)((const char *)p - region->base) / 16;

	return region->live[i / 64] >> i % 64 & 1;
}

static void flip_live(struct region *region, const void *p)
{
	size_t i = (size_t)((const char *)p - region->base) / 16;

	region->live[i / 64] ^= 1ull << i % 64;
}

static struct region_page *new_slab(struct region *region, unsigned class)
{
	size_t length = UNIT_BYTES >> topo.page_shift;
	size_t at = take_run(region, length, page_bytes(), REGION_SLAB);
	struct region_page *slab;

	if (at == SIZE_MAX)
		return NULL;
	slab = &region->page[at];
	slab->class = (uint8_t)class;
	slab->out = slab->fresh = 0;
	slab->free = NULL;
	slab->listed = 1;
	for (size_t i = 0; i < length; i++)
		slab[i].back = (uint16_t)i;
	list_add(&slab->link, &region->slabs[class]);
	return slab;
}

static void unlist(struct region_page *slab)
{
	if (slab->listed)
		list_del(&slab->link);
	slab->listed = 0;
}

static void *take_object(struct region *region, unsigned class)
{
	size_t size = class_bytes(class);
	struct list *list = &region->slabs[class];
	struct region_page *slab;
	char *p;

	slab = list_empty(list) ? new_slab(region, class)
				: container_of(list->next, struct region_page,
					       link);
	if (!slab)
		return NULL;
	p = slab->free;
	if (p)
		slab->free = *(void **)p;
	else
		p = address(region, (size_t)(slab - region->page)) +
		    size * slab->fresh++;
	slab->out++;
	if (!slab->free && slab->fresh == UNIT_BYTES / size)
		unlist(slab);
	return p;
}

/* One wholly empty slab a class is kept: the first of its list. */
static void give_object(struct region *region, struct region_page *slab,
			void *p)
{
	struct list *list = &region->slabs[slab->class];

	*(void **)p = slab->free;
	slab->free = p;
	slab->out--;
	if (!slab->out && !list_empty(list) &&
	    (list->next != &slab->link || list->prev != &slab->link)) {
		unlist(slab);
		give_run(region, (size_t)(slab - region->page));
		return;
	}
	if (!slab->listed)
		list_add(&slab->link, list);
	slab->listed = 1;
}

/* The first class of at least size whose objects are all aligned so; or 0. */
static unsigned fitting(size_t size, size_t align)
{
	unsigned class = class_of(size);

	if (align > page_bytes())
		return 0;
	while (class_bytes(class) <= OBJECT_MAX && class_bytes(class) % align)
		class++;
	return class_bytes(class) <= OBJECT_MAX ? class : 0;
}

void *region_alloc(struct region *region, size_t size, size_t align)
{
	unsigned class = 0;
	size_t at;
	void *p = NULL;

	if (size > region->bytes || align > region->bytes)
		return NULL;
	size = size ? size : 1;
	if (size <= OBJECT_MAX)
		class = fitting(size, align);
	lock(&region->lock, LOCK_GROW);
	if (class) {
		p = take_object(region, class);
	} else {
		at = take_run(region, bytes_to_pages(size),
			      max_u64(align, page_bytes()), REGION_USED);
		if (at != SIZE_MAX)
			p = address(region, at);
	}
	if (p)
		flip_live(region, p);
	unlock(&region->lock, LOCK_GROW);
	return p;
}

static struct region_page *page_of_block(struct region *region, const void *p,
					 const char *what)
{
	size_t offset = (size_t)((const char *)p - region->base);
	struct region_page *page;

	if (!region_owns(region, p) || offset % 16 || !test_live(region, p))
		fatal("invalid %s of %p: not a live block of this heap", what,
		      p);
	page = &region->page[offset >> topo.page_shift];
	return page->type == REGION_USED ? page : page - page->back;
}

void region_free(struct region *region, void *p)
{
	struct region_page *page;

	lock(&region->lock, LOCK_GROW);
	page = page_of_block(region, p, "free");
	flip_live(region, p);
	if (page->type == REGION_SLAB)
		give_object(region, page, p);
	else
		give_run(region, (size_t)(page - region->page));
	unlock(&region->lock, LOCK_GROW);
}

size_t region_size(struct region *region, const void *p)
{
	struct region_page *page;
	size_t bytes;

	lock(&region->lock, LOCK_GROW);
	page = page_of_block(region, p, "use");
	bytes = page->type == REGION_SLAB
			? class_bytes(page->class)
			: (size_t)page->length << topo.page_shift;
	unlock(&region->lock, LOCK_GROW);
	return bytes;
}
