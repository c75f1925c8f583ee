/* SPDX-License-Identifier: MIT */
/*
 * Hooks: what they are told of each call, in which order; that their own calls
 * are not told; several at once, coming and going in the middle of a call and
 * against other threads; fork. And bm_mmap() with its kin.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"

enum { ALL = BM_EVENT_MALLOC | BM_EVENT_FREE | BM_EVENT_REALLOC | BM_EVENT_MMAP | BM_EVENT_MUNMAP |
	     BM_EVENT_MREMAP };
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static struct told {
	struct bm_event e;
	bool after;
} told[64];
static volatile int nr;

static void note(const struct bm_event *e, bool after)
{
	if (nr < 64)
		told[nr] = (struct told){ *e, after };
	nr++;
}

static void note_before(const struct bm_event *e, void *arg)
{
	assert_ptr_equal(arg, told);
	note(e, false);
	errno = 77;
}

static void note_after(const struct bm_event *e, void *arg)
{
	assert_ptr_equal(arg, told);
	note(e, true);
	errno = 78;
}

/* The next two told are before and after of this. */
static int at;
static const struct bm_event *pair(unsigned what, const void *ptr, const void *result, size_t size)
{
	const struct told *t = told + at;

	at += 2;
	T_CHECK(at <= nr, "told %d, not %d", nr, at);
	T_CHECK(t[0].e.what == what && t[1].e.what == what, "%x %x, not %x", t[0].e.what, t[1].e.what, what);
	T_CHECK(!t[0].after && t[1].after);
	T_CHECK(t[0].e.ptr == ptr && t[1].e.ptr == ptr, "%p %p, not %p", t[0].e.ptr, t[1].e.ptr, ptr);
	T_CHECK(!t[0].e.result && t[1].e.result == result, "%p, not %p", t[1].e.result, result);
	T_CHECK(t[0].e.size == size && t[1].e.size == size);
	T_CHECK(!t[0].e.error);
	return &t[1].e;
}

static int begin(unsigned events)
{
	int id = bm_register_hook(events, note_before, note_after, told);

	T_CHECK(id >= 0);
	nr = at = 0;
	return id;
}

static void end(int id)
{
	assert_int_equal(at, nr);
	assert_int_equal(bm_unregister_hook(id), 0);
	free(malloc(10));
	assert_int_equal(at, nr);
}

static void each_call(void **state)
{
	static const size_t sizes[] = { 1, 100, 32768, 32769, 5000000 };
	int id = begin(ALL);
	void *p, *q;

	(void)state;
	for (int i = 0; i < 5; i++) {
		size_t size = sizes[i];

		errno = 5;
		p = malloc(size);
		free(p);
		assert_int_equal(errno, 5);
		pair(BM_EVENT_MALLOC, NULL, p, size);
		pair(BM_EVENT_FREE, p, NULL, 0);
		p = calloc(size, 2);
		pair(BM_EVENT_MALLOC, NULL, p, 2 * size);
		q = realloc(p, size);
		assert_false(pair(BM_EVENT_REALLOC, p, q, size)->error);
		p = realloc(q, 6 * size);
		pair(BM_EVENT_REALLOC, q, p, 6 * size);
		assert_null(realloc(p, 0));
		pair(BM_EVENT_FREE, p, NULL, 0);
		p = realloc(NULL, size);
		pair(BM_EVENT_MALLOC, NULL, p, size);
		free(p);
		pair(BM_EVENT_FREE, p, NULL, 0);
		p = aligned_alloc(256, size);
		assert_int_equal(pair(BM_EVENT_MALLOC, NULL, p, size)->align, 256);
		free(p);
		pair(BM_EVENT_FREE, p, NULL, 0);
		p = bm_kzalloc(size, BM_GFP_NOGROW);
		assert_non_null(p);
		bm_kfree(p);
		at = nr;
		p = bm_malloc_interleaved(size);
		pair(BM_EVENT_MALLOC, NULL, p, size);
		bm_free(p);
		pair(BM_EVENT_FREE, p, NULL, 0);
		p = bm_vmalloc(size);
		pair(BM_EVENT_MALLOC, NULL, p, size);
		q = bm_vrealloc(p, 3 * size);
		pair(BM_EVENT_REALLOC, p, q, 3 * size);
		bm_vfree(q);
		pair(BM_EVENT_FREE, q, NULL, 0);
		assert_int_equal(at, nr);
		nr = at = 0;
	}
	free(NULL);
	assert_null(malloc(cm_huge));
	assert_int_equal(pair(BM_EVENT_MALLOC, NULL, NULL, cm_huge)->error, ENOMEM);
	p = malloc(10);
	at += 2;
	assert_null(realloc(p, cm_huge));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(pair(BM_EVENT_REALLOC, p, NULL, cm_huge)->error, ENOMEM);
	free(p);
	at += 2;
	p = bm_get_free_pages(BM_GFP_MOVABLE, 2);
	assert_non_null(p);
	bm_put_pages(p, 2);
	pair(BM_EVENT_MALLOC, NULL, p, 4 * sysconf(_SC_PAGESIZE));
	pair(BM_EVENT_FREE, p, NULL, 0);
	end(id);
}

