/* SPDX-License-Identifier: MIT */
/*
 * mmap:serve: what was unmapped comes again, and a program can see it by the
 * time only. Each call that makes a mapping more than ordinary is made on one
 * that would be kept, and after it none of what it did may be found in the
 * next. Then threads and a signal handler at once.
 */
#include "../unit/unit.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "buddymalloc.h"
#include "vma/call.h"
#include "vma/serve.h"
#include "vma/track.h"

static size_t page;
static sigjmp_buf probe;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(probe, 1);
}

static bool reads(const volatile char *p)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER }, old;
	volatile bool can = false;

	sigaction(SIGSEGV, &sa, &old);
	if (!sigsetjmp(probe, 0)) {
		(void)*p;
		can = true;
	}
	sigaction(SIGSEGV, &old, NULL);
	return can;
}

static struct serve_sums sums(void)
{
	struct serve_sums s;

	serve_count(&s);
	return s;
}

static char *map(size_t bytes)
{
	char *p = vma_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			   (void *)0x1234);

	T_CHECK(p != MAP_FAILED && !((uintptr_t)p & (page - 1)));
	return p;
}

static void unmap(void *p, size_t bytes)
{
	T_CHECK(vma_munmap(p, bytes) == 0);
}

/* Every byte is looked at. */
static void check_zero(const char *p, size_t bytes, const char *when)
{
	T_CHECK(!*p && !memcmp(p, p + 1, bytes - 1), "%s: not zero", when);
}

static void fill(char *p, size_t bytes)
{
	memset(p, 0xa5, bytes);
}

/* The habit of this caller and size is to touch it all. */
static void warm(size_t bytes)
{
	for (int i = 0; i < 20; i++) {
		char *p = map(bytes);

		fill(p, bytes);
		unmap(p, bytes);
	}
}

/* Served now: not one in 64 that is to be looked at. */
static char *map_served(size_t bytes)
{
	for (int i = 0; i < 200; i++) {
		uint64_t taken = sums().taken;
		char *p = map(bytes);

		check_zero(p, bytes, "served");
		if (sums().taken > taken)
			return p;
		fill(p, bytes);
		unmap(p, bytes);
	}
	t_fail("%zu bytes are not served", bytes);
	return NULL;
}

static long faults(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}

static void test_cycle(void **state)
{
	(void)state;
	for (size_t bytes = KIB(64); bytes <= MIB(4); bytes *= 4) {
		enum { CYCLES = 256 };
		long before, most;

		warm(bytes);
		before = faults();
		for (int i = 0; i < CYCLES; i++) {
			char *p = map(bytes);

			check_zero(p, bytes, "cycle");
			fill(p, bytes);
			unmap(p, bytes);
		}
		/* One in 64 is new. */
		most = (long)(CYCLES * (bytes / page) / 8 + 200);
		before = faults() - before;
		T_CHECK(before < most, "%zu bytes: %ld faults", bytes, before);
	}
}

/* Nothing is where it was, for the processor and for the kernel. */
static void test_gone(void **state)
{
	size_t bytes = KIB(256);
	int faulted = 0;

	(void)state;
	warm(bytes);
	for (int i = 0; i < 5; i++) {
		char *p = map_served(bytes);
		unsigned char in[64];

		fill(p, bytes);
		unmap(p, bytes);
		/* Nodes for the tree may be mapped just there, once. */
		if (reads(p) || reads(p + bytes - 1))
			continue;
		faulted++;
		T_CHECK(mincore(p, page, in) < 0 && errno == ENOMEM);
		T_CHECK(vma_mprotect(p, page, PROT_READ | PROT_WRITE) < 0 && errno == ENOMEM);
		T_CHECK(vma_madvise(p, page, MADV_DONTNEED) < 0 && errno == ENOMEM);
		T_CHECK(vma_mremap(p, page, 2 * page, MREMAP_MAYMOVE, NULL) == MAP_FAILED && errno == EFAULT);
		T_CHECK(vma_mmap(p, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0, NULL) == p);
		unmap(p, bytes);
	}
	T_CHECK(faulted >= 4);
}

