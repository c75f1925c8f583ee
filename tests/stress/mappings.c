/* SPDX-License-Identifier: MIT */
/*
 * The heap keeps to a few hundred mappings whatever is asked of it: large
 * blocks that grow by realloc among each other (mremap moves them), aligned
 * ones, purges, threads. And a 5 MiB block does not hold 8.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

/* 600 blocks live at most; seen: 480 in seconds, 620 in minutes, then steady. */
enum { LIVE = 150, LIMIT = 700 };

static int mappings(void)
{
	static char buf[65536];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), lines = 0;
	ssize_t n, i;

	T_CHECK(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++)
			lines += buf[i] == '\n';
	close(fd);
	return lines;
}

static void *work(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	static __thread struct { char *p; size_t n; } b[LIVE];
	int k, ops = t_long() ? 60000 : 5000;

	for (k = 0; k < ops; k++) {
		int i = t_below(&rnd, LIVE);
		unsigned what = t_below(&rnd, 10);
		size_t n = (256 << 10) + t_below(&rnd, 6 << 20);

		if (!b[i].p) {
			b[i].p = what < 8 ? malloc(n) : memalign((size_t)1 << (12 + what % 10), n);
			T_CHECK(b[i].p);
			b[i].n = n;
		} else if (what < 6) {
			T_CHECK(b[i].p[0] == (char)i && b[i].p[b[i].n - 1] == (char)~i);
			b[i].p = realloc(b[i].p, n);
			T_CHECK(b[i].p && b[i].p[0] == (char)i);
			b[i].n = n;
		} else {
			free(b[i].p);
			b[i].p = NULL;
			continue;
		}
		b[i].p[0] = i;
		b[i].p[b[i].n - 1] = ~i;
		if (k % 1000 == 999)
			malloc_trim(0);
	}
	for (k = 0; k < LIVE; k++)
		free(b[k].p);
	return NULL;
}

static void exact(void)
{
	void (*stats)(struct bm_stats *) = (void (*)(struct bm_stats *))t_sym("bm_stats");
	struct bm_stats a, b;
	void *p[20];
	int i;

	if (!stats)
		return;
	stats(&a);
	for (i = 0; i < 20; i++)
		p[i] = malloc(5 << 20);
	stats(&b);
	T_CHECK(b.large_bytes - a.large_bytes <= 20 * ((5 << 20) + a.page_size), "%zu bytes",
		b.large_bytes - a.large_bytes);
	for (i = 0; i < 20; i++)
		free(p[i]);
}

int main(void)
{
	int before, peak = 0, now, i, round;
	pthread_t th[4];

	t_start("stress/mappings", t_long() ? 600 : 60);
	before = mappings();
	exact();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 4; i++)
			T_CHECK(!pthread_create(&th[i], NULL, work, (void *)(uintptr_t)(4 * round + i)));
		for (i = 0; i < 40; i++) {
			usleep(20000);
			now = mappings();
			if (now > peak)
				peak = now;
		}
		for (i = 0; i < 4; i++)
			pthread_join(th[i], NULL);
	}
	now = mappings();
	t_say("mappings: %d, at most %d, %d at the end", before, peak, now);
	if (t_sabotage("grow"))
		peak += LIMIT;
	T_CHECK(peak < before + LIMIT);
	return t_done();
}