static void mappings(void **state)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int id = begin(ALL & ~(BM_EVENT_MALLOC | BM_EVENT_FREE | BM_EVENT_REALLOC));
	void *wish = (void *)(4096 * page);
	const struct bm_event *e;
	char *p, *q;

	(void)state;
	free(malloc(10));
	assert_int_equal(nr, 0);
	p = bm_mmap(wish, 5 * page, RW, ANON | MAP_NORESERVE, -1, 0);
	assert_true(p != MAP_FAILED);
	e = pair(BM_EVENT_MMAP, wish, p, 5 * page);
	assert_int_equal(e->prot, RW);
	assert_int_equal(e->flags, ANON | MAP_NORESERVE);
	assert_int_equal(e->fd, -1);
	p[0] = 7;
	q = bm_mremap(p, 5 * page, 700 * page, MREMAP_MAYMOVE, NULL);
	assert_true(q != MAP_FAILED && q[0] == 7);
	e = pair(BM_EVENT_MREMAP, p, q, 700 * page);
	assert_int_equal(e->old_size, 5 * page);
	assert_int_equal(e->flags, MREMAP_MAYMOVE);
	assert_int_equal(bm_madvise(q, page, MADV_DONTNEED), 0);
	assert_int_equal(q[0], 0);
	assert_int_equal(bm_mprotect(q, page, PROT_READ), 0);
	assert_int_equal(bm_munmap(q, 700 * page), 0);
	assert_false(pair(BM_EVENT_MUNMAP, q, NULL, 700 * page)->error);
	/* Errors are the kernel's. */
	errno = 0;
	assert_int_equal(bm_munmap((char *)page + 1, page), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pair(BM_EVENT_MUNMAP, (char *)page + 1, MAP_FAILED, page)->error, EINVAL);
	assert_true(bm_mmap(NULL, page, RW, MAP_PRIVATE, 12345, 0) == MAP_FAILED);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pair(BM_EVENT_MMAP, NULL, MAP_FAILED, page)->error, EBADF);
	assert_int_equal(bm_mprotect(q, page, PROT_READ), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(bm_madvise((void *)1, page, MADV_NORMAL), -1);
	assert_int_equal(errno, EINVAL);
	end(id);
	p = bm_mmap(NULL, page, RW, ANON, -1, 0);
	assert_int_equal(munmap(p, page), 0);
}

/* libc's malloc is a "leaf": the compiler thinks that it calls nobody here. */
static volatile int depth, deepest, others;

static void allocates(const struct bm_event *e, void *arg)
{
	void *p;

	(void)arg;
	if (++depth > deepest)
		deepest = depth;
	if (e->what == BM_EVENT_FREE && !e->error)
		p = realloc(malloc(40), 90000);
	else
		p = calloc(3, 30);
	free(p);
	p = bm_mmap(NULL, 1, RW, ANON, -1, 0);
	assert_int_equal(bm_munmap(p, 1), 0);
	depth--;
}

static void count(const struct bm_event *e, void *arg)
{
	(void)e;
	++*(volatile int *)arg;
}

static void reentry(void **state)
{
	int a = bm_register_hook(ALL, allocates, allocates, NULL), b = bm_register_hook(ALL, count, NULL, (void *)&others);
	void *p;

	(void)state;
	deepest = others = 0;
	for (int i = 0; i < 1000; i++) {
		p = malloc(1 + i * 50);
		free(p);
	}
	assert_int_equal(deepest, 1);
	assert_int_equal(others, 2000);
	assert_int_equal(bm_unregister_hook(a), 0);
	assert_int_equal(bm_unregister_hook(b), 0);
	free(malloc(1));
	assert_int_equal(others, 2000);
}

