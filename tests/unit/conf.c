/* SPDX-License-Identifier: MIT */
/* The option table: good values, and one exact line for each bad one. */
#include "unit.h"

static char said[2048];

/* Parses the text as BUDDYMALLOC_CONF; what went to stderr is in `said`. */
static void parse(const char *text)
{
	int keep = dup(2), fd[2];
	ssize_t n;

	memset(&conf, 0, sizeof(conf));
	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], 2);
	setenv("BUDDYMALLOC_CONF", text, 1);
	conf_init();
	dup2(keep, 2);
	close(keep);
	close(fd[1]);
	n = read(fd[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = 0;
	close(fd[0]);
}

static void test_good(void **state)
{
	(void)state;
	parse("foreign:libc,rseq:off,stats:json,check:on,window:64g,slots:256");
	assert_string_equal(said, "");
	assert_int_equal(conf.foreign, FOREIGN_LIBC);
	assert_int_equal(conf.rseq, RSEQ_OFF);
	assert_int_equal(conf.stats, STATS_JSON);
	assert_int_equal(conf.check, 1);
	assert_int_equal(conf.window, GIB(64));
	assert_int_equal(conf.slots, 256);
	assert_int_equal(conf.hugepages, HUGEPAGES_AUTO);
	parse("hugepages:always");
	assert_int_equal(conf.hugepages, HUGEPAGES_ALWAYS);
	parse("hugepages:never");
	assert_int_equal(conf.hugepages, HUGEPAGES_NEVER);
	parse("");
	assert_string_equal(said, "");
	parse(",, rseq:fake ,");
	assert_string_equal(said, "");
	assert_int_equal(conf.rseq, RSEQ_FAKE);
	parse("help:on");
	assert_non_null(strstr(said, "buddymalloc: rseq:auto|off|fake: "));
	assert_non_null(strstr(said, "buddymalloc: slots:N: "));
	conf.help = 0;
	parse("numa:interleave,sysfs:/tmp/b");
	assert_int_equal(conf.numa, NUMA_INTERLEAVE);
	assert_string_equal(conf.sysfs, "/tmp/b");
	parse("numa:off");
	assert_int_equal(conf.numa, NUMA_OFF);
	parse("trace:/tmp/a");
	assert_string_equal(conf.trace, "/tmp/a");
	conf.trace[0] = 0;
}

#define WHERE "buddymalloc: BUDDYMALLOC_CONF: "

static void test_bad(void **state)
{
	(void)state;
	parse("foo:1,rseq:off");
	assert_string_equal(said, WHERE "unknown key 'foo', ignored\n");
	assert_int_equal(conf.rseq, RSEQ_OFF);
	parse("rseq:maybe");
	assert_string_equal(said, WHERE "bad value 'maybe' for 'rseq' "
					"(auto|off|fake), ignored\n");
	assert_int_equal(conf.rseq, RSEQ_AUTO);
	parse("rseq");
	assert_string_equal(said, WHERE "bad value '' for 'rseq' "
					"(auto|off|fake), ignored\n");
	parse("numa:on");
	assert_string_equal(said, WHERE "bad value 'on' for 'numa' "
					"(local|interleave|off), ignored\n");
	assert_int_equal(conf.numa, NUMA_LOCAL);
	parse("slots:2x");
	assert_string_equal(said, WHERE
			    "bad value '2x' for 'slots' (N), ignored\n");
	parse("slots:0");
	assert_int_equal(conf.slots, 0);
	assert_string_not_equal(said, "");
	parse("window:99999999999999999999g");
	assert_int_equal(conf.window, 0);
	assert_string_not_equal(said, "");
	parse("window:100000t");
	assert_int_equal(conf.window, 0);
	assert_string_not_equal(said, "");
}

static void test_file(void **state)
{
	char path[] = "/tmp/bm-conf-XXXXXX", text[64];
	static const char content[] =
		"# a comment: rseq:fake\nslots:7\ncheck:on # on\nbad:1\n";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, sizeof(content) - 1),
			 sizeof(content) - 1);
	close(fd);
	snprintf(text, sizeof(text), "file:%s,rseq:off", path);
	parse(text);
	assert_int_equal(conf.slots, 7);
	assert_int_equal(conf.check, 1);
	assert_int_equal(conf.rseq, RSEQ_OFF);
	assert_non_null(strstr(said, "unknown key 'bad', ignored\n"));
	unlink(path);
	parse(text);
	assert_non_null(strstr(said, "cannot read"));
	assert_int_equal(conf.rseq, RSEQ_OFF);
}

/* Any text: no crash, and never a value outside its form. */
static void test_noise(void **state)
{
	static const char alphabet[] = "rseq:ofakutchnws0123456789g,# \t\n|";

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char text[64];
		size_t n = unit_below(sizeof(text) - 1);

		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[unit_below(sizeof(alphabet) - 1)];
		text[n] = 0;
		parse(text);
		assert_true(conf.rseq <= RSEQ_FAKE && conf.check <= 1);
	}
}

CM_MAIN("unit/conf", 60, cmocka_unit_test(test_good),
	cmocka_unit_test(test_bad), cmocka_unit_test(test_file),
	cmocka_unit_test(test_noise))