static void test_parts(void **state)
{
	size_t bytes = KIB(512), cuts[][2] = { { 0, 256 }, { 256, 256 }, { 128, 128 }, { 0, 16 }, { 496, 16 } };

	(void)state;
	warm(bytes);
	for (size_t k = 0; k < ARRAY_SIZE(cuts); k++) {
		char *p = map_served(bytes), *q;
		size_t from = align_down(KIB(cuts[k][0]), page);
		size_t to = align_up(KIB(cuts[k][0] + cuts[k][1]), page);

		fill(p, bytes);
		unmap(p + from, to - from);
		for (size_t i = 0; i < bytes; i += page)
			if (i < from || i >= to)
				T_CHECK(p[i] == (char)0xa5 && p[i + page - 1] == (char)0xa5);
		q = map(to - from);
		check_zero(q, to - from, "a part");
		fill(q, to - from);
		if (from)
			unmap(p, from);
		if (to < bytes)
			unmap(p + to, bytes - to);
		T_CHECK(*q == (char)0xa5);
		unmap(q, to - from);
	}
	/* Two of them, and what may lie between, by one call. */
	char *p = map_served(bytes);

	fill(p, bytes);
	unmap(p, bytes / 2);
	unmap(p, bytes);
}

static void test_remap(void **state)
{
	size_t bytes = KIB(256);

	(void)state;
	warm(bytes);
	warm(2 * bytes);
	for (int i = 0; i < 20; i++) {
		char *p = map_served(bytes);

		fill(p, bytes);
		p = vma_mremap(p, bytes, 2 * bytes, MREMAP_MAYMOVE, NULL);
		T_CHECK(p != MAP_FAILED && p[0] == (char)0xa5 && p[bytes - 1] == (char)0xa5);
		check_zero(p + bytes, bytes, "grown");
		fill(p, 2 * bytes);
		if (i % 2) {
			p = vma_mremap(p, 2 * bytes, bytes, 0, NULL);
			T_CHECK(p != MAP_FAILED && p[bytes - 1] == (char)0xa5);
		}
		unmap(p, i % 2 ? bytes : 2 * bytes);
	}
}

/* What the program did to one, each time another thing. */
static void change(char *p, size_t bytes, unsigned how)
{
	int fd;

	switch (how) {
	case 0:
		T_CHECK(vma_mprotect(p, bytes, PROT_READ) == 0);
		break;
	case 1:
		T_CHECK(vma_mprotect(p + page, page, PROT_NONE) == 0);
		break;
	case 2:
		T_CHECK(vma_madvise(p, bytes, MADV_DONTFORK) == 0);
		break;
	case 3:
		T_CHECK(vma_madvise(p, bytes, MADV_DONTDUMP) == 0);
		break;
	case 4:
		T_CHECK(vma_madvise(p + bytes - page, page, 18 /* WIPEONFORK */) == 0);
		break;
	case 5:
		T_CHECK(vma_mlock(p, page) == 0 || errno == ENOMEM || errno == EPERM);
		break;
	case 6:	/* A file over it: the next one may not be written into it. */
		fd = memfd_create("serve", 0);
		T_CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
		T_CHECK(vma_mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0, NULL) == p);
		fill(p, bytes);
		unmap(p, bytes);
		for (int i = 0; i < 4; i++)
			map(bytes);	/* stays */
		T_CHECK(pread(fd, &how, 1, (off_t)bytes - 1) == 1 && (char)how == (char)0xa5);
		close(fd);
		return;
	case 7:	/* Part of it is another mapping by now. */
		T_CHECK(vma_mmap(p + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0,
				 NULL) == p + page);
		break;
	case 8:
		T_CHECK(vma_mremap(p, bytes, bytes, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL) != MAP_FAILED);
		break;
	case 9:	/* Moved over another one that could have been kept. */
		T_CHECK(vma_mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, map(bytes)) != MAP_FAILED);
		return;
	default:
		T_CHECK(vma_madvise(p, bytes, MADV_DONTNEED) == 0);
		check_zero(p, bytes, "DONTNEED");
	}
	unmap(p, bytes);
}

