/* SPDX-License-Identifier: MIT */
/*
 * What:  calloc, aligned, large and huge blocks at random lifetimes.
 * Door:  block_works
 * Invariant: blocks up to some KiB are written throughout, as those of
 *        lifetimes.c; of larger ones a byte of each page is, since what is
 *        measured is the allocator and not memset. Blocks by calloc are read
 *        before they are written: each byte that is not 0 ends the program.
 * See:   object.h; growth.c for realloc
 */
#include "object.h"

/* The threads share the live blocks, so peak RSS is that of one program. */
static void own_setup(struct worker *w)
{
	own_begin(w, w->run->work->live / w->run->threads);
}

static void setup(struct run *r)
{
	sizes_even(r->work->min, r->work->max);
	in_team(r, own_setup);
}

static void teardown(struct run *r)
{
	in_team(r, own_end);
}

/* The place of a block that is freed now. */
static inline void **vacate(struct worker *w)
{
	struct own *own = w->own;
	void **p = &own->slot[below(&w->dice, own->live)];

	object_free(*p, &w->sum);
	return p;
}

/* ---- calloc ---- */

static inline void *zeroed(size_t size, size_t step)
{
	const char *p = must(calloc(1, size));
	size_t i;
	char all = 0;

	for (i = 0; i < size; i += step)
		all |= p[i];
	all |= p[size - 1];
	if (all)
		die("calloc gave a block that is not zero");
	return (void *)p;
}

static void callocs(struct worker *w)
{
	size_t step = w->run->work->max > 65536 ? 4096 : LINE, size;
	void **p;
	long i;

	for (i = 0; i < w->ops; i++) {
		p = vacate(w);
		size = sizes[i % SIZES];
		*p = object_stamp(zeroed(size, step), size, i, step);
	}
}

static void calloc_step(struct run *r)
{
	in_team(r, callocs);
}

/* ---- aligned ---- */

/* From 16 bytes on, each doubling half as frequent as the one before. */
static size_t alignment(uint32_t dice, size_t most)
{
	size_t align = 16;

	for (; (dice & 1) && align < most; dice >>= 1)
		align *= 2;
	return align;
}

static void aligned(struct worker *w)
{
	size_t most = w->run->work->max >= 65536 ? 2 << 20 : 4096;
	size_t step = most > 4096 ? 4096 : LINE, size, align;
	void **p, *block;
	long i;

	for (i = 0; i < w->ops; i++) {
		p = vacate(w);
		size = sizes[i % SIZES];
		align = alignment(roll(&w->dice) >> 32, most);
		if (most > 4096)	/* buffers for pages and for devices */
			align = align * 256 < most ? align * 256 : most;
		if (posix_memalign(&block, align, size))
			die("no %zu bytes aligned to %zu", size, align);
		if ((uintptr_t)block & (align - 1))
			die("a block is not aligned to %zu", align);
		*p = object_stamp(block, size, i, step);
	}
}

static void aligned_step(struct run *r)
{
	in_team(r, aligned);
}

/* ---- large and huge ---- */

static void blocks(struct worker *w)
{
	size_t size;
	void **p;
	long i;

	for (i = 0; i < w->ops; i++) {
		p = vacate(w);
		size = sizes[i % SIZES];
		*p = object_stamp(malloc(size), size, i, 4096);
	}
}

static void blocks_step(struct run *r)
{
	in_team(r, blocks);
}

#define KIB 1024
#define MIB (1024 * 1024)

const struct work block_works[] = {
	{ .name = "calloc", .group = "blocks",
	  .what = "calloc of 16 bytes to 2 KiB, 4,000 live, random lifetimes",
	  .threads = { 1, 2, 4, 8, 32 }, .ops = 4 * M, .live = 4000,
	  .min = 16, .max = 2 * KIB,
	  .setup = setup, .step = calloc_step, .teardown = teardown },
	{ .name = "calloc-large", .group = "blocks",
	  .what = "calloc of 64 KiB to 4 MiB, 32 live, a byte of each page "
		  "written",
	  .threads = { 1, 4 }, .ops = 1200, .live = 32,
	  .min = 64 * KIB, .max = 4 * MIB,
	  .setup = setup, .step = calloc_step, .teardown = teardown },
	{ .name = "aligned", .group = "blocks",
	  .what = "16 bytes to 4 KiB aligned to 16 bytes to 4 KiB, 4,000 live",
	  .threads = { 1, 2, 4, 8, 32 }, .ops = 3 * M, .live = 4000,
	  .min = 16, .max = 4 * KIB,
	  .setup = setup, .step = aligned_step, .teardown = teardown },
	{ .name = "aligned-large", .group = "blocks",
	  .what = "4 KiB to 1 MiB aligned to 4 KiB to 2 MiB, 128 live, a byte "
		  "of each page written",
	  .threads = { 1, 4 }, .ops = 20000, .live = 128,
	  .min = 4 * KIB, .max = 1 * MIB,
	  .setup = setup, .step = aligned_step, .teardown = teardown },
	{ .name = "large", .group = "blocks",
	  .what = "32 KiB to 1 MiB, 256 live, a byte of each page written",
	  .threads = { 1, 2, 4, 8, 32 }, .ops = 12000, .live = 256,
	  .min = 32 * KIB, .max = 1 * MIB,
	  .setup = setup, .step = blocks_step, .teardown = teardown },
	{ .name = "huge", .group = "blocks",
	  .what = "2 to 64 MiB, 8 live, a byte of each page written",
	  .threads = { 1, 2, 4 }, .ops = 100, .live = 8,
	  .min = 2 * MIB, .max = 64 * MIB,
	  .setup = setup, .step = blocks_step, .teardown = teardown },
	{ .name = NULL }
};
