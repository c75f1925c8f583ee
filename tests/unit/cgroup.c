/* SPDX-License-Identifier: MIT */
/*
 * Limits and pressure of control groups, from trees of files: versions 1 and
 * 2, both at once, groups in groups, what is missing, and what is garbage. And
 * what the pool of huge pages has.
 */
#include "unit.h"

#include <sys/stat.h>

#include "os/cgroup.h"
#include "os/os.h"
#include "topo/sysfs.h"
#include "zone/quota.h"

static char root[] = "/tmp/bm-cgroup-XXXXXX", mount[64], groups[64],
	    machine[64];

static void make(const char *name, const char *text)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int wipe(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s/*", root);
	return system(command);
}

static size_t limit(void)
{
	return os_cgroup_limit(groups, mount);
}

static int pressure(void)
{
	return os_memory_pressure(groups, mount, machine);
}

static void test_version_1(void **state)
{
	(void)state;
	make("cgroup", "9:name=systemd:/a\n4:cpu,memory:/a/b\n1:cpuset:/x\n");
	assert_int_equal(limit(), SIZE_MAX);
	make("fs/cgroup/memory/a/b/memory.limit_in_bytes",
	     "9223372036854771712\n");
	assert_int_equal(limit(), 9223372036854771712u);
	make("fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n");
	assert_int_equal(limit(), MIB(512));
	make("fs/cgroup/memory/memory.limit_in_bytes", "1048576\n");
	assert_int_equal(limit(), MIB(1));
	/* Not ours, and not the memory's. */
	make("fs/cgroup/memory/x/memory.limit_in_bytes", "4096\n");
	make("fs/cgroup/a/memory.max", "4096\n");
	assert_int_equal(limit(), MIB(1));
}

static void test_version_2(void **state)
{
	(void)state;
	make("cgroup", "0::/a/b/c\n");
	make("fs/cgroup/a/b/c/memory.max", "max\n");
	assert_int_equal(limit(), SIZE_MAX);
	make("fs/cgroup/a/b/memory.max", "3000000\n");
	assert_int_equal(limit(), 3000000);
	make("fs/cgroup/a/b/memory.high", "2000000\n");
	assert_int_equal(limit(), 2000000);
	make("fs/cgroup/a/memory.max", "1000000");
	assert_int_equal(limit(), 1000000);
	/* Version 1 has its files elsewhere. */
	make("fs/cgroup/memory/a/memory.limit_in_bytes", "1\n");
	assert_int_equal(limit(), 1000000);
	/* The root of a namespace, and a place outside of it. */
	make("fs/cgroup/memory.max", "5000000\n");
	make("cgroup", "0::/\n");
	assert_int_equal(limit(), 5000000);
	make("cgroup", "0::/../../a\n");
	assert_int_equal(limit(), 5000000);
	make("cgroup", "0::/gone (deleted)\n");
	assert_int_equal(limit(), 5000000);
}

/* Version 1 has the controllers, version 2 a directory among theirs. */
static void test_hybrid(void **state)
{
	(void)state;
	make("cgroup", "4:memory:/a\n1:name=systemd:/s\n0::/s\n");
	make("fs/cgroup/memory/a/memory.limit_in_bytes", "7000000\n");
	assert_int_equal(limit(), 7000000);
	make("fs/cgroup/unified/s/memory.max", "6000000\n");
	assert_int_equal(limit(), 6000000);
	make("fs/cgroup/unified/s/memory.pressure",
	     "some avg10=7.50 avg60=1.00 avg300=0.00 total=1\n");
	assert_int_equal(pressure(), 750);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = {
		"", "\n", "max", "-1\n", "12x\n", "0x10\n", " 5\n", "5 6\n",
		"99999999999999999999999999\n", "18446744073709551616\n",
		"1111111111111111111111111111111111111111\n", "\377\n",
	};
	static const char *const lines[] = {
		"", "\n", ":", "::", "4:memory\n", "4:memories:/a\n",
		"4:xmemory,memoryx:/a\n", "0:x:/a\n", "\n\n\n:::::\n",
	};
	char text[8192];

	(void)state;
	assert_int_equal(limit(), 0);
	make("fs/cgroup/a/memory.max", "4096\n");
	make("fs/cgroup/memory/a/memory.limit_in_bytes", "4096\n");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		make("cgroup", lines[i]);
		if (limit() != SIZE_MAX)
			fail_msg("'%s' passed", lines[i]);
	}
	make("cgroup", "0::/a\n");
	assert_int_equal(limit(), 4096);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make("fs/cgroup/a/memory.max", bad[i]);
		if (limit() != SIZE_MAX)
			fail_msg("'%s' passed", bad[i]);
	}
	make("fs/cgroup/a/memory.max", "18446744073709551614\n");
	assert_int_equal(limit(), SIZE_MAX - 1);
	/* A path that is too long, a file that is; random bytes. */
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "0::/", 4);
	text[sizeof(text) - 1] = 0;
	make("cgroup", text);
	assert_int_equal(limit(), SIZE_MAX);
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < 400; i++)
			text[i] = ":/amemory,0\n\1."[unit_below(13)];
		text[400] = 0;
		make("cgroup", text);
		limit();
		pressure();
	}
}

