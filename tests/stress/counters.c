/* SPDX-License-Identifier: MIT */
/*
 * The counters that tell whether what is kept warm is right: each is provoked
 * and seen to move, in a process of its own. Then the limits of control groups
 * and the kernel's word that memory is short, both read from a tree of files
 * that stands for the machine.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

enum { MB = 1 << 20, NR = 512 };

static char *block[NR];
static char root[] = "/tmp/bm-counters-XXXXXX";

static struct bm_stats stats(void)
{
	struct bm_stats s;

	bm_stats(&s);
	return s;
}

static void load(int n, size_t bytes)
{
	for (int i = 0; i < n; i++) {
		block[i] = malloc(bytes);
		T_CHECK(block[i]);
		memset(block[i], 1, bytes);
	}
}

static void drop(int n)
{
	while (n)
		free(block[--n]);
}

/* Faults to come, and faults avoided. */
static void reused(void)
{
	struct bm_stats s[3];

	s[0] = stats();
	load(32, MB);
	s[1] = stats();
	T_CHECK(s[1].fresh_bytes - s[0].fresh_bytes >= 31 * MB);
	T_CHECK(s[1].reused_bytes - s[0].reused_bytes < 4 * MB);
	drop(32);
	load(32, MB);
	s[2] = stats();
	T_CHECK(s[2].reused_bytes - s[1].reused_bytes >= 24 * MB);
	T_CHECK(s[2].fresh_bytes - s[1].fresh_bytes <= 8 * MB);
	drop(32);
	/* Slabs are taken from the page lists. */
	malloc_trim(0);
	s[0] = stats();
	load(NR, 30000);
	s[1] = stats();
	T_CHECK(s[1].fresh_bytes - s[0].fresh_bytes >= 14 * MB);
	drop(NR);
	malloc_trim(0);
}

static void purged(void)
{
	struct bm_stats s[2];

	load(32, MB);
	drop(32);
	s[0] = stats();
	malloc_trim(0);
	s[1] = stats();
	T_CHECK(s[1].purged_bytes - s[0].purged_bytes >= 24 * MB);
	T_CHECK(s[1].purges > s[0].purges && s[1].drains > s[0].drains);
	T_CHECK(s[1].free_dirty_bytes < MB);
}

/* What went back is wanted again at once; a stalled machine gets more tries. */
static void refaults(void)
{
	struct bm_stats s[2];
	int tries = 0;

	s[0] = stats();
	do {
		load(NR, MB);
		drop(NR);
		load(NR, MB);
		drop(NR);
		s[1] = stats();
	} while (s[1].refault_bytes - s[0].refault_bytes < 64 * MB &&
		 ++tries < 20);
	T_CHECK(tries < 20);
	malloc_trim(0);
}

/* 72 MiB are warm; a second later one call finds that most are too many. */
static void stalls(void)
{
	struct bm_stats s[2];
	int tries = 0;

	s[0] = stats();
	do {
		load(NR / 2, MB);
		drop(NR / 2);
		for (int i = 0; i < 8; i++) {
			usleep(300000);
			free(malloc(MB));
		}
		s[1] = stats();
	} while (s[1].stalls == s[0].stalls && ++tries < 5);
	T_CHECK(tries < 5);
}

/*
 * Blocks that are replaced at random go home and come back, until sheaves have
 * grown: then a sheaf is fetched for each sixteenth, at most. It takes a quick
 * machine to tell; a slow or busy one gets more tries.
 */
static void returns(void)
{
	enum { OPS = 50000 };
	uint64_t dice = t_seed * 2 + 1, before;
	int tries = 0;

	load(NR, 8000);
	do {
		before = stats().refills;
		for (int i = 0; i < OPS; i++) {
			char **p = &block[t_below(&dice, NR)];

			free(*p);
			*p = malloc(4096 + t_below(&dice, 12 << 10));
			T_CHECK(*p);
			**p = 1;
		}
	} while (stats().refills - before > OPS / 16 && ++tries < 40);
	T_CHECK(tries < 40);
	drop(NR);
}

/* Used ones come first, but then calloc's are not touched. */
static void fresh_callocs(void)
{
	enum { SIZE = 16000, USED = 150 };
	static void *p[4096];
	size_t rss;

	load(USED, SIZE);
	drop(USED);
	rss = t_rss();
	for (int i = 0; i < 4096; i++)
		T_CHECK(p[i] = calloc(1, SIZE));
	T_CHECK(t_rss() < rss + 16 * MB || !t_rss_counts());
	for (int i = 0; i < 4096; i++)
		free(p[i]);
	malloc_trim(0);
}

