/* SPDX-License-Identifier: MIT */
/*
 * Size classes, and slabs against a naive twin: a set of the objects that are
 * out. No object is out twice, none overlaps another, and all go home.
 */
#include "unit.h"

#include "slab/middle.h"
#include "slab/pool.h"
#include "slab/sheaf.h"
#include "slab/slab.h"

static void test_classes(void **state)
{
	(void)state;
	assert_int_equal(class_bytes(1), 16);
	assert_int_equal(class_bytes(8), 128);
	assert_int_equal(class_bytes(9), 160);
	assert_int_equal(class_bytes(13), 320);
	assert_int_equal(class_bytes(NR_SMALL - 1), SMALL_MAX);
	assert_int_equal(class_bytes(NR_CLASSES - 1), MIDDLE_MAX);
	for (size_t n = 1; n <= MIDDLE_MAX; n++) {
		unsigned class = n <= SMALL_MAX ? class_of(n)
						: class_of_middle(n);
		size_t have = class_bytes(class);

		assert_true(have >= n);
		assert_true(class == 1 || class_bytes(class - 1) < n);
		if (n <= 128)
			assert_true(have - n <= 15);
		else
			assert_true((have - n) * 5 <= have);
		assert_int_equal(have % 16, 0);
	}
}

/* At most 1/16 of a slab is tail, and the division by multiplying is exact. */
static void test_geometry(void **state)
{
	(void)state;
	for (unsigned class = 1; class < NR_CLASSES; class++) {
		struct cache *cache = &caches[class];
		size_t bytes = page_bytes() << cache->order;

		assert_true((bytes - cache->objects * (size_t)cache->size) *
				    16 <= bytes);
		assert_true(cache->objects >= 4);
		assert_true(bytes / 64 >= 64 + (cache->objects + 63u) / 64 * 8);
		for (size_t i = 0; i < bytes; i++)
			assert_true(i * cache->reciprocal >>
					    RECIPROCAL_SHIFT ==
				    i / cache->size);
	}
}

enum { OUT = 4000 };

static void *out[OUT];

