/* SPDX-License-Identifier: MIT */
/*
 * What:  the micro loops: each allocates and frees in one pattern and knows
 *        nothing of the allocator, so that any library may be preloaded.
 * Door:  loops NAME [COUNT]   prints nanoseconds a pair, peak KiB, and the
 *                             file whose malloc it was
 *        loops --list         name, threads, what it does
 *        loops --owner        that file, and where its malloc and free are
 *        loops --touch MIB    touches memory, so that the host has given it
 *                             before a measured run asks for it
 * Invariant: a pair is one allocation and one free; with several threads the
 *        time is that of the wall clock over the pairs of all threads. Only
 *        fs differs: both threads do the whole count, each at its own pace.
 * See:   bench/compare.py runs these side by side.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_THREADS 64

struct loop {
	const char *name;
	int threads;
	/* returns the nanoseconds that the pairs took */
	double (*run)(const struct loop *loop, long pairs);
	long pairs;		/* unless the command line says so */
	long live;		/* objects alive at a time, for each thread */
	long min, max;		/* sizes */
	const char *what;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The compiler must believe that somebody looks at p. */
static inline void *keep(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "loops: out of memory\n");
		exit(1);
	}
	return p;
}

/* Marsaglia's xorshift, 13-7-17: never 0, 2^64 - 1 states. */
struct dice {
	uint64_t state;
};

static inline uint64_t roll(struct dice *d)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return d->state;
}

/* A number below n (n < 2^32), without a division. */
static inline uint32_t below(struct dice *d, uint32_t n)
{
	return ((roll(d) >> 32) * n) >> 32;
}

static struct dice seeded(uint64_t n)
{
	struct dice d = { 0x9e3779b97f4a7c15u * (n + 1) };
	int i;

	for (i = 0; i < 8; i++)
		roll(&d);
	return d;
}

/* An object with its first byte written, as any program would. */
static inline char *object(size_t size)
{
	char *p = malloc(size);

	*(volatile char *)p = 1;
	return p;
}

static void in_threads(int n, void *(*fn)(void *), void *args, size_t arg_bytes)
{
	pthread_t t[MAX_THREADS];
	int i;

	for (i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, fn,
				   (char *)args + i * arg_bytes)) {
			fprintf(stderr, "loops: cannot make %d threads\n", n);
			exit(1);
		}
	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/* ---- one thread ---- */

static double run_lifo(const struct loop *l, long pairs)
{
	double start;
	long i;

	for (i = 0; i < 100000; i++)
		free(keep(malloc(l->min)));
	start = now();
	for (i = 0; i < pairs; i++)
		free(keep(malloc(l->min)));
	return now() - start;
}

static double run_stack(const struct loop *l, long pairs)
{
	void *obj[64];
	double start;
	long i;
	int k;

	start = now();
	for (i = 0; i < pairs; i += l->live) {
		for (k = 0; k < l->live; k++)
			obj[k] = object(l->min);
		while (k--)
			free(obj[k]);
	}
	return now() - start;
}

static double run_calloc(const struct loop *l, long pairs)
{
	void *obj[64];
	double start;
	long i;
	int k;

	start = now();
	for (i = 0; i < pairs; i += l->live) {
		for (k = 0; k < l->live; k++) {
			obj[k] = calloc(1, l->min);
			*(volatile char *)obj[k] = 1;
		}
		while (k--)
			free(obj[k]);
	}
	return now() - start;
}

/* Nothing is freed: a heap that grows by cleared objects. */
static double run_grow(const struct loop *l, long pairs)
{
	double start = now();
	long i;

	for (i = 0; i < pairs; i++) {
		char *p = keep(calloc(1, l->min));

		*(volatile char *)p = 1;
	}
	return now() - start;
}

/*
 * Sizes in the order in which they are wanted, made beforehand: the dice are
 * not what is measured.
 */
#define SIZES 65536
static uint16_t sizes[SIZES];

static void roll_sizes(const struct loop *l, struct dice *d)
{
	long i;

	for (i = 0; i < SIZES; i++)
		sizes[i] = l->min + below(d, l->max - l->min + 1);
}

static void **fill(const struct loop *l)
{
	void **obj = must(calloc(l->live, sizeof(*obj)));
	long i;

	for (i = 0; i < l->live; i++)
		obj[i] = object(sizes[i % SIZES]);
	return obj;
}

static void empty(void **obj, long n)
{
	while (n--)
		free(obj[n]);
	free(obj);
}