/* A block is whole when its end is told, and known when its birth is. */
static volatile size_t last_size;

static void looks(const struct bm_event *e, void *arg)
{
	(void)arg;
	if (e->what == BM_EVENT_FREE)
		last_size = malloc_usable_size(e->ptr);
	if (e->what == BM_EVENT_FREE && last_size >= 6)
		assert_memory_equal(e->ptr, "whole", 6);
}

static void live_block(void **state)
{
	int id = bm_register_hook(BM_EVENT_FREE, looks, NULL, NULL);
	char *p = malloc(1000);

	(void)state;
	strcpy(p, "whole");
	free(p);
	assert_in_range(last_size, 1000, 1300);
	bm_unregister_hook(id);
}

static volatile int self_id, self_calls, second_id, second_calls;

static void leaves(const struct bm_event *e, void *arg)
{
	(void)e;
	(void)arg;
	self_calls++;
	assert_int_equal(bm_unregister_hook(self_id), 0);
	assert_int_equal(bm_unregister_hook(self_id), -1);
	assert_int_equal(errno, ENOENT);
	second_id = bm_register_hook(BM_EVENT_MALLOC, NULL, count, (void *)&second_calls);
	T_CHECK(second_id >= 0 && second_id != self_id);
}

static void inside(void **state)
{
	(void)state;
	self_id = bm_register_hook(BM_EVENT_MALLOC, leaves, leaves, NULL);
	for (int i = 0; i < 3; i++)
		free(malloc(10));
	assert_int_equal(self_calls, 1);
	assert_int_equal(second_calls, 3);
	assert_int_equal(bm_unregister_hook(second_id), 0);
}