static int by_address(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

static void check_apart(struct cache *cache)
{
	static void *sorted[OUT];
	unsigned n = 0;

	for (unsigned i = 0; i < OUT; i++)
		if (out[i])
			sorted[n++] = out[i];
	qsort(sorted, n, sizeof(void *), by_address);
	for (unsigned i = 1; i < n; i++)
		assert_true((char *)sorted[i] - (char *)sorted[i - 1] >=
			    (ptrdiff_t)cache->size);
	assert_int_equal(cache->first_node->nr_out, n);
}

/* Objects hold their own address; a moved one still holds the old. */
static void move_some(struct cache *cache, struct pcp *pcp)
{
	for (unsigned i = 0; i < OUT; i++) {
		void *to = out[i] && unit_below(2) ? slab_move(cache, pcp, out[i])
						   : NULL;

		if (!to)
			continue;
		assert_int_equal(*(uintptr_t *)to, (uintptr_t)out[i]);
		assert_false(slab_is_sparse(to));
		out[i] = to;
		*(uintptr_t *)to = (uintptr_t)to;
	}
}

static void run_model(struct cache *cache)
{
	struct pcp pcp = { .count = 0 };

	for (int op = 0; op < 3000; op++) {
		void *slots[64];
		unsigned want = 1 + (unsigned)unit_below(64), n = 0;

		if (!unit_below(100))
			cache_plan(cache);
		if (!unit_below(50))
			move_some(cache, &pcp);
		if (unit_below(op < 2000 ? 2 : 4)) {
			for (unsigned i = 0; i < want; i++) {
				unsigned at = (unsigned)unit_below(OUT);

				if (!out[at])
					continue;
				slots[n++] = out[at];
				out[at] = NULL;
			}
			for (unsigned i = 0; i < n; i++)
				assert_int_equal(*(uintptr_t *)slots[i],
						 (uintptr_t)slots[i]);
			slab_put(cache, &pcp, slots, n);
		} else {
			n = slab_take(cache, op & 7, &pcp, slots, want, NULL);
			assert_true(n >= 1 && n <= want);
			for (unsigned i = 0; i < n; i++) {
				unsigned at = (unsigned)unit_below(OUT);

				while (out[at])
					at = (at + 1) % OUT;
				out[at] = slots[i];
				*(uintptr_t *)slots[i] = (uintptr_t)slots[i];
				assert_ptr_equal(slab_of(slots[i])->slab.cache,
						 cache);
				assert_int_equal(*map_entry(slots[i]) & 127,
						 cache->class);
			}
		}
		if (op % 100 == 0)
			check_apart(cache);
		if (cache->first_node->nr_out > OUT - 128) {
			for (unsigned i = 0; i < OUT; i++)
				if (out[i])
					slab_put(cache, NULL, &out[i], 1);
			memset(out, 0, sizeof(out));
		}
	}
	for (unsigned i = 0; i < OUT; i++)
		if (out[i])
			slab_put(cache, &pcp, &out[i], 1);
	memset(out, 0, sizeof(out));
	assert_int_equal(cache->first_node->nr_out, 0);
	assert_true(cache->first_node->nr_slabs <= 1);
	caches_shrink();
	assert_int_equal(cache->first_node->nr_slabs, 0);
	node_drain(&pcp);
	assert_int_equal(pcp.count, 0);
}

static void test_model(void **state)
{
	static const size_t sizes[] = { 1, 48, 200, 1000, 5000, 18000, 32768 };
	static const size_t middle[] = { 32769, 57000, 131072 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		run_model(&caches[class_of(sizes[i])]);
	for (unsigned i = 0; i < ARRAY_SIZE(middle); i++)
		run_model(&caches[class_of_middle(middle[i])]);
	assert_int_equal(nodes.zones[ZONE_NORMAL]->used_pages, 0);
	assert_int_equal(nodes.zones[ZONE_MOVABLE]->used_pages, 0);
}

/* Lowest address last, in order, and nothing touched that is not out. */
static void test_order(void **state)
{
	struct cache *cache = &caches[class_of(100)];
	void *slots[10], *one;
	bool zeroed;

	(void)state;
	assert_int_equal(slab_take(cache, 0, NULL, slots, 10, NULL), 10);
	for (int i = 1; i < 10; i++)
		assert_int_equal((char *)slots[i - 1] - (char *)slots[i],
				 cache->size);
	assert_int_equal(slab_take(cache, 0, NULL, &one, 1, &zeroed), 1);
	assert_ptr_equal(one, (char *)slots[0] + cache->size);
	slab_put(cache, NULL, &slots[4], 1);
	slab_put(cache, NULL, &one, 1);
	slab_take(cache, 0, NULL, &one, 1, &zeroed);
	assert_ptr_equal(one, slots[4]);
	assert_false(zeroed);
	slab_put(cache, NULL, slots, 10);
}

static void construct(void *object)
{
	(void)object;
}

/* With a constructor: many that were out before, or one that never was. */
static void test_constructed(void **state)
{
	static struct cache_node node;
	struct cache cache = { .first_node = &node, .ctor = construct,
			       .class = NR_CLASSES };
	void *slots[600], *out[600];
	unsigned n = 0;
	bool fresh;

	(void)state;
	cache_init_geometry(&cache, 200);
	for (; n < cache.objects + 5u; n++) {
		assert_int_equal(slab_take(&cache, 0, NULL, slots, 64, &fresh), 1);
		assert_true(fresh);
		out[n] = slots[0];
	}
	assert_int_equal(node.nr_slabs, 2);
	/* 90 of the first slab and 2 of the second; then its sixth. */
	slab_put(&cache, NULL, out, 90);
	slab_put(&cache, NULL, out + cache.objects, 2);
	assert_int_equal(slab_take(&cache, 0, NULL, slots, 80, &fresh), 80);
	assert_false(fresh);
	assert_int_equal(slab_take(&cache, 0, NULL, slots + 80, 80, &fresh), 12);
	assert_false(fresh);
	assert_int_equal(slab_take(&cache, 0, NULL, slots + 92, 80, &fresh), 1);
	assert_true(fresh);
	assert_ptr_equal(slots[92], (char *)out[cache.objects + 4] + 200);
	assert_int_equal(node.nr_out, cache.objects + 6);
	slab_put(&cache, NULL, slots, 93);
	slab_put(&cache, NULL, out + 90, cache.objects - 90);
	slab_put(&cache, NULL, out + cache.objects + 2, 3);
	assert_int_equal(node.nr_out, 0);
	cache_shrink(&cache, NULL);
	assert_int_equal(node.nr_slabs, 0);
}

static int dies(struct cache *cache, void *p)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		close(2);
		slab_put(cache, NULL, &p, 1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_misuse(void **state)
{
	struct cache *cache = &caches[class_of(64)];
	void *slots[3];

	(void)state;
	slab_take(cache, 0, NULL, slots, 3, NULL);
	slab_put(cache, NULL, &slots[1], 1);
	assert_true(dies(cache, slots[1]));
	assert_true(dies(cache, (char *)slots[0] + 1));
	assert_true(dies(cache, (char *)slots[0] + 16));
	assert_true(dies(cache, (char *)slots[0] + 64 * 100));
	assert_false(dies(cache, slots[0]));
}

/*
 * The descriptors behind a slab's own hold its bits, and before that they were
 * the descriptors of smaller blocks, with flags and lengths in them.
 */
static void test_old_descriptors(void **state)
{
	struct cache *cache = &caches[class_of(16)];
	struct zone *zone = nodes.zones[ZONE_NORMAL];
	static struct page *runs[4096];
	static void *slots[8192];
	unsigned kind, n = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = zone_alloc(zone, 1 + unit_below(3), 1, &kind);
	for (unsigned i = 0; i < ARRAY_SIZE(runs); i++)
		zone_free(zone, runs[i]);
	while (n + 64 <= ARRAY_SIZE(slots)) {
		unsigned got = slab_take(cache, 0, NULL, slots + n, 64, NULL);
		unsigned back = got > 7 ? 7 : 0;

		n += got - back;
		slab_put(cache, NULL, slots + n, back);
	}
	qsort(slots, n, sizeof(void *), by_address);
	for (unsigned i = 1; i < n; i++)
		assert_true((char *)slots[i] - (char *)slots[i - 1] >= 16);
	slab_put(cache, NULL, slots, n);
}

/* As many slabs as the others have room for; the emptiest; all of them go. */
static void test_plan(void **state)
{
	struct cache *cache = &caches[20];
	unsigned objects = cache->objects, taken = 0, keep[40], sparse = 0;
	size_t slab_bytes = page_bytes() << cache->order, home = 0, planned;
	unsigned most_out = 0, least_out = objects, slabs;
	static void *all[OUT];

	(void)state;
	cache_shrink(cache, NULL);
	assert_int_equal(cache_count(cache).slabs, 0);
	assert_int_equal(cache_plan(cache), 0);
	assert_true(40 * objects <= OUT);
	while (taken < 40 * objects)
		taken += slab_take(cache, 0, NULL, all + taken,
				   40 * objects - taken, NULL);
	for (unsigned s = 0; s < 40; s++)
		keep[s] = (unsigned)unit_below(objects + 1);
	qsort(all, taken, sizeof(void *), by_address);
	for (unsigned i = 0; i < taken; i++)
		if (i % objects >= keep[i / objects]) {
			slab_put(cache, NULL, &all[i], 1);
			all[i] = NULL;
		}
	cache_shrink(cache, NULL);
	slabs = cache_count(cache).slabs;
	home = slabs * (size_t)objects - cache_count(cache).out;
	planned = cache_plan(cache);
	assert_int_equal(planned, home / objects * slab_bytes);
	for (unsigned i = 0; i < taken; i++) {
		const struct page *slab = all[i] ? slab_of(all[i]) : NULL;
		unsigned n = slab ? slab->slab.fresh - slab->slab.nr_free : 0;

		if (!slab)
			continue;
		if (slab_is_sparse(all[i]))
			most_out = n > most_out ? n : most_out;
		else
			least_out = n < least_out ? n : least_out;
	}
	assert_true(most_out <= least_out + objects / 64 + 1);
	for (unsigned i = 0; i < taken; i++) {
		void *to = all[i] ? slab_move(cache, NULL, all[i]) : NULL;

		sparse += to != NULL;
		if (to)
			all[i] = to;
	}
	assert_true(!planned || sparse);
	assert_int_equal(cache_count(cache).slabs,
			 slabs - planned / slab_bytes);
	for (unsigned i = 0; i < taken; i++)
		if (all[i])
			slab_put(cache, NULL, &all[i], 1);
	assert_int_equal(cache_count(cache).out, 0);
}

enum { ROUND = 64, SLOW_US = 1000 };	/* a round that is not fast */

/* A class turns when runs come fast, it alone, and back when all is drained. */
static void test_middle(void **state)
{
	unsigned class = class_of_middle(70000);

	(void)state;
	percpu.mode = PERCPU_LOCKED;
	for (int i = 0; i < 4 * ROUND; i++) {
		if (i % ROUND == 0)
			usleep(SLOW_US);
		middle_note(class);
		assert_false(middle_has_objects(class));
	}
	/* A round may be slow for once: the machine has others to serve. */
	for (int i = 0; i < 10000 * ROUND && !middle_has_objects(class); i++)
		middle_note(class);
	assert_true(middle_has_objects(class));
	assert_false(middle_has_objects(class - 1));
	assert_false(middle_has_objects(class + 1));
	assert_true(middle_goes_on(class));
	/* The next one has to show it, too. Slabs of 1 MiB are too large here. */
	middle_note(class + 1);
	assert_false(middle_has_objects(class + 1));
	for (int i = 0; i < 1000 * ROUND; i++)
		middle_note(class_of_middle(110000));
	assert_false(middle_has_objects(class_of_middle(110000)));
	middle_reset();
	assert_false(middle_has_objects(class));
	percpu.mode = PERCPU_DIRECT;
	for (int i = 0; i < 10 * ROUND; i++)
		middle_note(class);
	assert_false(middle_has_objects(class));
}

/* Objects as numbers: never NULL, and of each sheaf others. */
static void *numbered(unsigned sheaf, unsigned i)
{
	return (void *)((uintptr_t)(sheaf * 1000 + i + 1) << 4);
}

/*
 * Sheaves of each capacity, all at once and several times in another order: one
 * that is new is empty, takes as many as it says, and none lies in another.
 */
static void test_sheaves(void **state)
{
	static uint32_t top[SHEAF_OBJECTS + 1];

	(void)state;
	assert_true(percpu_init(2, PERCPU_LOCKED));
	/* The nil top, 0, is empty and full. */
	assert_null(*(void **)(percpu.base - 8));
	assert_null(*(void **)percpu.base);
	for (int round = 0; round < 20; round++) {
		for (unsigned c = 1; c <= SHEAF_OBJECTS; c++) {
			top[c] = sheaf_new(&caches[1], c, true);
			assert_int_not_equal(top[c], 0);
			assert_int_equal(sheaf_of(top[c])->capacity, c);
			assert_false(sheaf_has_any(top[c]));
		}
		for (unsigned c = 1; c <= SHEAF_OBJECTS; c++)
			for (unsigned i = 0; i < c; i++) {
				assert_false(sheaf_full(top[c]));
				*place(top[c]) = numbered(c, i);
				top[c] += 8;
				assert_int_equal(sheaf_count(top[c]), i + 1);
			}
		for (unsigned c = 1; c <= SHEAF_OBJECTS; c++) {
			assert_true(sheaf_full(top[c]));
			for (unsigned i = c; i-- > 0; top[c] -= 8)
				assert_ptr_equal(*place(top[c] - 8),
						 numbered(c, i));
			assert_false(sheaf_has_any(top[c]));
			assert_int_equal(sheaf_first(top[c]), top[c]);
		}
		for (unsigned c = SHEAF_OBJECTS; c > 1; c--) {
			unsigned other = 1 + (unsigned)unit_below(c);
			uint32_t t = top[c];

			top[c] = top[other];
			top[other] = t;
		}
		for (unsigned c = 1; c <= SHEAF_OBJECTS; c++)
			sheaf_drop(top[c]);
		assert_int_equal(sheaves_claimed(), 0);
	}
	/* 13 sheaves of eight to a block, 16 of four, 32 of two, 64 of one. */
	assert_int_equal(sheaves_made(), 2 + 4 + 16 + 64);
}

/*
 * Takes many objects and gives them back. Of each twelve changes of sheaves the
 * first `hurried` come at a time that is busy. What a sheaf has room for then.
 */
static unsigned grown_by(struct cache *cache, unsigned from, unsigned hurried)
{
	struct slot *slot = &percpu.slots[0];
	struct slot_class *class = class_in(slot, cache);
	unsigned want;

	memset(class, 0, sizeof(*class));
	class->want = (uint8_t)from;
	slot->refills = 0;
	for (unsigned i = 0; i < OUT / 2; i++) {
		slot->changes.events = 0;
		slot->changes.busy = slot->refills % 12 < hurried ? 2 : 0;
		assert_int_equal(cache_alloc(cache, slot, 0, false, &out[i], NULL),
				 SHEAF_DONE);
	}
	want = class->want;
	for (unsigned i = 0; i < OUT / 2; i++)
		assert_int_equal(cache_free(out[i], *map_entry(out[i]), slot, 0, false),
				 SHEAF_DONE);
	sheaves_drain_cache(cache, &slot->pcp, true);
	return want;
}

/* Sheaves grow in a heap that is large, and where changes go on. */
static void test_growth(void **state)
{
	struct cache *cache = &caches[class_of(4096)];
	size_t pages = GIB(1) / page_bytes();
	struct page *large;
	unsigned kind;

	(void)state;
	if (!percpu.base)
		assert_true(percpu_init(2, PERCPU_LOCKED));
	/* What any owner leads to is zeros, up to where the rows begin. */
	for (char *p = percpu.base; p < percpu.base + ROWS_AT; p++)
		assert_int_equal(*p, 0);
	assert_int_equal((uintptr_t)percpu.slots % _Alignof(struct slot), 0);
	assert_int_equal(grown_by(cache, 0, 12), cache->max_sheaf);
	large = node_alloc(0, ZONE_MOVABLE | GFP_WINDOW, pages, pages, NULL, &kind);
	assert_non_null(large);
	assert_int_equal(grown_by(cache, 0, 12), cache->max_grown);
	/* Times of seven changes do not add up to eight. */
	assert_int_equal(grown_by(cache, 0, 7), 2);
	assert_int_equal(grown_by(cache, cache->max_sheaf, 7), cache->max_sheaf);
	node_free(large, NULL);
	assert_int_equal(grown_by(cache, 0, 12), cache->max_sheaf);
}

static int set_up(void **state)
{
	(void)state;
	unit_machine(GIB(16));
	assert_true(caches_init());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_old_descriptors),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_constructed),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_sheaves),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_misuse),
	};

	t_start("unit/slab", 120);
	if (cmocka_run_group_tests(tests, set_up, NULL))
		return 1;
	return t_done();
}