static double run_ring(const struct loop *l, long pairs)
{
	struct dice d = seeded(0);
	void **obj;
	double start;
	long i, oldest = 0;

	roll_sizes(l, &d);
	obj = fill(l);
	start = now();
	for (i = 0; i < pairs; i++) {
		free(obj[oldest]);
		obj[oldest] = object(sizes[i % SIZES]);
		if (++oldest == l->live)
			oldest = 0;
	}
	start = now() - start;
	empty(obj, l->live);
	return start;
}

static double run_random(const struct loop *l, long pairs)
{
	struct dice d = seeded(0);
	void **obj;
	double start;
	long i;

	roll_sizes(l, &d);
	obj = fill(l);
	start = now();
	for (i = 0; i < pairs; i++) {
		void **victim = &obj[below(&d, l->live)];

		free(*victim);
		*victim = object(sizes[i % SIZES]);
	}
	start = now() - start;
	empty(obj, l->live);
	return start;
}

/* ---- one producer, one consumer ---- */

/*
 * A ring that one thread fills and another empties; each owns one index and
 * tells it at the end of a batch, so that the ring itself costs little.
 */
#define RING 16384
#define BATCH 64

static struct {
	_Alignas(128) long made;	/* the producer's */
	_Alignas(128) long used;	/* the consumer's */
	_Alignas(128) void *slot[RING];
	long total;			/* constant during the run */
} ring;

