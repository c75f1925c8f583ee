/* SPDX-License-Identifier: MIT */
/*
 * A process that goes idle shrinks, with no call of its own. Each case loads
 * some hundred MiB, frees them (or half of them), and sleeps: what stays is at
 * most 5 % of the peak, or of what went. Runs itself with other options.
 */
#include "../lib/t.h"
#include <dirent.h>

enum { MB = 1 << 20 };

static long total, seconds = 8;

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static unsigned threads_now(void)
{
	char buf[2048];
	const char *at;
	ssize_t n;
	int fd = open("/proc/self/status", O_RDONLY);

	T_CHECK(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	T_CHECK(n > 0);
	buf[n] = 0;
	at = strstr(buf, "\nThreads:");
	T_CHECK(at);
	return (unsigned)atoi(at + 9);
}

static int threads_of(unsigned uid)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	T_CHECK(dir);
	while ((e = readdir(dir))) {
		char path[300], line[200];
		unsigned is = ~0u;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Uid: %u", &is) == 1)
				break;
		if (f)
			fclose(f);
		n += is == uid;
	}
	closedir(dir);
	return n;
}

static long rss_mb(void)
{
	char buf[128];
	long pages;
	int fd = open("/proc/self/statm", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	T_CHECK(n > 0);
	buf[n] = 0;
	pages = strtol(strchr(buf, ' '), NULL, 10);
	return pages * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

/* One pointer a block, in memory that is not the heap's. */
static void **blocks;
static size_t nr;

static void load(size_t size, uint64_t *rnd)
{
	size_t have = 0, i;

	blocks = mmap(NULL, (size_t)total * MB / 8, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	T_CHECK(blocks != MAP_FAILED);
	for (nr = 0; have < (size_t)total * MB; nr++) {
		size_t n = size ? size : 16 + t_below(rnd, 1000);

		blocks[nr] = malloc(n);
		T_CHECK(blocks[nr]);
		memset(blocks[nr], 1, n);
		have += n;
	}
	/* In any order: what is left in a cache then holds many slabs. */
	for (i = nr; size < 4096 && i > 1; i--) {
		size_t k = t_below(rnd, i);
		void *p = blocks[k];

		blocks[k] = blocks[i - 1];
		blocks[i - 1] = p;
	}
}

static void drop(size_t from, size_t step)
{
	for (size_t i = from; i < nr; i += step) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

/* What the pointers themselves took does not count. */
static void forget(void)
{
	munmap(blocks, (size_t)total * MB / 8);
}

static long settle(long enough)
{
	long rss = rss_mb();

	for (int i = 0; i < seconds * 10 && rss > enough; i++) {
		usleep(100000);
		rss = rss_mb();
	}
	return rss;
}

static void wait_alone(unsigned others)
{
	for (int i = 0; i < 100 && threads_now() > others; i++)
		usleep(100000);
	T_CHECK(threads_now() == others, "the thread stays");
}

static void all_goes(const char *what, size_t size, unsigned others,
		     bool thread)
{
	uint64_t rnd = t_seed_for((unsigned)size);
	long base = rss_mb(), peak, after, rss;

	load(size, &rnd);
	peak = rss_mb();
	drop(0, 1);
	forget();
	after = rss_mb();
	if (thread && !t_sabotage("thread"))
		T_CHECK(threads_now() == others + 1, "no thread");
	if (!thread)
		T_CHECK(threads_now() == others, "a thread");
	rss = thread ? settle(base + total / 20) : after;
	t_say("%s: %ld MiB, %ld when freed, %ld idle", what, peak, after, rss);
	/* Without one, what was wanted lately stays; caches hold few slabs. */
	if (thread)
		T_CHECK(rss <= base + total / 20);
	else
		T_CHECK(rss <= base + (size ? 80 : total / 2));
	wait_alone(others);
}

/*
 * Half is still in use: what was wanted lately is not wanted for ever. Halves
 * of huge pages may stay while they are less than a quarter of what is in use.
 */
static void half_goes(unsigned others)
{
	uint64_t rnd = t_seed_for(7);
	long base = rss_mb(), rss;

	load(MB, &rnd);
	drop(0, 2);
	rss = settle(base + total / 2 + total / 4);
	t_say("half of blocks of 1 MiB: %ld MiB idle", rss - base);
	T_CHECK(rss <= base + total / 2 + total / 4);
	drop(1, 2);
	forget();
	wait_alone(others);
}

static void *churn(void *arg)
{
	uint64_t rnd = t_seed_for(99);

	(void)arg;
	for (int i = 0; i < 40; i++) {
		void *p[64];

		for (int k = 0; k < 64; k++) {
			p[k] = malloc(1 + t_below(&rnd, 2 * MB));
			*(char *)p[k] = 1;
		}
		for (int k = 0; k < 64; k++)
			free(p[k]);
		usleep(20000);
	}
	return NULL;
}

/* Children, made while the thread is there or is about to come. */
static void forks(void)
{
	pthread_t th;

	T_CHECK(!pthread_create(&th, NULL, churn, NULL));
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (!pid) {
			alarm(30);
			T_CHECK(threads_now() == 1, "a child has it");
			for (int k = 0; k < 100; k++) {
				char *p = malloc(4 * MB);

				*p = 1;
				free(p);
			}
			malloc_trim(0);
			_exit(0);
		}
		t_wait_ok(pid, "fork");
		usleep(30000);
	}
	pthread_join(th, NULL);
}

static void leave_behind(unsigned others)
{
	for (int i = 0; i < 100 && threads_now() == others; i++) {
		char *p = malloc(64 * MB);

		memset(p, 1, 64 * MB);
		free(p);
		usleep(i ? 100000 : 0);
	}
	T_CHECK(threads_now() == others + 1, "no thread");
}

/* No thread keeps the rights that the program had before. */
static int drops(unsigned others)
{
	leave_behind(others);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) {
		t_say("SKIP: there is no other user: %s", strerror(errno));
		return 0;
	}
	for (int i = 0; i < 100 && threads_of(0); i++)
		usleep(100000);
	T_CHECK(!threads_of(0), "root's thread stays");
	leave_behind(others);
	T_CHECK(!threads_of(0), "root's thread again");
	return 0;
}

static int child(const char *mode)
{
	bool multi = strstr(mode, "multi"), thread = strstr(mode, "thread");
	unsigned others = 1 + multi;
	pthread_t th;

	if (multi)
		T_CHECK(!pthread_create(&th, NULL, sleeper, NULL));
	T_CHECK(threads_now() == others);
	if (strstr(mode, "drops"))
		return drops(others);
	all_goes("blocks of 1 MiB", MB, others, thread);
	all_goes("objects", 0, others, thread);
	if (thread)
		half_goes(others);
	if (multi)
		forks();
	return t_sabotage("exit");
}

static void run(const char *conf, const char *mode)
{
	t_say("%s, %s", conf, mode);
	t_again(mode, conf);
}

int main(int argc, char **argv)
{
	t_start("stress/idle", 280);
	total = t_long() ? 2048 : 384;
	if (argc > 1)
		return child(argv[1]);
	if (!t_rss_counts())
		t_skip("the resident size is not ours alone");
	run("reclaim:thread", "thread");
	run("reclaim:thread", "thread multi");
	run("reclaim:auto", "thread multi");
	if (!geteuid())
		run("reclaim:auto", "thread multi drops");
	run("reclaim:auto", "single");
	run("reclaim:caller", "multi");
	return t_done();
}