static void test_changed(void **state)
{
	size_t bytes = KIB(256);

	(void)state;
	for (unsigned how = 0; how < 11; how++) {
		char *p;
		size_t kept;

		warm(bytes);
		p = map_served(bytes);
		fill(p, bytes);
		serve_release();
		kept = sums().kept;
		T_CHECK(kept == 0);
		change(p, bytes, how);
		/* Of the last nothing is left but its emptiness. */
		T_CHECK(how == 10 || sums().kept == kept, "change %u: it was kept", how);
		/* Nothing of it is found in the ones that follow. */
		for (int i = 0; i < 8; i++) {
			p = map(bytes);
			check_zero(p, bytes, "after a change");
			fill(p, bytes);
			unmap(p, bytes);
		}
	}
}

static void test_fork(void **state)
{
	size_t bytes = KIB(256);
	char *p, *q;
	int pipes[2];
	pid_t pid;

	(void)state;
	warm(bytes);
	p = map_served(bytes);
	fill(p, bytes);
	T_CHECK(pipe(pipes) == 0);
	pid = fork();
	T_CHECK(pid >= 0);
	T_CHECK(sums().kept == 0);
	if (!pid) {
		char c;

		t_child(60);
		T_CHECK(read(pipes[0], &c, 1) == 1);
		T_CHECK(p[0] == (char)0xa5 && p[bytes - 1] == (char)0xa5, "the parent's later writes");
		memset(p, 1, bytes);
		unmap(p, bytes);
		warm(bytes);
		q = map_served(bytes);
		unmap(q, bytes);
		_exit(0);
	}
	memset(p, 2, bytes);
	unmap(p, bytes);
	T_CHECK(sums().kept == 0, "pages that a child shares are kept");
	warm(bytes);
	fill(map_served(bytes), bytes);
	T_CHECK(write(pipes[1], "", 1) == 1);
	t_wait_ok(pid, "fork");
	close(pipes[0]);
	close(pipes[1]);
}

/* Of what is touched here and there nothing is kept, and nothing is cleared. */
static void test_sparse(void **state)
{
	size_t bytes = MIB(2);
	uint64_t taken = sums().taken;

	(void)state;
	for (int i = 0; i < 200; i++) {
		char *p = vma_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
				   (void *)0x777);

		T_CHECK(p != MAP_FAILED && !p[page]);
		p[page] = 1;
		unmap(p, bytes);
	}
	T_CHECK(sums().taken == taken);
}

/* There is a bound, and it goes back when it is asked for. */
static void test_bound(void **state)
{
	enum { NR = 100 };
	char *p[NR];

	(void)state;
	warm(MIB(1));
	for (int i = 0; i < NR; i++) {
		p[i] = map(MIB(1));
		fill(p[i], MIB(1));
	}
	for (int i = 0; i < NR; i++)
		unmap(p[i], MIB(1));
	T_CHECK(sums().kept_bytes <= MIB(8) + MIB(64) + MIB(NR) / 8, "%zu kept", sums().kept_bytes);
	T_CHECK(sums().kept_bytes);
	T_CHECK(residents_dirty() << topo.page_shift >= sums().kept_bytes);
	bm_malloc_trim(0);
	T_CHECK(sums().kept == 0 && sums().kept_bytes == 0);
}

static atomic_bool stop;
static atomic_int handled;

/* Calls that interrupt calls. */
static void on_timer(int sig)
{
	int saved = errno;
	size_t bytes = KIB(64);
	char *p = vma_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, (void *)5);

	(void)sig;
	if (p != MAP_FAILED) {
		if (*p || p[bytes - 1])
			t_fail("a handler's mapping is not zero");
		for (size_t i = 0; i < bytes; i += page)
			p[i] = 1;
		vma_munmap(p, bytes);
	}
	handled++;
	errno = saved;
}

