/* SPDX-License-Identifier: MIT */
/*
 * Named caches have the rows, sheaves and barns that malloc's classes have, as
 * long as there are classes for them: more caches than classes, a class that
 * goes from one cache to the next, objects that wait in other CPUs' sheaves,
 * remote frees, fork children, and constructors, once for each object.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

enum { MAGIC = 0x5ca1ab1e };

struct built {
	uint64_t magic, kind;
	char rest[104];
};

static void construct(void *object)
{
	struct built *b = object;

	b->magic = MAGIC;
	b->kind = 0;
}

static size_t slab_bytes(void)
{
	struct bm_stats s;

	bm_stats(&s);
	return s.slab_bytes;
}

/* Two caches more than twice as many as there are classes for. */
static void many(void **state)
{
	enum { CACHES = 148, OBJECTS = 40 };
	static struct bm_cache *c[CACHES];
	static struct built *p[CACHES][OBJECTS];
	char name[16];
	uint64_t r = t_seed_for(1);

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < CACHES; i++) {
			if (c[i])
				continue;
			snprintf(name, sizeof(name), "many-%d", i);
			c[i] = bm_cache_create(name, sizeof(struct built), 0, 0,
					       i % 2 ? construct : NULL);
			assert_non_null(c[i]);
		}
		for (int n = 0; n < 20000; n++) {
			int i = t_below(&r, CACHES), k = t_below(&r, OBJECTS);
			struct built *b = p[i][k];

			if (b) {
				assert_int_equal(b->kind, i * OBJECTS + k);
				if (t_below(&r, 3))
					bm_cache_free(c[i], b);
				else
					free(b);
				p[i][k] = NULL;
				continue;
			}
			b = p[i][k] = bm_cache_alloc(c[i], 0);
			assert_non_null(b);
			if (i % 2)
				assert_int_equal(b->magic, MAGIC);
			b->kind = i * OBJECTS + k;
		}
		/* One in three stays, and keeps what it has. */
		for (int i = 0; i < CACHES; i++) {
			if (t_below(&r, 3) == 0)
				continue;
			for (int k = 0; k < OBJECTS; k++) {
				if (p[i][k])
					bm_cache_free(c[i], p[i][k]);
				p[i][k] = NULL;
			}
			assert_int_equal(bm_cache_destroy(c[i]), 0);
			c[i] = NULL;
		}
	}
	for (int i = 0; i < CACHES; i++) {
		for (int k = 0; c[i] && k < OBJECTS; k++) {
			if (p[i][k])
				bm_cache_free(c[i], p[i][k]);
			p[i][k] = NULL;
		}
		assert_int_equal(bm_cache_destroy(c[i]), 0);
	}
}

/* ---- every CPU has some in its sheaves ---- */

enum { WORKERS = 4, EACH = 3000 };

static struct bm_cache *shared;
static pthread_barrier_t together;
static struct built *parcel[WORKERS][EACH];
static size_t shared_size = sizeof(struct built);
static int each = EACH;	/* fewer where a tool makes it slow */

/*
 * Frees its own objects and its neighbour's, on the way with free(): sheaves,
 * strangers' rows and barns have some of them in the end.
 */
static void *work(void *arg)
{
	unsigned me = (uintptr_t)arg, next = (me + 1) % WORKERS;
	uint64_t r = t_seed_for(me + 20);

	for (int i = 0; i < each; i++) {
		struct built *b = bm_cache_alloc(shared, 0);

		if (!b || b->magic != MAGIC)
			t_fail("not constructed");
		memset(b->rest, (int)me, shared_size - offsetof(struct built, rest));
		parcel[me][i] = b;
		if (i % 3 == 0)
			bm_cache_free(shared, bm_cache_alloc(shared, 0));
	}
	pthread_barrier_wait(&together);
	for (int i = 0; i < each; i++) {
		struct built *b = parcel[next][i];

		if (b->magic != MAGIC || b->rest[shared_size / 2 -
						offsetof(struct built, rest)] != (char)next)
			t_fail("somebody else's");
		if (t_below(&r, 2))
			bm_cache_free(shared, b);
		else
			free(b);
	}
	pthread_barrier_wait(&together);
	return NULL;
}

static void crowd(void)
{
	pthread_t t[WORKERS];

	if (getenv("BM_SLOW"))
		each = EACH / 10;
	pthread_barrier_init(&together, NULL, WORKERS);
	for (uintptr_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, work, (void *)i), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&together);
}

