/* SPDX-License-Identifier: MIT */
/*
 * Four threads map, unmap, protect, move: in stretches of their own, and
 * wherever the kernel likes, where one gets the addresses that another has just
 * given back; and all of them protect the same pages. Others reconcile the tree
 * and fork meanwhile. Now and then all stand still, and the tree must say what
 * each thread knows of its own, and what the kernel says.
 */
#include "tree.h"

enum { THREADS = 4, STRETCH = 64, PIECES = 40, SHARED = 16 };

static struct worker {
	uint64_t random;
	char *stretch;			/* STRETCH pages */
	struct piece {			/* where the kernel liked */
		char *base;
		size_t pages;
		unsigned prot;
	} piece[PIECES];
} workers[THREADS];

static size_t bytes;
static char *common;			/* SHARED pages */
static pthread_barrier_t stop, go;
static unsigned rounds, steps;
static atomic_bool over;
/* Held by those others while they do something. */
static pthread_mutex_t others_work = PTHREAD_MUTEX_INITIALIZER;

static unsigned any_prot(struct worker *w)
{
	static const unsigned prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE };

	return prots[t_below(&w->random, 4)];
}

static void own_stretch(struct worker *w)
{
	size_t n = 1 + t_below(&w->random, 12), i = t_below(&w->random, STRETCH - n);
	char *at = w->stretch + i * bytes;

	switch (t_below(&w->random, 3)) {
	case 0:
		T_CHECK(vma_mmap(at, n * bytes, (int)any_prot(w), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0,
				 (void *)(uintptr_t)(0x1000 + n)) == at);
		break;
	case 1:
		T_CHECK(!vma_munmap(at, n * bytes));
		break;
	default:
		/* Up to the first hole, and ENOMEM, is an answer too. */
		T_CHECK(!vma_mprotect(at, n * bytes, (int)any_prot(w)) || errno == ENOMEM);
	}
}

static void new_piece(struct worker *w, struct piece *p)
{
	p->pages = 1 + t_below(&w->random, 20);
	p->prot = any_prot(w);
	p->base = vma_mmap(NULL, p->pages * bytes, (int)p->prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			   (void *)(uintptr_t)(0x2000 + (w - workers)));
	T_CHECK(p->base != MAP_FAILED);
}

static void anywhere(struct worker *w)
{
	struct piece *p = &w->piece[t_below(&w->random, PIECES)];
	size_t n = 1 + t_below(&w->random, 20);
	char *to;

	if (!p->base) {
		new_piece(w, p);
		return;
	}
	switch (t_below(&w->random, 4)) {
	case 0:
		p->prot = any_prot(w);
		T_CHECK(!vma_mprotect(p->base, p->pages * bytes, (int)p->prot));
		break;
	case 1:
		to = vma_mremap(p->base, p->pages * bytes, n * bytes, MREMAP_MAYMOVE, NULL);
		T_CHECK(to != MAP_FAILED, "mremap: %s", strerror(errno));
		p->base = to;
		p->pages = n;
		break;
	case 2:
		if (p->pages > 1) {	/* its end */
			p->pages--;
			T_CHECK(!vma_munmap(p->base + p->pages * bytes, bytes));
			break;
		}
		/* fallthrough */
	default:
		T_CHECK(!vma_munmap(p->base, p->pages * bytes));
		p->base = NULL;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned k = 0; k < steps; k++) {
			switch (t_below(&w->random, 5)) {
			case 0:
				own_stretch(w);
				break;
			case 1:
				T_CHECK(!vma_mprotect(common + t_below(&w->random, SHARED) * bytes, bytes,
						      (int)any_prot(w)));
				break;
			default:
				anywhere(w);
			}
		}
		pthread_barrier_wait(&stop);
		pthread_barrier_wait(&go);
	}
	return NULL;
}

static void check_piece(const struct piece *p)
{
	uintptr_t at = (uintptr_t)p->base, end = at + p->pages * bytes;
	struct vma v;

	while (at < end) {
		T_CHECK(track_next(at, &v) && v.start <= at, "%zx is not in the tree", (size_t)at);
		T_CHECK((v.flags & VMA_PROT) == p->prot, "%zx: %x, in the tree %x", (size_t)at, p->prot, v.flags);
		at = v.end;
	}
	tree_compare((uintptr_t)p->base, end);
}

