/* SPDX-License-Identifier: MIT */
/*
 * Limits of resident memory: a soft one is kept while there is memory to give
 * back, a hard one always, and everything works on after a request failed. In
 * a control group of 512 MiB a heap that swings to 480 is not killed: blocks
 * and small objects in turn, so that neither fits where the other was.
 * (Without the group's limit in mind 64 MiB more stay warm, which is too much.)
 * Runs itself with other options.
 */
#include "../lib/t.h"
#include <sys/stat.h>

enum { MB = 1 << 20, NR = 1 << 22 };

static void **blocks;
static size_t nr, bytes;

static long rss_mb(void)
{
	char buf[128], *end;
	int fd = open("/proc/self/statm", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	T_CHECK(n > 0);
	buf[n] = 0;
	strtol(buf, &end, 10);
	return strtol(end, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

/* Up to so many bytes, of one size; false: the heap has no more. */
static bool fill(size_t size, size_t upto)
{
	while (bytes + size <= upto && nr < NR) {
		char *p = malloc(size);

		if (!p) {
			T_CHECK(errno == ENOMEM);
			return false;
		}
		memset(p, 1, size);
		blocks[nr++] = p;
		bytes += size;
	}
	return true;
}

static void drop(void)
{
	while (nr)
		free(blocks[--nr]);
	bytes = 0;
}

static int hard(void)
{
	static const size_t sizes[] = { MB, 200, 70000, 32768, 5000, 16 * MB };
	long base = rss_mb(), rss;

	for (int k = 0; k < 36; k++) {
		size_t size = sizes[k % 6];

		T_CHECK(!fill(size, 200 * MB), "over the limit");
		T_CHECK(!malloc(150 * MB) && !calloc(1000, MB));
		/* What there is may hold much else: caches, slabs of others. */
		T_CHECK(bytes >= 40 * MB, "too early");
		T_CHECK(bytes <= 64 * MB, "too late");
		rss = rss_mb();
		if (rss > base + 64 + 8)
			t_fail("%zu bytes: %ld MiB", size, rss - base);
		if (k % 2) {
			void *p = realloc(blocks[0], 100 * MB);

			T_CHECK(!p && *(char *)blocks[0] == 1);
		}
		drop();
		T_CHECK(fill(64, MB) && fill(3 * MB, 20 * MB));
		drop();
	}
	t_say("hard limit: kept");
	return t_sabotage("exit");
}

static int soft(void)
{
	long base = rss_mb(), most = 0;

	for (int k = 0; k < 40; k++) {
		T_CHECK(fill(k & 1 ? 200 : 300000, 56 * MB));
		if (rss_mb() > most)
			most = rss_mb();
		drop();
	}
	t_say("soft limit of 64 MiB: %ld resident", most - base);
	T_CHECK(most <= base + 64 + 6);
	T_CHECK(fill(MB, 150 * MB), "a soft limit refuses");
	drop();
	return t_sabotage("exit");
}

static int swing(void)
{
	int swings = t_long() ? 1000 : 12;

	for (int k = 0; k < swings; k++) {
		T_CHECK(fill(k & 1 ? 512 : 700000, 480u * MB));
		drop();
	}
	t_say("%d swings", swings);
	return t_sabotage("exit");
}

/* mallopt says what stays warm, whatever was wanted lately. */
static int trim(void)
{
	long base = rss_mb(), kept;

	T_CHECK(mallopt(M_TRIM_THRESHOLD, 300 * MB) == 1);
	T_CHECK(fill(300000, 200 * MB));
	drop();
	kept = rss_mb() - base;
	T_CHECK(kept > 150, "it went back");
	T_CHECK(mallopt(M_TRIM_THRESHOLD, MB) == 1);
	sleep(2);
	for (int k = 0; k < 20; k++) {
		T_CHECK(fill(300000, 2 * MB));
		drop();
	}
	t_say("M_TRIM_THRESHOLD: %ld MiB, then %ld", kept, rss_mb() - base);
	T_CHECK(rss_mb() - base < 90);
	return t_sabotage("exit");
}

static bool put(const char *dir, const char *name, const char *text)
{
	char path[700];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* A group of our own; "": none can be made. */
static const char *make_group(void)
{
	static char dir[600];
	char text[4096], *line, *end;
	int fd = open("/proc/self/cgroup", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	line = strstr(text, ":memory:");
	if (line) {
		end = strchrnul(line, '\n');
		*end = 0;
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/memory%s/bm-test-%d",
			 line + 8, getpid());
	} else {
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/bm-test-%d", getpid());
	}
	if (mkdir(dir, 0755))
		return "";
	if (put(dir, "memory.limit_in_bytes", "536870912") ||
	    put(dir, "memory.max", "536870912")) {
		put(dir, "memory.swap.max", "0");
		return dir;
	}
	rmdir(dir);
	return "";
}

static int run_in(const char *group)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		if (!put(group, "cgroup.procs", "0"))
			_exit(97);
		t_exec_again("swing", "check:off");
	}
	return t_wait(pid);
}

int main(int argc, char **argv)
{
	const char *group;
	char buf[64];
	int st;

	t_start("stress/limit", t_long() ? 1200 : 280);
	if (argc > 1) {
		blocks = mmap(NULL, NR * sizeof(*blocks), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		T_CHECK(blocks != MAP_FAILED);
		return !strcmp(argv[1], "hard")	? hard()
		       : !strcmp(argv[1], "soft") ? soft()
		       : !strcmp(argv[1], "trim") ? trim()
						  : swing();
	}
	if (!t_rss_counts())
		t_skip("the resident size is not ours alone");
	t_again("hard", "hard_limit:64m");
	t_again("soft", "limit:64m");
	t_again("trim", "reclaim:caller");
	group = make_group();
	if (!*group) {
		t_say("no control group can be made here: not tried");
		return t_done();
	}
	st = run_in(group);
	usleep(100000);
	rmdir(group);
	if (st)
		t_fail("in a group of 512 MiB: %s", t_status(st, buf, sizeof(buf)));
	return t_done();
}