static void *racer(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	enum { NR = 6 };
	struct {
		char *p;
		size_t bytes;
	} m[NR] = { { NULL, 0 } };
	char mark = (char)(1 + (uintptr_t)arg);

	for (int i = 0; !atomic_load(&stop); i++) {
		unsigned k = (unsigned)t_below(&rnd, NR);
		size_t part;

		if (!m[k].p) {
			m[k].bytes = align_up(KIB(32) + t_below(&rnd, KIB(600)), page);
			m[k].p = map(m[k].bytes);
			check_zero(m[k].p, m[k].bytes, "a race");
			memset(m[k].p, mark, m[k].bytes);
			continue;
		}
		T_CHECK(m[k].p[0] == mark && !memcmp(m[k].p, m[k].p + 1, m[k].bytes - 1),
			"another thread's bytes");
		part = t_below(&rnd, 4) ? m[k].bytes : align_up(m[k].bytes / 3, page);
		if (i % 97 == 0 && part < m[k].bytes)
			vma_mprotect(m[k].p, part, PROT_READ);
		unmap(m[k].p, part);
		m[k].p += part;
		m[k].bytes -= part;
		if (!m[k].bytes)
			m[k].p = NULL;
	}
	for (unsigned k = 0; k < NR; k++)
		if (m[k].p)
			unmap(m[k].p, m[k].bytes);
	return NULL;
}

static void test_race(void **state)
{
	enum { THREADS = 5 };
	struct itimerval every = { { 0, 700 }, { 0, 700 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_RESTART };
	double until = t_now() + (t_long() ? 60 : 3);
	pthread_t t[THREADS];
	uint64_t taken = sums().taken;
	unsigned forks = 0;

	(void)state;
	atomic_store(&stop, false);
	sigaction(SIGPROF, &sa, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		T_CHECK(pthread_create(&t[i], NULL, racer, (void *)i) == 0);
	setitimer(ITIMER_PROF, &every, NULL);
	while (t_now() < until) {
		struct timespec nap = { 0, 20000000 };
		pid_t pid;

		nanosleep(&nap, NULL);
		if (forks % 3 == 1)
			serve_release();
		if (forks++ % 8)
			continue;
		pid = fork();
		T_CHECK(pid >= 0);
		if (!pid) {
			t_child(60);
			setitimer(ITIMER_PROF, &never, NULL);
			warm(KIB(128));
			fill(map_served(KIB(128)), KIB(128));
			_exit(0);
		}
		t_wait_ok(pid, "fork in a race");
	}
	setitimer(ITIMER_PROF, &never, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	t_say("%d calls in handlers, %u rounds, %zu served", (int)handled, forks,
	      (size_t)(sums().taken - taken));
	T_CHECK(sums().taken > taken);
	T_CHECK(track_reconcile());
}

/* The last: a program that locks all it has is served no more. */
static void test_locked(void **state)
{
	size_t bytes = KIB(256);
	uint64_t taken;

	(void)state;
	warm(bytes);
	T_CHECK(sums().kept);
	vma_mlockall(0);	/* refused, but it was meant */
	T_CHECK(sums().kept == 0);
	taken = sums().taken;
	warm(bytes);
	T_CHECK(sums().taken == taken && sums().kept == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cycle),  cmocka_unit_test(test_gone),
		cmocka_unit_test(test_parts),  cmocka_unit_test(test_remap),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_fork),
		cmocka_unit_test(test_sparse), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_race),   cmocka_unit_test(test_locked),
	};
	const char *conf_of = getenv("BUDDYMALLOC_CONF");
	char with[300];

	(void)argc;
	/* The options are read before main. */
	if (!conf_of || !strstr(conf_of, "mmap:serve")) {
		snprintf(with, sizeof(with), "%s,mmap:serve", conf_of ? conf_of : "");
		setenv("BUDDYMALLOC_CONF", with, 1);
		execv("/proc/self/exe", argv);
		_exit(98);
	}
	t_start("mmap/serve", 200);
	page = (size_t)sysconf(_SC_PAGESIZE);
	bm_free(bm_malloc(1));
	if (!(READ_ONCE(vma_watch) & VMA_SERVE))
		t_skip("the kernel cannot move mappings, or address space is limited");
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : t_done();
}