/* The class is the next cache's at once, which has objects of another size. */
static void reused(void **state)
{
	static const size_t sizes[] = { sizeof(struct built), 1000, 5000, 136 };

	(void)state;
	bm_malloc_trim(0);
	for (int round = 0; round < 12; round++) {
		size_t before = slab_bytes();

		shared_size = sizes[round % 4];
		shared = bm_cache_create("shared", shared_size, 0,
					 round % 3 ? 0 : BM_CACHE_PER_NODE,
					 construct);
		crowd();
		if (round % 2)
			crowd();
		/* All are in sheaves or at home: none is live. */
		assert_int_equal(bm_cache_destroy(shared), 0);
		assert_true(slab_bytes() <= before + (1 << 20));
	}
	shared_size = sizeof(struct built);
}

/* What waits in sheaves is no live object, and what is live is named. */
static void live_ones(void **state)
{
	struct built *b;

	(void)state;
	shared = bm_cache_create("live", sizeof(struct built), 0, 0, construct);
	crowd();
	b = bm_cache_alloc(shared, 0);
	errno = 0;
	assert_int_equal(bm_cache_destroy(shared), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(b->magic, MAGIC);
	crowd();
	bm_cache_free(shared, b);
	assert_int_equal(bm_cache_destroy(shared), 0);
}

/* Shrink and trim reach what other CPUs have. */
static void shrunk(void **state)
{
	struct bm_stats s;

	(void)state;
	bm_stats(&s);
	if (s.rseq && !s.membarrier)
		return;
	for (int trim = 0; trim < 2; trim++) {
		size_t before;

		bm_malloc_trim(0);
		before = slab_bytes();
		shared = bm_cache_create("shrunk", 5000, 0, 0, construct);
		shared_size = 5000;
		crowd();
		if (trim)
			bm_malloc_trim(0);
		else
			bm_cache_shrink(shared);
		assert_int_equal(bm_cache_shrink(shared), 0);
		assert_true(slab_bytes() <= before + (1 << 18));
		assert_int_equal(bm_cache_destroy(shared), 0);
	}
	shared_size = sizeof(struct built);
}

/* ---- each object is constructed once, as long as its slab is there ---- */

enum { KNOWN = 1 << 16 };

static struct known {
	_Atomic(void *) at;
	atomic_int times;
	bool stays;	/* in a slab that is pinned */
} known[KNOWN];
static atomic_int constructed;

static void construct_known(void *object)
{
	uint64_t i = t_mix((uintptr_t)object);

	for (;; i++) {
		struct known *k = &known[i % KNOWN];
		void *none = NULL;

		if (k->at == object || atomic_compare_exchange_strong(&k->at, &none, object) ||
		    none == object) {
			k->times++;
			break;
		}
	}
	construct(object);
	constructed++;
	/* No lock is held. */
	free(malloc(10));
}

static void *churn(void *arg)
{
	static struct built *_Atomic table[4096];
	uint64_t r = t_seed_for((uintptr_t)arg + 40);

	for (int i = 0; i < 60000; i++) {
		struct built *b = t_below(&r, 8) ? NULL : (void *)1, *old;

		if (!b) {
			b = bm_cache_alloc(shared, i % 2 ? BM_GFP_ZERO : 0);
			if (b->magic != MAGIC)
				t_fail("not constructed");
		} else {
			b = NULL;
		}
		old = atomic_exchange(&table[t_below(&r, 4096)], b);
		if (old)
			bm_cache_free(shared, old);
		/* Its sheaves go home, not its slabs: see once(). */
		if (i % 20000 == 999)
			bm_malloc_trim(0);
	}
	if (arg)
		return NULL;
	pthread_barrier_wait(&together);
	for (int i = 0; i < 4096; i++)
		if (table[i])
			bm_cache_free(shared, table[i]);
	return NULL;
}

static void once(void **state)
{
	enum { PINS = 20000 };
	static struct built *pin[PINS];
	pthread_t t[3];
	struct bm_stats stats;
	int others = 0, most = 0;

	(void)state;
	bm_stats(&stats);
	shared = bm_cache_create("once", sizeof(struct built), 0, 0,
				 construct_known);
	/*
	 * One in ten stays, so every slab does. No other is needed; but where
	 * there are several nodes a thread may come to another, and have slabs
	 * there that go.
	 */
	for (int i = 0; i < PINS; i++)
		pin[i] = bm_cache_alloc(shared, 0);
	assert_int_equal(constructed, PINS);
	for (int i = 0; i < KNOWN; i++)
		known[i].stays = known[i].at != NULL;
	for (int i = 0; i < PINS; i++)
		if (i % 10)
			bm_cache_free(shared, pin[i]);
	pthread_barrier_init(&together, NULL, 2);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (int i = 1; i < 3; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_wait(&together);
	pthread_join(t[0], NULL);
	for (int i = 0; i < KNOWN; i++) {
		if (!known[i].stays)
			others += known[i].times;
		if ((known[i].stays || stats.nodes == 1) &&
		    known[i].times > most)
			most = known[i].times;
	}
	t_say("%d objects constructed, %d of them in other slabs", constructed,
	      others);
	assert_int_equal(most, 1);
	assert_int_equal(constructed - others, PINS);
	for (int i = 0; i < PINS; i += 10)
		bm_cache_free(shared, pin[i]);
	assert_int_equal(bm_cache_destroy(shared), 0);
}

/* ---- children ---- */

static atomic_bool stop;

static void *hammer(void *arg)
{
	struct built *b[50] = { NULL };
	uint64_t r = t_seed_for((uintptr_t)arg + 60);

	while (!stop) {
		int i = t_below(&r, 50);

		if (b[i]) {
			if (b[i]->kind != (uintptr_t)arg)
				t_fail("somebody else's");
			b[i]->kind = 0;
			bm_cache_free(shared, b[i]);
			b[i] = NULL;
			continue;
		}
		b[i] = bm_cache_alloc(shared, 0);
		if (b[i]->magic != MAGIC || b[i]->kind)
			t_fail("not constructed");
		b[i]->kind = (uintptr_t)arg;
	}
	for (int i = 0; i < 50; i++)
		if (b[i]) {
			b[i]->kind = 0;
			bm_cache_free(shared, b[i]);
		}
	return NULL;
}

/* In a child nobody else is there; what the threads had out stays out. */
static void in_child(struct built *mine)
{
	enum { N = 2000 };
	static struct built *b[N];
	struct bm_cache *c;

	t_child(30);
	if (mine->kind != 77)
		t_fail("not as it was");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			b[i] = bm_cache_alloc(shared, 0);
			if (!b[i] || b[i]->magic != MAGIC || b[i]->kind)
				t_fail("not constructed, in a child");
			b[i]->kind = 1 + i;
		}
		for (int i = 0; i < N; i++) {
			if (b[i]->kind != 1u + i)
				t_fail("handed out twice, in a child");
			b[i]->kind = 0;
			bm_cache_free(shared, b[i]);
		}
	}
	mine->kind = 0;
	bm_cache_free(shared, mine);
	bm_malloc_trim(0);
	c = bm_cache_create("child's", 300, 0, 0, NULL);
	for (int i = 0; i < 1000; i++)
		bm_cache_free(c, bm_cache_alloc(c, 0));
	if (bm_cache_destroy(c))
		t_fail("a child's own cache");
	_exit(0);
}

