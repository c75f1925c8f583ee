/* SPDX-License-Identifier: MIT */
/*
 * What:  what pages and objects of a cache cost through the page and cache
 *        interface, beside what another allocator's users would write: blocks
 *        that are aligned to a page, and objects made anew each time.
 * Door:  api_works
 * Invariant: the functions are weak: where the measured library lacks them the
 *        rows run on malloc, and do the same work with the same bytes.
 * See:   bm_pages(3), bm_cache(3), bm_kmalloc(3)
 */
#include "../../include/buddymalloc.h"
#include "micro.h"

#pragma weak bm_get_free_pages
#pragma weak bm_put_pages
#pragma weak bm_cache_create
#pragma weak bm_cache_destroy
#pragma weak bm_cache_alloc
#pragma weak bm_cache_free
#pragma weak bm_kmalloc
#pragma weak bm_kfree

static void **live;
static struct bm_cache *cache;

/* ---- each kind: take one, give it back ---- */

static void *take_pages(const struct work *w)
{
	return bm_get_free_pages ? bm_get_free_pages(BM_GFP_KERNEL, w->min)
				 : aligned_alloc(4096, 4096l << w->min);
}

static void give_pages(const struct work *w, void *p)
{
	if (bm_put_pages)
		bm_put_pages(p, w->min);
	else
		free(p);
}

/* What a constructor does: a list, a few counts, a name. */
static void construct(void *object)
{
	uint64_t *word = object;
	int i;

	for (i = 0; i < 24; i++)
		word[i] = i;
}

static void *take_object(const struct work *w)
{
	void *p;

	if (cache)
		return bm_cache_alloc(cache, BM_GFP_KERNEL);
	p = must(malloc(w->min));
	construct(p);
	return p;
}

static void give_object(const struct work *w, void *p)
{
	(void)w;
	if (cache)
		bm_cache_free(cache, p);
	else
		free(p);
}

static void *take_kmalloc(const struct work *w)
{
	return bm_kmalloc ? bm_kmalloc(w->min, BM_GFP_KERNEL) : malloc(w->min);
}

static void give_kmalloc(const struct work *w, void *p)
{
	(void)w;
	if (bm_kfree)
		bm_kfree(p);
	else
		free(p);
}

struct kind {
	void *(*take)(const struct work *w);
	void (*give)(const struct work *w, void *p);
};

static const struct kind pages = { take_pages, give_pages };
static const struct kind objects = { take_object, give_object };
static const struct kind kmalloc = { take_kmalloc, give_kmalloc };

/* ---- the loop: one of those alive, at random, is replaced ---- */

/* The last byte: what a constructor made is not for others to write. */
static unsigned char *last_byte(const struct work *w, void *p)
{
	long size = w->arg == &pages ? 4096l << w->min : w->min;

	return (unsigned char *)p + size - 1;
}

static void *take(const struct work *w)
{
	void *p = must(((const struct kind *)w->arg)->take(w));

	*(volatile unsigned char *)last_byte(w, p) = 1;
	return p;
}

static void setup(struct run *r)
{
	const struct work *w = r->work;
	const struct kind *kind = w->arg;
	long i;

	if (kind == &objects && bm_cache_create)
		cache = must(bm_cache_create("bench", w->min, 0, 0, construct));
	live = space(w->live * sizeof(*live));
	for (i = 0; i < w->live; i++)
		live[i] = take(w);
}

static void step(struct run *r)
{
	const struct work *w = r->work;
	const struct kind *kind = w->arg;
	long i;

	for (i = 0; i < r->ops; i++) {
		void **at = &live[below(&worker(0)->dice, w->live)];

		kind->give(w, *at);
		*at = take(w);
	}
}

static void teardown(struct run *r)
{
	const struct work *w = r->work;
	const struct kind *kind = w->arg;
	long i;

	for (i = 0; i < w->live; i++) {
		r->sum += *last_byte(w, live[i]);
		if (kind == &objects)
			r->sum += ((uint64_t *)live[i])[i % 24];
		kind->give(w, live[i]);
	}
	space_free(live, w->live * sizeof(*live));
	if (cache)
		bm_cache_destroy(cache);
	cache = NULL;
}

const struct work api_works[] = {
	{ "page", "api", "1,000 single pages replaced at random", { 1 }, 20 * M,
	  setup, step, teardown, 1000, 0, 0, &pages },
	{ "pages-16", "api", "100 blocks of 16 pages replaced at random", { 1 },
	  10 * M, setup, step, teardown, 100, 4, 0, &pages },
	{ "cache", "api", "10,000 constructed objects of 208 bytes replaced at random",
	  { 1 }, 20 * M, setup, step, teardown, 10000, 208, 0, &objects },
	{ "kmalloc", "api", "10,000 of 128 bytes by kmalloc replaced at random", { 1 },
	  20 * M, setup, step, teardown, 10000, 128, 0, &kmalloc },
	{ NULL, NULL, NULL, { 0 }, 0, NULL, NULL, NULL, 0, 0, 0, NULL }
};
