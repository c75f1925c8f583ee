/* SPDX-License-Identifier: MIT */
/* Lists of CPUs and nodes: the kernel's, wrong ones, and random sets. */
#include "unit.h"
#include "topo/sysfs.h"

static bool parse(struct ids *ids, const char *s)
{
	return ids_parse(ids, s, strlen(s));
}

static void test_lists(void **state)
{
	static const char *const bad[] = {
		"x", "0-", "-3", "3-1", "0,", ",0", "0,,2", "0 1", "0-3-5",
		"0x10", "1;2", "0-3\n4", "0-3,\n", "0-3:1/2", "\377",
	};
	struct ids ids;

	(void)state;
	assert_true(parse(&ids, "0-3,8-11\n"));
	assert_int_equal(ids.bits[0], 0xf0f);
	assert_int_equal(ids.end, 12);
	assert_int_equal(ids_below(&ids, 9), 5);
	assert_int_equal(ids_below(&ids, IDS_MAX), 8);
	assert_true(parse(&ids, ""));
	assert_int_equal(ids.end, 0);
	assert_true(parse(&ids, "\n"));
	assert_int_equal(ids_below(&ids, IDS_MAX), 0);
	assert_true(parse(&ids, "63-64,1023-1030"));
	assert_true(ids_has(&ids, 63) && ids_has(&ids, 64));
	assert_true(ids_has(&ids, 1023) && !ids_has(&ids, 1024));
	assert_int_equal(ids.end, 1031);
	assert_true(parse(&ids, "0-99999999999999999999999999"));
	assert_int_equal(ids.end, IDS_END_MAX);
	assert_int_equal(ids_below(&ids, IDS_MAX), IDS_MAX);
	assert_true(parse(&ids, "20000"));
	assert_int_equal(ids.end, IDS_END_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(&ids, bad[i]))
			fail_msg("'%s' passed", bad[i]);
}

/* Random sets, written as the kernel writes them. */
static void test_lists_model(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		unsigned density = 1 + (unsigned)unit_below(60), n = 0;
		static uint8_t set[IDS_MAX];
		char text[8192] = "";
		struct ids ids;
		size_t len = 0;

		for (unsigned i = 0; i < IDS_MAX; i++)
			set[i] = unit_below(density) == 0;
		for (unsigned i = 0, to; i < IDS_MAX; i = to + 1) {
			to = i;
			if (!set[i])
				continue;
			while (to + 1 < IDS_MAX && set[to + 1])
				to++;
			n += to - i + 1;
			len += (size_t)sprintf(text + len, "%s%u",
					       len ? "," : "", i);
			if (to > i)
				len += (size_t)sprintf(text + len, "-%u", to);
		}
		assert_true(parse(&ids, text));
		assert_int_equal(ids_below(&ids, IDS_MAX), n);
		for (unsigned i = 0; i < IDS_MAX; i++)
			assert_int_equal(ids_has(&ids, i), set[i]);
	}
}

CM_MAIN("unit/sysfs", 60, cmocka_unit_test(test_lists),
	cmocka_unit_test(test_lists_model))