static void counts(void)
{
	fresh_callocs();
	if (!getenv("BM_SLOW"))
		returns();
	reused();
	purged();
	refaults();
	stalls();
}

static void refuses(void)
{
	struct bm_stats s = stats();

	T_CHECK(!s.refusals && s.limit_bytes == 64 * MB);
	T_CHECK(!malloc(100 * MB));
	T_CHECK(stats().refusals);
}

static void threads(void)
{
	load(NR / 2, MB);
	drop(NR / 2);
	free(malloc(MB));
	T_CHECK(stats().threads == 1);
}

static void put(const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	t_put(path, text);
}

/* 128 MiB, of which nine tenths are used. */
static void group(void)
{
	size_t base = t_rss(), most = 0;

	for (int k = 0; k < 6; k++) {
		size_t n = k & 1 ? 200 : MB, rss;
		char **p = mmap(NULL, 8 * MB, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		size_t nr = 100 * (size_t)MB / n;

		for (size_t i = 0; i < nr; i++)
			memset(p[i] = malloc(n), 1, n);
		rss = t_rss() - base;
		most = rss > most ? rss : most;
		for (size_t i = 0; i < nr; i++)
			free(p[i]);
		munmap(p, 8 * MB);
	}
	T_CHECK(stats().limit_bytes == 128 / 10 * 9 * (size_t)MB ||
		stats().limit_bytes / MB == 115, "%zu", stats().limit_bytes);
	t_say("100 MiB in a group of 128: %zu KiB resident", most >> 10);
	if (t_rss_counts())
		T_CHECK(most < 128 * MB);
}

/* The warm pages go when the kernel says so, and not before. */
static void pressed(void)
{
	size_t base, warm, after;
	struct bm_stats s;
	int tries = 0;

	put("pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	base = t_rss();
	do {
		load(NR / 8, MB);
		drop(NR / 8);
		warm = t_rss() - base;
	} while (warm < 40 * MB && ++tries < 10);
	T_CHECK(warm >= 40 * MB || !t_rss_counts());
	T_CHECK(!stats().shortages);
	if (!t_sabotage("pressure"))
		put("pressure",
		    "some avg10=31.08 avg60=9.00 avg300=0.00 total=9\n");
	/* By any call that frees, with no help of the watermark's own. */
	for (tries = 0; !stats().shortages && tries < 40; tries++) {
		load(NR / 8, MB);
		drop(NR / 8);
		usleep(100000);
	}
	for (int i = 0; i < 4; i++)
		free(malloc(MB));
	after = t_rss() - base;
	s = stats();
	t_say("memory is short: %zu KiB warm, then %zu; %d looks", warm >> 10,
	      after >> 10, (int)s.shortages);
	T_CHECK(s.shortages && s.drains);
	T_CHECK(after < 4 * MB || !t_rss_counts());
}

static void run_group(const char *conf, const char *line, const char *file)
{
	put("cgroup", line);
	put(file, "134217728\n");
	t_again("group", conf);
	put(file, "max\n");
}

int main(int argc, char **argv)
{
	char conf[100], command[100];

	t_start("stress/counters", 240);
	if (argc > 1) {
		if (getenv("BM_ROOT"))
			strcpy(root, getenv("BM_ROOT"));
		return !strcmp(argv[1], "counts")    ? counts(), 0
		       : !strcmp(argv[1], "refuses") ? refuses(), 0
		       : !strcmp(argv[1], "threads") ? threads(), 0
		       : !strcmp(argv[1], "group")   ? group(), 0
						     : (pressed(), 0);
	}
	T_CHECK(mkdtemp(root));
	setenv("BM_ROOT", root, 1);
	snprintf(conf, sizeof(conf), "sysfs:%s,reclaim:caller", root);
	t_again("counts", "reclaim:caller");
	t_again("refuses", "hard_limit:64m");
	t_again("threads", "reclaim:thread");
	t_again("pressed", conf);
	run_group(conf, "0::/a/b\n", "fs/cgroup/a/memory.max");
	run_group(conf, "3:cpu,memory:/a\n",
		  "fs/cgroup/memory/memory.limit_in_bytes");
	run_group(conf, "3:cpu:/a\n0::/b\n",
		  "fs/cgroup/unified/b/memory.high");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	T_CHECK(!system(command));
	return t_done();
}