/* A tool runs us, of that name ("": any), under which this cannot be tested. */
static bool left_out(const char *what, const char *tool)
{
	const char *wrapper = getenv("TEST_WRAPPER");

	if (!wrapper || !*wrapper || !strstr(wrapper, tool))
		return false;
	t_say("SKIP: %s: under %s", what, wrapper);
	return true;
}

static void children(void **state)
{
	pthread_t t[3];
	struct built *mine;

	(void)state;
	/* The emulator stands still in a child of a program that has threads. */
	if (left_out("children", "qemu"))
		return;
	shared = bm_cache_create("children", sizeof(struct built), 0, 0,
				 construct);
	mine = bm_cache_alloc(shared, 0);
	mine->kind = 77;
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, hammer, (void *)(i + 1));
	for (int i = 0; i < (getenv("BM_SLOW") ? 10 : 40); i++) {
		bool raw = i % 2;
		pid_t pid = raw ? _Fork() : fork();

		if (!pid)
			in_child(mine);
		t_wait_ok(pid, raw ? "_Fork" : "fork");
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	stop = false;
	mine->kind = 0;
	bm_cache_free(shared, mine);
	/* All are in sheaves: a child may end the cache as well. */
	if (!fork()) {
		t_child(30);
		_exit(bm_cache_destroy(shared) != 0);
	} else {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(bm_cache_destroy(shared), 0);
}

/* Caches that come and go, and with them their sheaves. */
static void *renew(void *arg)
{
	void *p[100];

	while (!stop) {
		struct bm_cache *cache = bm_cache_create("renewed", 64 + 16 * (uintptr_t)arg, 0, 0,
							 NULL);

		for (int i = 0; i < 100; i++)
			p[i] = bm_cache_alloc(cache, 0);
		for (int i = 0; i < 100; i++)
			bm_cache_free(cache, p[i]);
		if (bm_cache_destroy(cache))
			t_fail("objects are left");
	}
	return NULL;
}

/* Each object is handed out once, and all go home: in a child of _Fork. */
static void use_and_trim(void)
{
	enum { N = 600 };
	static struct { uint64_t *at; } p[N];

	t_child(30);
	for (int i = 0; i < N; i++) {
		p[i].at = malloc(64 + i % 8 * 16);
		*p[i].at = i;
	}
	for (int i = 0; i < N; i++) {
		if (*p[i].at != (uint64_t)i)
			t_fail("handed out twice");
		free(p[i].at);
	}
	bm_malloc_trim(0);
	_exit(0);
}

/* A copy that is made while a cache's sheaves go is as good as any other. */
static void copied_in_between(void **state)
{
	pthread_t t[2];

	(void)state;
	if (left_out("copied in between", "qemu"))
		return;
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, renew, (void *)i);
	for (int i = 0; i < (getenv("BM_SLOW") ? 15 : 150); i++) {
		pid_t pid = _Fork();

		if (!pid)
			use_and_trim();
		t_wait_ok(pid, "_Fork");
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	stop = false;
}

/*
 * The fence is refused, from now on or (in a program that is run) from the
 * start: what other CPUs have stays there, and is still nobody's object.
 */
static void refuse_fence(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		t_say("SKIP: no filters of system calls here");
		_exit(0);
	}
}