/* All that was ever noted is there: nothing is left of what went. */
static void check_noted(void)
{
	uintptr_t at = 0;
	struct vma v;

	for (; track_next(at, &v); at = v.end)
		if (!(v.flags & VMA_UNSEEN) && (v.start < (uintptr_t)common || v.start >= (uintptr_t)common + SHARED * bytes))
			tree_compare(v.start, v.end);
}

/* What one thread alone changes is right without a look at /proc. */
static void check_tree(void)
{
	if (t_sabotage("tree"))
		track_change((uintptr_t)workers[1].stretch, bytes, VMA_PROT, VMA_EXEC);
	for (struct worker *w = workers; w < workers + THREADS; w++) {
		tree_compare((uintptr_t)w->stretch, (uintptr_t)(w->stretch + STRETCH * bytes));
		for (int i = 0; i < PIECES; i++)
			if (w->piece[i].base)
				check_piece(&w->piece[i]);
	}
	check_noted();
}

static void *reconciles(void *arg)
{
	while (!over) {
		pthread_mutex_lock(&others_work);
		T_CHECK(track_reconcile());
		pthread_mutex_unlock(&others_work);
		usleep(500);
	}
	return arg;
}

static void in_child(void)
{
	t_child(60);
	/* Calls that other threads were in the middle of may be in it or not. */
	tree_reconcile();
	check_noted();
	for (struct worker *w = workers; w < workers + THREADS; w++)
		tree_compare((uintptr_t)w->stretch, (uintptr_t)(w->stretch + STRETCH * bytes));
	tree_compare((uintptr_t)common, (uintptr_t)common + SHARED * bytes);
	tree_check_sums();
	_exit(0);
}

static void *forks(void *arg)
{
	while (!over) {
		pid_t pid;

		pthread_mutex_lock(&others_work);
		pid = fork();
		pthread_mutex_unlock(&others_work);
		T_CHECK(pid >= 0);
		if (!pid)
			in_child();
		t_wait_ok(pid, "fork");
		usleep(5000);
	}
	return arg;
}

static void race(bool others)
{
	pthread_t t[THREADS + 2];
	uint64_t missed = track.missed;
	int n = THREADS;

	over = false;
	for (int i = 0; i < THREADS; i++)
		T_CHECK(!pthread_create(&t[i], NULL, work, &workers[i]));
	if (others) {
		T_CHECK(!pthread_create(&t[n++], NULL, reconciles, NULL));
		T_CHECK(!pthread_create(&t[n++], NULL, forks, NULL));
	}
	for (unsigned r = 0; r < rounds; r++) {
		pthread_barrier_wait(&stop);
		pthread_mutex_lock(&others_work);
		if (r + 1 == rounds)
			over = true;
		T_CHECK(others || (!track.stale && track.missed == missed));
		/* A text of /proc that was read while all changed it is taken in the end. */
		if (track.stale)
			tree_reconcile();
		check_tree();
		/* Whose mprotect of a common page was last only the kernel knows. */
		tree_reconcile();
		tree_compare((uintptr_t)common, (uintptr_t)common + SHARED * bytes);
		tree_check_sums();
		pthread_mutex_unlock(&others_work);
		pthread_barrier_wait(&go);
	}
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static void test_alone(void **state)
{
	(void)state;
	race(false);
}

static void test_with_others(void **state)
{
	(void)state;
	race(true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_alone), cmocka_unit_test(test_with_others) };
	char *area;

	(void)argc;
	tree_tracked(argv);
	t_start("mmap/threads", 200);
	bm_free(bm_malloc(1));
	T_CHECK(READ_ONCE(vma_watch) & VMA_TRACK);
	bytes = (size_t)sysconf(_SC_PAGESIZE);
	rounds = t_long() ? 200 : 20;
	steps = getenv("BM_SLOW") ? 200 : 4000;
	area = tree_area((2 * THREADS + 2) * STRETCH * bytes);
	common = area + STRETCH / 2 * bytes;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].random = t_seed_for(i);
		workers[i].stretch = area + (2 * i + 2) * STRETCH * bytes;
	}
	T_CHECK(!pthread_barrier_init(&stop, NULL, THREADS + 1) && !pthread_barrier_init(&go, NULL, THREADS + 1));
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : t_done();
}