static void *consume(void *arg)
{
	long i = 0, made;

	(void)arg;
	while (i < ring.total) {
		made = __atomic_load_n(&ring.made, __ATOMIC_ACQUIRE);
		for (; i < made; i++) {
			char *p = ring.slot[i % RING];

			*(volatile char *)p = 2;
			free(p);
		}
		__atomic_store_n(&ring.used, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static double run_pipe(const struct loop *l, long pairs)
{
	double start = now();
	pthread_t consumer;
	long i = 0, end;

	ring.total = pairs;
	if (pthread_create(&consumer, NULL, consume, NULL))
		exit(1);
	while (i < pairs) {
		end = i + BATCH < pairs ? i + BATCH : pairs;
		while (end > __atomic_load_n(&ring.used, __ATOMIC_ACQUIRE) +
			     RING)
			;
		for (; i < end; i++)
			ring.slot[i % RING] = object(l->min);
		__atomic_store_n(&ring.made, i, __ATOMIC_RELEASE);
	}
	pthread_join(consumer, NULL);
	return now() - start;
}

/* ---- false sharing ---- */

#define WRITES 500

struct sharer {
	void *given;		/* a neighbour of the other's, freed first */
	long pairs;
	size_t size;
};

static void *share(void *arg)
{
	struct sharer *s = arg;
	long i;
	int k;

	free(s->given);
	for (i = 0; i < s->pairs; i++) {
		volatile char *p = malloc(s->size);

		for (k = 0; k < WRITES; k++)
			(*p)++;
		free((void *)p);
	}
	return NULL;
}

static double run_sharing(const struct loop *l, long pairs)
{
	struct sharer s[MAX_THREADS];
	double start;
	int i;

	for (i = 0; i < l->threads; i++)
		s[i] = (struct sharer){ object(l->min), pairs, l->min };
	start = now();
	in_threads(l->threads, share, s, sizeof(s[0]));
	return now() - start;
}

/* ---- a server: short-lived threads inherit the objects of others ---- */

#define GENERATIONS 20

struct worker {
	_Alignas(128) void **obj;
	struct dice dice;
	const struct loop *loop;
	long pairs;
};

static void *serve(void *arg)
{
	struct worker *w = arg;
	const struct loop *l = w->loop;
	struct dice d = w->dice;
	long i;

	for (i = 0; i < w->pairs; i++) {
		void **victim = &w->obj[below(&d, l->live)];

		free(*victim);
		*victim = object(l->min + below(&d, l->max - l->min + 1));
	}
	w->dice = d;
	return NULL;
}

static double run_server(const struct loop *l, long pairs)
{
	static struct worker w[MAX_THREADS];
	struct dice d = seeded(0);
	double start;
	int i;

	roll_sizes(l, &d);
	for (i = 0; i < l->threads; i++) {
		w[i].obj = fill(l);
		w[i].dice = seeded(i);
		w[i].loop = l;
		w[i].pairs = pairs / GENERATIONS / l->threads;
	}
	start = now();
	for (i = 0; i < GENERATIONS; i++)
		in_threads(l->threads, serve, w, sizeof(w[0]));
	start = now() - start;
	for (i = 0; i < l->threads; i++)
		empty(w[i].obj, l->live);
	return start;
}

/* ---- many producers ---- */

/*
 * Producers put sacks of objects into one bounded queue; consumers free the
 * objects and the sack. The lock is taken once a sack, so the allocator is
 * what is measured: every object is freed by another thread.
 */
#define SACK 512
#define QUEUE 64

struct sack {
	struct sack *next;
	int n;
	void *obj[SACK];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	struct sack *first, **last;
	int n;
	long left;		/* objects that nobody has taken yet */
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .more = PTHREAD_COND_INITIALIZER,
	    .less = PTHREAD_COND_INITIALIZER };

static void put(struct sack *s)
{
	s->next = NULL;
	pthread_mutex_lock(&queue.lock);
	while (queue.n >= QUEUE)
		pthread_cond_wait(&queue.less, &queue.lock);
	*queue.last = s;
	queue.last = &s->next;
	queue.n++;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

/* NULL: no sack will ever come. */
static struct sack *take(void)
{
	struct sack *s = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.n && queue.left)
		pthread_cond_wait(&queue.more, &queue.lock);
	if (queue.n) {
		s = queue.first;
		queue.first = s->next;
		if (!queue.first)
			queue.last = &queue.first;
		queue.n--;
		queue.left -= s->n;
		if (!queue.left)	/* nobody needs to wait any longer */
			pthread_cond_broadcast(&queue.more);
		pthread_cond_signal(&queue.less);
	}
	pthread_mutex_unlock(&queue.lock);
	return s;
}

static void *produce_sacks(struct worker *w)
{
	const struct loop *l = w->loop;
	long left = w->pairs;

	while (left) {
		struct sack *s = must(malloc(sizeof(*s)));

		for (s->n = 0; s->n < SACK && left; s->n++, left--)
			s->obj[s->n] = object(l->min +
				below(&w->dice, l->max - l->min + 1));
		put(s);
	}
	return NULL;
}

static void *consume_sacks(void)
{
	struct sack *s;

	while ((s = take())) {
		while (s->n--) {
			*(volatile char *)s->obj[s->n] = 2;
			free(s->obj[s->n]);
		}
		free(s);
	}
	return NULL;
}

static void *carry(void *arg)
{
	struct worker *w = arg;

	return w->pairs ? produce_sacks(w) : consume_sacks();
}

/* live: how many of the threads are consumers */
static double run_sacks(const struct loop *l, long pairs)
{
	static struct worker w[MAX_THREADS];
	int producers = l->threads - l->live, i;
	double start;

	queue.last = &queue.first;
	for (i = 0; i < l->threads; i++) {
		w[i].loop = l;
		w[i].dice = seeded(i);
		w[i].pairs = i < producers ? pairs / producers : 0;
		queue.left += w[i].pairs;
	}
	start = now();
	in_threads(l->threads, carry, w, sizeof(w[0]));
	return now() - start;
}

/*
 * Mailboxes: each thread keeps objects of its own and now and then exchanges
 * one with a mailbox that all see, so any object may be freed anywhere. Most
 * objects are small; one in 16 is up to 16 KiB, one in 512 up to 256 KiB.
 */
#define MAILBOXES 1024

static void *mailbox[MAILBOXES];

static size_t mixed_size(struct dice *d)
{
	uint32_t kind = below(d, 512);

	if (kind == 0)
		return 1 + below(d, 256 << 10);
	if (kind < 32)
		return 1 + below(d, 16 << 10);
	return 1 + below(d, 1 << 10);
}

static void *post(void *arg)
{
	struct worker *w = arg;
	struct dice d = w->dice;
	long i, live = w->loop->live;
	void **mine;

	mine = must(calloc(live, sizeof(*mine)));
	for (i = 0; i < w->pairs; i++) {
		size_t size = mixed_size(&d);
		void **p = &mine[below(&d, live)];
		char *new = object(size);

		*(volatile char *)(new + size - 1) = 1;
		free(*p);
		*p = new;
		if (!(i & 3))
			*p = __atomic_exchange_n(
				&mailbox[below(&d, MAILBOXES)], new,
				__ATOMIC_ACQ_REL);
	}
	w->dice = d;
	empty(mine, live);
	return NULL;
}

static double run_mail(const struct loop *l, long pairs)
{
	static struct worker w[MAX_THREADS];
	double start;
	int i;

	for (i = 0; i < l->threads; i++) {
		w[i].loop = l;
		w[i].dice = seeded(i);
		w[i].pairs = pairs / GENERATIONS / l->threads;
	}
	start = now();
	for (i = 0; i < GENERATIONS; i++)
		in_threads(l->threads, post, w, sizeof(w[0]));
	for (i = 0; i < MAILBOXES; i++)
		free(mailbox[i]);
	return now() - start;
}

/* ---- the table ---- */

#define M 1000000
static const struct loop loops[] = {
	{ "lifo", 1, run_lifo, 40 * M, 1, 32, 32, "one object" },
	{ "lifo8", 1, run_stack, 40 * M, 8, 64, 64, "a stack of eight" },
	{ "fifo10k", 1, run_ring, 10 * M, 10000, 16, 1024,
	  "a ring of 10,000, oldest first" },
	{ "rnd10k", 1, run_random, 8 * M, 10000, 16, 1024,
	  "10,000 replaced at random" },
	{ "rnd100k", 1, run_random, 6 * M, 100000, 16, 1024,
	  "100,000 replaced at random" },
	{ "rnd1m", 1, run_random, 5 * M, 1000000, 16, 1024,
	  "1,000,000 replaced at random" },
	{ "rnds100k", 1, run_random, 6 * M, 100000, 16, 64,
	  "100,000 small ones replaced at random" },
	{ "pc", 2, run_pipe, 10 * M, 0, 64, 64, "producer and consumer" },
	{ "fs", 2, run_sharing, 20000, 1, 8, 8,
	  "two threads write neighbours (500 writes a pair)" },
	{ "la2", 2, run_server, 8 * M, 1000, 8, 1000, "server, 2 threads" },
	{ "la8", 8, run_server, 8 * M, 1000, 8, 1000, "server, 8 threads" },
	{ "la32", 32, run_server, 8 * M, 1000, 8, 1000, "server, 32 threads" },
	{ "cal", 1, run_calloc, 10 * M, 64, 128, 128, "calloc, a stack of 64" },
	{ "cb1k", 1, run_grow, 40000, 0, 1000, 1000,
	  "calloc of 1,000 bytes, none freed" },
	{ "cb16k", 1, run_grow, 4000, 0, 16000, 16000,
	  "calloc of 16,000 bytes, none freed" },
	{ "mp2", 3, run_sacks, 6 * M, 1, 8, 512, "2 producers, one consumer" },
	{ "mp4", 5, run_sacks, 6 * M, 1, 8, 512, "4 producers, one consumer" },
	{ "mp8", 9, run_sacks, 6 * M, 1, 8, 512, "8 producers, one consumer" },
	{ "xm2", 4, run_sacks, 8 * M, 2, 64, 64, "2 producers, 2 consumers" },
	{ "xm4", 8, run_sacks, 8 * M, 4, 64, 64, "4 producers, 4 consumers" },
	{ "mb2", 2, run_mail, 4 * M, 500, 0, 0, "mailboxes, 2 threads" },
	{ "mb8", 8, run_mail, 4 * M, 500, 0, 0, "mailboxes, 8 threads" },
};

/*
 * VmHWM rather than getrusage(): ru_maxrss survives exec and would tell the
 * size of the program that started us.
 */
static long peak_kib(void)
{
	char buf[4096], *at = NULL;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0) {
		buf[n] = '\0';
		at = strstr(buf, "VmHWM:");
	}
	return at ? strtol(at + strlen("VmHWM:"), NULL, 10) : 0;
}

static long number(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || end == text || n <= 0) {
		fprintf(stderr, "loops: '%s' is no count\n", text);
		exit(2);
	}
	return n;
}

static int list(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(loops); i++)
		printf("%-9s %2d  %s\n", loops[i].name, loops[i].threads,
		       loops[i].what);
	return 0;
}