static void without_fence(void)
{
	struct built *mine;
	pid_t pid;

	shared = bm_cache_create("unfenced", sizeof(struct built), 0, 0,
				 construct);
	crowd();
	mine = bm_cache_alloc(shared, 0);
	mine->kind = 77;
	pid = fork();
	if (!pid)
		in_child(mine);
	t_wait_ok(pid, "fork");
	bm_cache_shrink(shared);
	bm_malloc_trim(0);
	crowd();
	mine->kind = 0;
	bm_cache_free(shared, mine);
	_exit(bm_cache_destroy(shared) != 0);
}

static void unfenced(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		t_child(60);
		refuse_fence();
		without_fence();
	}
	t_wait_ok(pid, "refused later");
	/* valgrind and the emulator do not follow a program into another. */
	if (left_out("refused from the start", ""))
		return;
	pid = fork();
	if (!pid) {
		t_child(60);
		refuse_fence();
		setenv("BM_UNFENCED", "1", 1);
		execl("/proc/self/exe", "classes", (char *)NULL);
		_exit(1);
	}
	t_wait_ok(pid, "refused from the start");
}

/* A vfork child shares the memory, and keeps to the locked paths. */
static void vforked(void **state)
{
	struct bm_cache *c = bm_cache_create("vfork", 200, 0, 0, construct);
	struct built *b = bm_cache_alloc(c, 0);
	pid_t pid;

	(void)state;
	pid = vfork();
	if (!pid) {
		bm_cache_free(c, b);
		b = bm_cache_alloc(c, 0);
		_exit(b->magic != MAGIC);
	}
	t_wait_ok(pid, "vfork");
	bm_cache_free(c, b);
	assert_int_equal(bm_cache_destroy(c), 0);
}

/* ---- caches come and go while all slots are stopped again and again ---- */

static void *come_and_go(void *arg)
{
	uint64_t r = t_seed_for((uintptr_t)arg + 80);
	double end = t_now() + 1.5;

	while (t_now() < end) {
		struct bm_cache *c[8];
		void *p[100];

		for (int i = 0; i < 8; i++)
			c[i] = bm_cache_create("come", 16 + t_below(&r, 3000), 0,
					       0, NULL);
		for (int i = 0; i < 8; i++) {
			int n = t_below(&r, 100);

			assert_int_equal(bm_cache_alloc_bulk(c[i], 0, n, p), n);
			for (int k = 0; k < n; k++)
				memset(p[k], k, 16);
			bm_cache_free_bulk(c[i], n, p);
			if (bm_cache_destroy(c[i]))
				t_fail("destroy");
		}
	}
	return NULL;
}

static void *stop_all(void *arg)
{
	struct bm_stats s;
	int null = open("/dev/null", O_WRONLY);

	(void)arg;
	while (!stop) {
		bm_malloc_trim(0);
		bm_stats(&s);
		bm_stats_print(null, BM_VIEW_SLABINFO);
		bm_compact();
		usleep(500);
	}
	close(null);
	return NULL;
}

static void restless(void **state)
{
	pthread_t t[4];

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, i ? come_and_go : stop_all, (void *)i);
	for (int i = 1; i < 4; i++)
		pthread_join(t[i], NULL);
	stop = true;
	pthread_join(t[0], NULL);
	stop = false;
}

/* Before main: the library has started, cmocka has not. */
__attribute__((constructor)) static void if_unfenced(void)
{
	if (getenv("BM_UNFENCED"))
		without_fence();
}

CM_MAIN("api/classes", 120, cmocka_unit_test(many), cmocka_unit_test(reused),
	cmocka_unit_test(live_ones), cmocka_unit_test(shrunk),
	cmocka_unit_test(once), cmocka_unit_test(children), cmocka_unit_test(copied_in_between),
	cmocka_unit_test(unfenced), cmocka_unit_test(vforked), cmocka_unit_test(restless))
