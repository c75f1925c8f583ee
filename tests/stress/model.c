/* SPDX-License-Identifier: MIT */
/*
 * Random operations against a naive twin: 1, 2 and 8 threads; sizes spread
 * over the logarithm to 8 MiB; each block is filled from its own key and
 * checked before it changes or goes. With one thread the twin also keeps the
 * list of intervals and looks for overlaps. Blocks wander between threads.
 */
#include "../lib/t.h"

enum { SLOTS = 700, MAILBOX = 64 };

struct block {
	void *ptr;
	size_t size;
	uint64_t key;
};

static struct {
	pthread_mutex_t lock;
	struct block b;
} mailbox[MAILBOX];

static _Atomic size_t live;
static size_t live_max = 192 << 20;
static int alone;

static void check(const struct block *b, const char *when)
{
	ssize_t bad = b->ptr ? t_verify(b->ptr, b->size, b->key) : -1;

	if (bad >= 0)
		t_fail("block %p of %zu bytes: wrong at %zd (%s)", b->ptr, b->size, bad, when);
}

static void overlaps(const struct block *tab, const struct block *b)
{
	uintptr_t lo = (uintptr_t)b->ptr, hi = lo + (b->size ? b->size : 1);
	int i;

	for (i = 0; i < SLOTS; i++) {
		uintptr_t l = (uintptr_t)tab[i].ptr;

		if (l && b != &tab[i] && lo < l + (tab[i].size ? tab[i].size : 1) && l < hi)
			t_fail("%p of %zu bytes overlaps %p of %zu", b->ptr, b->size,
			       tab[i].ptr, tab[i].size);
	}
}

static void drop(struct block *b)
{
	check(b, "free");
	if (b->ptr) {
		if (t_sabotage("skip-free") && b->size > 1000)
			;
		else
			free(b->ptr);
		atomic_fetch_sub(&live, b->size);
	}
	memset(b, 0, sizeof(*b));
}

static size_t pick_size(uint64_t *rnd)
{
	size_t n = t_below(rnd, 40) ? t_logsize(rnd, 16384)
		 : t_below(rnd, 8) ? t_logsize(rnd, 256 << 10) : t_logsize(rnd, 8 << 20);

	return t_below(rnd, 300) ? n : 0;
}

static void fresh(struct block *b, struct block *tab, uint64_t *rnd)
{
	size_t n = pick_size(rnd), align = 16;
	unsigned how = t_below(rnd, 10);

	drop(b);
	if (atomic_load(&live) + n > live_max)
		return;
	b->size = n;
	if (how < 6) {
		b->ptr = malloc(n);
	} else if (how < 8) {
		ssize_t dirt;

		b->ptr = calloc(1, n);
		dirt = b->ptr ? t_first_nonzero(b->ptr, n) : -1;
		T_CHECK(dirt < 0, "calloc of %zu: byte %zd", n, dirt);
	} else {
		align = (size_t)8 << t_below(rnd, n > 100000 ? 18 : 12);
		b->ptr = memalign(align, n);
	}
	T_CHECK(b->ptr, "%zu bytes, align %zu: %s", n, align, strerror(errno));
	T_CHECK(((uintptr_t)b->ptr & ((align < 16 ? 16 : align) - 1)) == 0, "%p, align %zu",
		b->ptr, align);
	T_CHECK(malloc_usable_size(b->ptr) >= n);
	atomic_fetch_add(&live, n);
	if (alone)
		overlaps(tab, b);
	b->key = t_rand(rnd) ^ (uintptr_t)b->ptr;
	t_fill(b->ptr, n, b->key);
	if (t_sabotage("flip") && t_below(rnd, 1000) == 0 && n)
		((char *)b->ptr)[0] ^= 1;
}

static void resize(struct block *b, struct block *tab, uint64_t *rnd)
{
	size_t n = t_below(rnd, 2) ? pick_size(rnd) : b->size + t_below(rnd, b->size / 4 + 64);
	size_t keep;
	void *p;
	ssize_t bad;

	if (!b->ptr || !n || n > 8 << 20 || atomic_load(&live) + n > live_max)
		return;
	check(b, "realloc");
	keep = n < b->size ? n : b->size;
	p = realloc(b->ptr, n);
	T_CHECK(p, "realloc %zu -> %zu: %s", b->size, n, strerror(errno));
	bad = t_verify_part(p, b->size, b->key, keep);
	T_CHECK(bad < 0, "realloc %p %zu -> %p %zu: wrong at %zd", b->ptr, b->size, p, n, bad);
	atomic_fetch_add(&live, n - b->size);
	b->ptr = p;
	b->size = n;
	if (alone)
		overlaps(tab, b);
	b->key = t_rand(rnd) ^ (uintptr_t)p;
	t_fill(p, n, b->key);
}

static void swap(struct block *b, uint64_t *rnd)
{
	int i = t_below(rnd, MAILBOX);
	struct block tmp;

	pthread_mutex_lock(&mailbox[i].lock);
	tmp = mailbox[i].b;
	mailbox[i].b = *b;
	pthread_mutex_unlock(&mailbox[i].lock);
	*b = tmp;
	check(b, "handed over");
}

struct job {
	unsigned stream;
	long ops;
	double until;
};

static void *work(void *arg)
{
	struct job *job = arg;
	uint64_t rnd = t_seed_for(job->stream);
	static __thread struct block tab[SLOTS];
	long k;
	int i;

	for (k = 0; k < job->ops; k++) {
		struct block *b = &tab[t_below(&rnd, SLOTS)];
		unsigned what = t_below(&rnd, 100);

		if (what < 45)
			fresh(b, tab, &rnd);
		else if (what < 65)
			drop(b);
		else if (what < 85)
			resize(b, tab, &rnd);
		else if (!alone)
			swap(b, &rnd);
		if ((k & 0x3fff) == 0 && t_below(&rnd, 4) == 0)
			malloc_trim(0);
		if ((k & 255) == 0 && t_now() > job->until)
			break;
	}
	for (i = 0; i < SLOTS; i++)
		drop(&tab[i]);
	return NULL;
}

static void run(int threads, double seconds)
{
	struct job job[8];
	pthread_t th[8];
	int i;

	alone = threads == 1;
	for (i = 0; i < threads; i++) {
		job[i] = (struct job){ 100 * threads + i, 100000000, t_now() + seconds };
		if (threads == 1)
			work(&job[i]);
		else
			T_CHECK(!pthread_create(&th[i], NULL, work, &job[i]));
	}
	for (i = 0; threads > 1 && i < threads; i++)
		pthread_join(th[i], NULL);
	for (i = 0; i < MAILBOX; i++)
		drop(&mailbox[i].b);
	T_CHECK(atomic_load(&live) == 0);
}

int main(void)
{
	double s = getenv("BM_SECONDS") ? atof(getenv("BM_SECONDS")) : t_long() ? 60 : 1.5;
	size_t rss;
	int i;

	t_start("stress/model", t_long() ? 600 : 60);
	for (i = 0; i < MAILBOX; i++)
		pthread_mutex_init(&mailbox[i].lock, NULL);
	run(1, s);
	if (!getenv("BM_SINGLE")) {	/* rseq:fake is for one thread */
		run(2, s);
		run(8, s);
	}
	malloc_trim(0);
	rss = t_rss();
	if (t_ours() && t_rss_counts())
		T_CHECK(rss < (48 << 20), "%zu bytes resident after everything was freed", rss);
	return t_done();
}