static const char *owner(void)
{
	Dl_info info;

	return dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) ? info.dli_fname :
							      "?";
}

static int touch(long mib)
{
	size_t bytes = (size_t)mib << 20, i;
	volatile char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "loops: cannot map %ld MiB\n", mib);
		return 1;
	}
	for (i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct loop *l = NULL;
	size_t i;
	double time;
	long pairs;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	if (argc == 2 && !strcmp(argv[1], "--owner"))
		return printf("%s malloc %p free %p\n", owner(),
			      dlsym(RTLD_DEFAULT, "malloc"),
			      dlsym(RTLD_DEFAULT, "free")) < 0;
	if (argc == 3 && !strcmp(argv[1], "--touch"))
		return touch(number(argv[2]));
	for (i = 0; (argc == 2 || argc == 3) && i < ARRAY_SIZE(loops); i++)
		if (!strcmp(argv[1], loops[i].name))
			l = &loops[i];
	if (!l) {
		fprintf(stderr, "loops: one of the names that --list prints, "
			"please, and perhaps a count\n");
		return 2;
	}
	pairs = argc == 3 ? number(argv[2]) : l->pairs;
	time = l->run(l, pairs);	/* before the peak is asked for */
	printf("%.3f %ld %s\n", time / pairs, peak_kib(), owner());
	return 0;
}
