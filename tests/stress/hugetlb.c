/* SPDX-License-Identifier: MIT */
/*
 * hugepages:hugetlb: the heap lies in the pool while that has pages to spare,
 * and elsewhere when not; nothing is ever a SIGBUS, not in a fork child either;
 * and pages return to the pool. The pool is made here, by root, and unmade; where
 * it cannot be made only the case without one is tried.
 */
#include "../lib/t.h"
#include "buddymalloc.h"
#include <sys/file.h>

enum { MB = 1 << 20, PAGES = 32, NR = 4000 };

static char *block[NR];
static size_t size_of[NR];
static char pool[100];		/* directory of the pool of the page size */
static size_t page;

static long figure(const char *name)
{
	char path[160], text[32];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", pool, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	return atol(text);
}

static void set_pages(long n)
{
	char path[160], text[32];
	int fd, len = snprintf(text, sizeof(text), "%ld", n);

	snprintf(path, sizeof(path), "%s/nr_hugepages", pool);
	fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, text, len) < 0)
		t_say("the pool cannot be set: %s", strerror(errno));
	close(fd);
}

/* One at a time: the pool is the machine's. */
static void lock_pool(void)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/nr_hugepages", pool);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_EX);
}

/* Bytes of the pool in this process. */
static size_t mapped(void)
{
	static char buf[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	const char *at;

	close(fd);
	buf[n > 0 ? n : 0] = 0;
	at = strstr(buf, "HugetlbPages:");
	return at ? strtoul(at + 13, NULL, 10) << 10 : 0;
}

static void fill(int i, size_t size)
{
	block[i] = malloc(size);
	T_CHECK(block[i]);
	size_of[i] = size;
	t_fill(block[i], size, i);
}

static void check_all(void)
{
	for (int i = 0; i < NR; i++)
		if (block[i])
			T_CHECK(t_verify(block[i], size_of[i], i) < 0);
}

static void drop_all(void)
{
	check_all();
	for (int i = 0; i < NR; i++) {
		free(block[i]);
		block[i] = NULL;
	}
}

/* Large blocks and small ones, twice what the pool has. */
static void load(uint64_t *rnd)
{
	for (int i = 0; i < NR; i++)
		fill(i, i % 40 ? 16 + t_below(rnd, 8000) : 16 + t_below(rnd, 2 * MB));
}

static void churn(uint64_t *rnd)
{
	for (int k = 0; k < 20000; k++) {
		int i = (int)t_below(rnd, NR);

		T_CHECK(t_verify(block[i], size_of[i], i) < 0);
		if (k % 3) {
			free(block[i]);
			fill(i, i % 40 ? 16 + t_below(rnd, 8000)
				       : 16 + t_below(rnd, 2 * MB));
		} else {
			size_t to = size_of[i] / 2 + 16 + t_below(rnd, size_of[i]);

			block[i] = realloc(block[i], to);
			T_CHECK(block[i]);
			size_of[i] = to;
			t_fill(block[i], to, i);
		}
		if (k % 5000 == 0)
			malloc_trim(0);
	}
}

/* Both sides write to all that the other sees as well. */
static void forks(uint64_t *rnd)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		t_child(100);
		churn(rnd);
		drop_all();
		_exit(0);
	}
	check_all();
	for (int i = 0; i < NR; i++)
		t_fill(block[i], size_of[i], i);
	t_wait_ok(pid, "the child");
	check_all();
}

static void work(bool have)
{
	uint64_t rnd = t_seed_for(1);
	struct bm_stats s;
	size_t in;

	load(&rnd);
	in = mapped();
	bm_stats(&s);
	t_say("%zu KiB of the pool, %zu by our count", in >> 10,
	      s.hugetlb_bytes >> 10);
	T_CHECK(s.hugetlb_bytes == in);
	T_CHECK(have ? in >= 4 * page && in <= PAGES / 2 * page : !in);
	if (have)
		T_CHECK(figure("free_hugepages") - figure("resv_hugepages") >=
			(long)(in / page), "nothing is left for a child");
	forks(&rnd);
	churn(&rnd);
	drop_all();
	malloc_trim(0);
	/* What lies at the end of a zone returns; sheaves may hold a slab. */
	if (have)
		T_CHECK(mapped() <= in / 2, "%zu", mapped());
}

static int run(const char *what)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid)
		t_exec_again(what, "hugepages:hugetlb,reclaim:caller");
	return t_wait(pid);
}

int main(int argc, char **argv)
{
	struct bm_stats s;
	long before, have;
	char buf[64];
	int st;

	t_start("stress/hugetlb", 200);
	bm_stats(&s);
	page = s.pageblock_bytes;
	snprintf(pool, sizeof(pool), "/sys/kernel/mm/hugepages/hugepages-%zukB",
		 page >> 10);
	if (argc > 1) {
		work(!strcmp(argv[1], "pool"));
		return t_sabotage("exit");
	}
	lock_pool();
	before = figure("nr_hugepages");
	have = figure("free_hugepages") - figure("resv_hugepages");
	if (before >= 0 && have == 0) {
		st = run("none");
		if (st)
			t_fail("without a pool: %s",
			       t_status(st, buf, sizeof(buf)));
	}
	if (before < 0 || geteuid() || have)
		t_skip("no pool of %zu KiB pages can be made here: not tried",
		       page >> 10);
	set_pages(before + PAGES);
	have = figure("free_hugepages") - figure("resv_hugepages");
	st = have >= PAGES ? run("pool") : -1;
	set_pages(before);
	if (have < PAGES)
		t_skip("the machine has no %d huge pages: not tried", PAGES);
	if (st)
		t_fail("with a pool: %s", t_status(st, buf, sizeof(buf)));
	T_CHECK(figure("nr_hugepages") == before, "pages did not come back");
	return t_done();
}
