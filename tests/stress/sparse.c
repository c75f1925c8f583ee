/* SPDX-License-Identifier: MIT */
/*
 * Huge pages cost no memory: programs that touch their blocks here and there,
 * small programs, and blocks that fill no pageblock stay within a tenth of
 * what they touched. And a large heap that is used densely gets them. Each
 * case is a process of its own.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

static size_t touched;		/* bytes */
static uint64_t rnd;

static char *block(size_t bytes)
{
	char *p = malloc(bytes);

	T_CHECK(p);
	return p;
}

static void fill(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	touched += bytes;
}

/* One page of each hundred, at random. */
static void sprinkle(char *p, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE), n = bytes / page / 100;

	for (size_t i = 0; i < n; i++)
		p[t_below(&rnd, bytes / page) * page] = 1;
	touched += n * page;
}

static void fill_many(int n, size_t bytes)
{
	while (n--)
		fill(block(bytes), bytes);
}

static void sparse_table(void)
{
	sprinkle(block((size_t)1 << 30), (size_t)1 << 30);
}

static void sparse_calloc(void)
{
	char *p = calloc(1 << 10, 1 << 20);

	T_CHECK(p);
	sprinkle(p, (size_t)1 << 30);
}

/* The table comes when the heap is known to be dense, and is used late. */
static void table_in_dense_heap(void)
{
	char *p;

	fill_many(400, 256 << 10);
	p = block(512 << 20);
	fill_many(200, 256 << 10);
	sprinkle(p, 512 << 20);
	fill_many(200, 256 << 10);
}

/* Two pageblocks each, the second one hardly used. */
static void odd_blocks(void)
{
	fill_many(100, (2 << 20) + (100 << 10));
}

static void odd_blocks_later(void)
{
	fill_many(200, 256 << 10);
	fill_many(100, (2 << 20) + (100 << 10));
}

/* All of a large heap goes, and a smaller one comes that is used sparsely. */
static void sparse_after_dense(void)
{
	static char *p[100];

	for (int i = 0; i < 100; i++) {
		p[i] = block(1 << 20);
		fill(p[i], 1 << 20);
	}
	for (int i = 0; i < 100; i++)
		free(p[i]);
	malloc_trim(0);
	touched = 0;
	sprinkle(block(80 << 20), 80 << 20);
}

/* Each is written to four fifths: huge pages would be a third more. */
static void unfilled_blocks(void)
{
	for (int i = 0; i < 1000; i++)
		fill(block(480 << 10), 384 << 10);
}

static void small_objects(void)
{
	fill_many(8 << 10, 1000);
	touched = 8 << 20;
}

static bool huge_always(void)
{
	char text[64] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);

	if (fd >= 0) {
		T_CHECK(read(fd, text, sizeof(text) - 1) >= 0);
		close(fd);
	}
	return strstr(text, "[always]");
}

/* Are there huge pages at all? */
static bool have_huge(void)
{
	size_t bytes = 16 << 20;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool have;

	T_CHECK(p != MAP_FAILED);
	madvise(p, bytes, MADV_HUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	have = t_huge_bytes() > 0;
	munmap(p, bytes);
	return have;
}

static void run(const char *name, void (*work)(void))
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		size_t before = t_rss(), rss;

		rnd = t_seed_for(1);
		work();
		rss = t_rss() - before;
		/*
		 * Page descriptors, of what was there before as well, and
		 * sheaves: 1/64 and a little. What is huge is far more.
		 */
		T_CHECK(rss < touched / 10 * 11 + touched / 64 + (2 << 20) ||
			!t_rss_counts(), "%s: %zu KiB touched, %zu resident",
			name, touched >> 10, rss >> 10);
		_exit(0);
	}
	t_wait_ok(pid, name);
}

static void run_dense(const char *name, size_t bytes)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		struct bm_stats s;

		fill_many((int)((256 << 20) / bytes), bytes);
		bm_stats(&s);
		/* A virtual machine's host may need milliseconds for each. */
		if (s.huge_dear)
			t_say("%s: %zu times huge pages took too long", name,
			      (size_t)s.huge_dear);
		T_CHECK(t_huge_bytes() > 128 << 20 || s.huge_dear > 1,
			"%s: of 256 MiB %zu are huge", name,
			t_huge_bytes() >> 20);
		_exit(0);
	}
	t_wait_ok(pid, name);
}

int main(void)
{
	t_start("stress/sparse", 120);
	run("sparse table", sparse_table);
	run("sparse table by calloc", sparse_calloc);
	run("sparse table in a dense heap", table_in_dense_heap);
	run("odd blocks", odd_blocks);
	run("odd blocks in a dense heap", odd_blocks_later);
	/* Where huge pages are wanted everywhere, three quarters are enough. */
	if (!huge_always())
		run("blocks that are not filled", unfilled_blocks);
	run("sparse after dense", sparse_after_dense);
	run("small objects", small_objects);
	if (!have_huge())
		t_skip("no huge pages: nothing to see in dense heaps");
	run_dense("dense objects", 1024);
	run_dense("dense runs", 128 << 10);
	run_dense("dense blocks", 3 << 20);
	return t_done();
}