static void test_pressure(void **state)
{
	static const struct {
		const char *text;
		int is;
	} cases[] = {
		{ "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", 0 },
		{ "some avg10=12.34 avg60=0.00 avg300=0.00 total=0\n", 1234 },
		{ "some avg10=100.00 avg60=0.00\n", 10000 },
		{ "some avg10=5 avg60=0.00\n", 500 },
		{ "some avg10=5.1 avg60=0.00\n", 510 },
		{ "full avg10=5.00 avg60=0.00\n", -1 },
		{ "some avg10=x avg60=0.00\n", -1 },
		{ "some avg10=1.23", -1 },
		{ "some avg10=99999999999999999.00 avg60=0.00\n", -1 },
		{ "some avg60=1.00\n", -1 },
		{ "", -1 },
	};

	(void)state;
	assert_int_equal(pressure(), -1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make("pressure", cases[i].text);
		if (pressure() != cases[i].is)
			fail_msg("'%s': %d", cases[i].text, pressure());
	}
	/* The group's own; not what is around it. The larger counts. */
	make("cgroup", "0::/a/b\n");
	make("pressure", "some avg10=1.00 avg60=0.00\n");
	make("fs/cgroup/a/memory.pressure", "some avg10=3.00 avg60=0.00\n");
	assert_int_equal(pressure(), 100);
	make("fs/cgroup/a/b/memory.pressure", "some avg10=2.00 avg60=0.00\n");
	assert_int_equal(pressure(), 200);
	make("pressure", "some avg10=4.00 avg60=0.00\n");
	assert_int_equal(pressure(), 400);
}

#define POOL "kernel/mm/hugepages/hugepages-2048kB/"
#define POOL_OF(n) "devices/system/node/node" n "/hugepages/hugepages-2048kB/"

/* What the pool of huge pages has to spare, as a whole and of a node. */
static void test_pool(void **state)
{
	(void)state;
	sysfs_root(root);
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), -1), 0);
	make(POOL "free_hugepages", "40\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), -1), 40);
	make(POOL "resv_hugepages", "15\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), -1), 25);
	assert_int_equal(sysfs_hugetlb_spare(MIB(32), -1), 0);
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), 1), 0);
	make(POOL_OF("1") "free_hugepages", "10\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), 1), 10);
	make(POOL_OF("1") "free_hugepages", "30\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), 1), 25);
	make(POOL "resv_hugepages", "41\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), -1), 0);
	make(POOL "resv_hugepages", "\n");
	make(POOL "free_hugepages", "many\n");
	assert_int_equal(sysfs_hugetlb_spare(MIB(2), -1), 0);
}

/* Where memory is short little is kept warm; when it is over, as before. */
static void test_tight(void **state)
{
	struct zone *zone;
	struct page *page[64];
	size_t warm = 0;
	uint64_t shortages;
	unsigned kind;

	(void)state;
	snprintf(conf.sysfs, sizeof(conf.sysfs), "%s", root);
	unit_machine(GIB(4));
	zone = nodes.zones[ZONE_MOVABLE];
	make("pressure", "some avg10=4.99 avg60=0.00\n");
	quota_feel();
	assert_false(quota.tight);
	/* Again, should the machine have stood still for a second. */
	for (int round = 0; warm < MIB(32) && round < 5; round++) {
		for (int i = 0; i < 64; i++)
			page[i] = zone_alloc(zone, MIB(1) >> topo.page_shift,
					     1, &kind);
		for (int i = 0; i < 64; i++)
			zone_free(zone, page[i]);
		warm = zone->free_pages[DIRTY] << topo.page_shift;
	}
	assert_in_range(warm, MIB(32), MIB(64));
	make("pressure", "some avg10=5.00 avg60=0.00\n");
	quota_feel();
	assert_true(quota.tight && quota.pressed);
	assert_true(quota.shortages);
	page[0] = zone_alloc(zone, 16, 1, &kind);
	for (int i = 0; i < 3; i++)
		zone_free(zone, zone_alloc(zone, 16, 1, &kind));
	assert_in_range(zone->free_pages[DIRTY] << topo.page_shift, 0, MIB(1));
	/* Looked at again by itself, and kept as before. */
	make("pressure", "some avg10=0.00 avg60=0.00\n");
	shortages = quota.shortages;
	for (int i = 0; READ_ONCE(quota.tight) && i < 100; i++) {
		os_nap(50000000);
		for (int k = 1; k < 64; k++)
			page[k] = zone_alloc(zone, MIB(1) >> topo.page_shift, 1,
					     &kind);
		for (int k = 1; k < 64; k++)
			zone_free(zone, page[k]);
	}
	assert_false(quota.tight);
	assert_int_equal(quota.shortages, shortages);
	/* A kernel without it is not asked for ever, but more than once. */
	make("pressure", "");
	for (int i = 0; i < 7; i++)
		quota_feel();
	make("pressure", "some avg10=50.00 avg60=0.00\n");
	quota_feel();
	assert_true(quota.tight);
	make("pressure", "");
	for (int i = 0; i < 8; i++)
		quota_feel();
	make("pressure", "some avg10=50.00 avg60=0.00\n");
	quota_feel();
	assert_false(quota.tight);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_version_1, wipe),
		cmocka_unit_test_teardown(test_version_2, wipe),
		cmocka_unit_test_teardown(test_hybrid, wipe),
		cmocka_unit_test_teardown(test_garbage, wipe),
		cmocka_unit_test_teardown(test_pressure, wipe),
		cmocka_unit_test_teardown(test_pool, wipe),
		cmocka_unit_test_teardown(test_tight, wipe),
	};
	int failed;

	t_start("unit/cgroup", 60);
	if (!mkdtemp(root))
		t_fail("no directory can be made");
	snprintf(mount, sizeof(mount), "%s/fs/cgroup", root);
	snprintf(groups, sizeof(groups), "%s/cgroup", root);
	snprintf(machine, sizeof(machine), "%s/pressure", root);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(root);
	return failed ? 1 : t_done();
}