static void arguments(void **state)
{
	volatile int calls = 0;
	int ids[100], n = 0;

	(void)state;
	assert_int_equal(bm_register_hook(0, count, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bm_register_hook(64, count, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bm_register_hook(1, NULL, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bm_unregister_hook(-1), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(bm_unregister_hook(0), -1);
	assert_int_equal(bm_unregister_hook(1000), -1);
	while (n < 100 && (ids[n] = bm_register_hook(BM_EVENT_MALLOC, count, NULL, (void *)&calls)) >= 0)
		n++;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(n, 32);
	free(malloc(1));
	assert_int_equal(calls, n);
	while (n--)
		assert_int_equal(bm_unregister_hook(ids[n]), 0);
}

/* ---- against other threads ---- */
static atomic_bool in_it, go_on, stop;
static atomic_int gone, waited;

static void waits(const struct bm_event *e, void *arg)
{
	(void)e;
	T_CHECK(!*(atomic_int *)arg, "called after it was taken away");
	waited++;
	if (in_it)
		return;
	in_it = true;
	while (!go_on)
		usleep(1000);
	T_CHECK(!*(atomic_int *)arg, "taken away while it was in a call");
}

static void *one_call(void *arg)
{
	(void)arg;
	free(malloc(10));
	return NULL;
}

static void *release_it(void *arg)
{
	(void)arg;
	usleep(50000);
	go_on = true;
	return NULL;
}

/* A child has none of the other threads that are in a hook. */
static void child_takes_it_away(int id)
{
	pid_t pid = fork();

	if (!pid) {
		t_child(60);
		in_it = true;
		waited = 0;
		for (int i = 0; i < 100; i++)
			free(malloc(10));
		T_CHECK(waited == 100, "a child has the hooks too: %d", waited);
		T_CHECK(bm_unregister_hook(id) == 0);
		gone = 1;
		free(malloc(10));
		_exit(0);
	}
	t_wait_ok(pid, "fork");
}

static void removal_waits(void **state)
{
	pthread_t caller, releaser;
	int id;

	(void)state;
	gone = 0;
	in_it = true;	/* not in the calls of this thread */
	id = bm_register_hook(BM_EVENT_FREE, waits, NULL, &gone);
	in_it = go_on = false;
	T_CHECK(!pthread_create(&caller, NULL, one_call, NULL));
	while (!in_it)
		usleep(1000);
	child_takes_it_away(id);
	T_CHECK(!pthread_create(&releaser, NULL, release_it, NULL));
	assert_int_equal(bm_unregister_hook(id), 0);
	gone = 1;
	assert_true(go_on);
	pthread_join(caller, NULL);
	pthread_join(releaser, NULL);
}

static atomic_int live[4], calls;

static void must_live(const struct bm_event *e, void *arg)
{
	atomic_int *mine = arg;

	T_CHECK(*mine, "called after it was taken away");
	calls++;
	if (e->what == BM_EVENT_FREE)
		free(malloc(50));
	T_CHECK(*mine, "taken away in the middle of a call");
}

static void *works(void *arg)
{
	uint64_t s = t_seed_for((unsigned)(uintptr_t)arg);
	void *p[64] = { 0 };

	while (!stop) {
		unsigned i = t_below(&s, 64);

		free(p[i]);
		p[i] = malloc(1 + t_below(&s, 2000));
		if (i == 0) {
			void *m = bm_mmap(NULL, 4096, RW, ANON, -1, 0);

			T_CHECK(m != MAP_FAILED && !bm_munmap(m, 4096));
		}
	}
	for (int i = 0; i < 64; i++)
		free(p[i]);
	return NULL;
}

static void come_and_go(unsigned k, uint64_t *s)
{
	int id;

	live[k] = 1;
	id = bm_register_hook(1 + t_below(s, ALL), must_live, must_live, &live[k]);
	T_CHECK(id >= 0);
	for (unsigned n = t_below(s, 50); n--;)
		free(malloc(n));
	T_CHECK(bm_unregister_hook(id) == 0);
	live[k] = 0;
}

static void *comes_and_goes(void *arg)
{
	unsigned k = (unsigned)(uintptr_t)arg;
	uint64_t s = t_seed_for(100 + k);

	while (!stop)
		come_and_go(k, &s);
	return NULL;
}

static void races(void **state)
{
	pthread_t t[6];
	double until;

	(void)state;
	stop = false;
	for (uintptr_t i = 0; i < 6; i++) {
		int error = pthread_create(&t[i], NULL, i < 3 ? works : comes_and_goes, (void *)(i % 3));

		T_CHECK(!error);
	}
	until = t_now() + (t_long() ? 20 : 2);
	while (t_now() < until) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (!pid) {
			uint64_t s = t_seed_for(7);

			t_child(60);
			come_and_go(3, &s);
			_exit(0);
		}
		t_wait_ok(pid, "fork");
	}
	stop = true;
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	T_CHECK(calls > 0);
}

/* Inside a hook: its child is still in it, and may take it away later. */
static volatile pid_t forked;

static void forks(const struct bm_event *e, void *arg)
{
	(void)e;
	(void)arg;
	if (forked < 0)
		forked = fork();
}

static void fork_inside(void **state)
{
	int id = bm_register_hook(BM_EVENT_MALLOC, forks, NULL, NULL), other;
	volatile int n = 0;

	(void)state;
	forked = -1;
	free(malloc(10));
	if (!forked) {
		t_child(60);
		T_CHECK(bm_unregister_hook(id) == 0);
		other = bm_register_hook(BM_EVENT_MALLOC, NULL, count, (void *)&n);
		free(malloc(10));
		T_CHECK(n == 1 && bm_unregister_hook(other) == 0);
		_exit(0);
	}
	assert_true(forked > 0);
	t_wait_ok(forked, "fork in a hook");
	assert_int_equal(bm_unregister_hook(id), 0);
}

/* With hooks or without, the same blocks are the heap's afterwards. */
static void heap_stays_whole(void **state)
{
	static void *p[2000];
	volatile int n = 0;
	int id;

	(void)state;
	for (int round = 0; round < 20; round++) {
		id = round & 1 ? bm_register_hook(BM_EVENT_FREE, NULL, count, (void *)&n) : -1;
		for (int i = 0; i < 2000; i++) {
			if (p[i])
				T_CHECK(t_verify(p[i], 8 + i, i) < 0);
			free(p[i]);
			p[i] = malloc(8 + i);
			t_fill(p[i], 8 + i, i);
		}
		if (id >= 0)
			assert_int_equal(bm_unregister_hook(id), 0);
	}
	for (int i = 0; i < 2000; i++) {
		T_CHECK(t_verify(p[i], 8 + i, i) < 0);
		free(p[i]);
	}
	assert_int_equal(n, 20000);
}

CM_MAIN("events", 120, cmocka_unit_test(each_call), cmocka_unit_test(mappings), cmocka_unit_test(reentry),
	cmocka_unit_test(live_block), cmocka_unit_test(inside), cmocka_unit_test(arguments),
	cmocka_unit_test(removal_waits), cmocka_unit_test(races), cmocka_unit_test(fork_inside),
	cmocka_unit_test(heap_stays_whole))
