/* SPDX-License-Identifier: MIT */
/*
 * What:  plays recorded traces: a row for each file in bench/traces, or in
 *        the directory that BENCH_TRACES names. An operation is a call:
 *        malloc, free, realloc, or the start of a thread.
 * Door:  trace_works[], filled before main().
 * Invariant: each call is made by the thread that made it in the record.
 *        Whoever frees an object of another thread waits until it is there,
 *        and no thread runs ahead by more than an epoch, so what is alive at
 *        a time is what was alive in the record.
 *        Each object is written to once in 64 bytes up to a page, then once a
 *        page; its first and last mark are read back when it goes, and those
 *        of what realloc() kept.
 * Memory: the player's own is not malloc's, and small (see bmt.h): 16 bytes
 *        for each object that is alive.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bmt.h"
#include "../harness.h"

#define MAX_TRACES 64

struct slot {
	_Atomic(char *) p;
	uint32_t request, mark;
};

struct player {
	struct trace *trace;
	struct slot *own;
	uint32_t number;
	uint64_t sum;
};

struct trace {
	struct bmt bmt;
	struct player *player;
	struct slot *own, *shared;
	size_t own_slots;
	uint32_t limit;			/* epochs that this pass plays */
	_Atomic uint32_t *done;		/* operations of each epoch */
	_Atomic uint32_t complete;	/* epochs that are over: a futex */
	_Atomic uint32_t waiting;	/* threads in that futex */
	_Atomic uint32_t running;	/* threads beside the first: a futex */
};

static struct trace trace;

/* ---- marks ---- */

static inline uint64_t mark_of(uint32_t mark)
{
	return (mark + 1) * 0x9e3779b97f4a7c15u;
}

/* Where the mark after the one at `at` stands. */
static inline uint64_t mark_after(uint64_t at)
{
	return at + (at < 4096 ? 64 : 4096);
}

/* From an offset on; objects below 8 bytes have a mark of one byte. */
static void write_marks(char *p, uint64_t size, uint64_t from, uint32_t mark)
{
	uint64_t at, word = mark_of(mark);

	if (size < 8) {
		if (size)
			*p = (char)word;
		return;
	}
	for (at = 0; at + 8 <= from; at = mark_after(at))
		;
	memcpy(p, &word, 8);
	for (; at + 8 <= size; at = mark_after(at))
		memcpy(p + at, &word, 8);
}

static uint64_t read_mark(const char *p, uint64_t size)
{
	uint64_t first, last, at;

	if (size < 8)
		return size ? (uint8_t)*p : 0;
	/* the last mark: in the lines below a page, then one a page */
	at = size <= 4096 + 7 ? (size - 8) / 64 * 64 :
				(size - 8) / 4096 * 4096;
	memcpy(&first, p, 8);
	memcpy(&last, p + at, 8);
	return first + last;
}

/* What calloc() gives must be 0; it is looked at where it will be marked. */
static uint64_t read_zeros(const char *p, uint64_t size)
{
	uint64_t at, word, any = 0;

	if (size < 8)
		return size ? (uint8_t)*p : 0;
	for (at = 0; at + 8 <= size; at = mark_after(at)) {
		memcpy(&word, p + at, 8);
		any |= word;
	}
	return any;
}

/* ---- waiting ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0);
}

/* Another thread is about to make it. */
static char *await_object(struct slot *slot)
{
	struct timespec nap = { 0, 50000 };
	unsigned int n;
	char *p;

	for (n = 0;; n++) {
		p = atomic_load_explicit(&slot->p, memory_order_acquire);
		if (p)
			return p;
		if (n >= 80)
			nanosleep(&nap, NULL);
		else if (n >= 64)
			sched_yield();
	}
}

static void await_epoch(struct trace *t, uint32_t epoch)
{
	uint32_t complete;

	for (;;) {
		complete = atomic_load(&t->complete);
		if (complete + 1 >= epoch)
			return;
		atomic_fetch_add(&t->waiting, 1);
		futex_wait(&t->complete, complete);
		atomic_fetch_sub(&t->waiting, 1);
	}
}

/*
 * Whoever completes an epoch moves `complete` on, over all that are over:
 * two that finish neighbours at once may each leave the second to the other
 * only if neither sees the other's sum, which the order of these forbids.
 */
static void epoch_done(struct trace *t, uint32_t epoch, uint32_t ops)
{
	uint32_t e;
	bool moved = false;

	if (!ops)
		return;
	atomic_fetch_add(&t->done[epoch], ops);
	for (;;) {
		e = atomic_load(&t->complete);
		if (e == t->bmt.epochs || atomic_load(&t->done[e]) !=
					  bmt_epoch_length(&t->bmt, e))
			break;
		moved |= atomic_compare_exchange_strong(&t->complete, &e,
							e + 1);
	}
	if (moved && atomic_load(&t->waiting))
		futex_wake(&t->complete);
}

/* ---- playing ---- */

static char *request(const struct bmt_request *q)
{
	void *p = NULL;
	size_t align;

	switch (q->kind) {
	case BMT_CALLOC:
		return calloc(1, q->size);
	case BMT_ALIGNED:
		align = (size_t)1 << q->align;
		if (align < sizeof(void *))
			align = sizeof(void *);
		return posix_memalign(&p, align, q->size) ? NULL : p;
	}
	return malloc(q->size);
}

static void *play_thread(void *arg);

static void start_thread(struct trace *t, uint32_t number)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	atomic_fetch_add(&t->running, 1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, play_thread,
			       &t->player[number]);
	if (error)
		die("cannot start thread %u: %s", number + 1, strerror(error));
	pthread_attr_destroy(&attr);
}

static void put(struct slot *slot, char *p, uint32_t request, uint32_t mark)
{
	slot->request = request;
	slot->mark = mark;
	atomic_store_explicit(&slot->p, p, memory_order_release);
}

static void play(struct player *me)
{
	struct trace *t = me->trace;
	const struct bmt *b = &t->bmt;
	struct bmt_stream stream;
	uint32_t epoch = 0, made = me->number << 16, old_request = 0;
	uint64_t sum = 0, old_size;
	char *p, *taken = NULL;

	bmt_start(&stream, b, me->number);
	for (;;) {
		const struct bmt_op *op = bmt_next(&stream);
		const struct bmt_request *q = &b->request[op->request];
		struct slot *slot = op->shared ? t->shared : me->own;

		switch ((enum bmt_kind)op->kind) {
		case BMT_MAKE:
			p = must(request(q));
			if (q->kind == BMT_CALLOC)
				sum += read_zeros(p, q->size);
			write_marks(p, q->size, 0, ++made);
			put(&slot[op->arg], p, op->request, made);
			break;
		case BMT_FREE:
		case BMT_TAKE:
			slot += op->arg;
			p = op->shared ? await_object(slot) :
				atomic_load_explicit(&slot->p,
						     memory_order_relaxed);
			sum += read_mark(p, b->request[slot->request].size);
			old_request = slot->request;
			atomic_store_explicit(&slot->p, NULL,
					      memory_order_relaxed);
			if (op->kind == BMT_FREE)
				free(p);
			else
				taken = p;
			break;
		case BMT_RENEW:
			/* realloc(p, 0) may free */
			old_size = b->request[old_request].size;
			p = must(realloc(taken, q->size ? q->size : 1));
			if (old_size > q->size)
				old_size = q->size;
			sum += read_mark(p, old_size);
			write_marks(p, q->size, old_size, ++made);
			put(&slot[op->arg], p, op->request, made);
			break;
		case BMT_SPAWN:
			start_thread(t, op->arg);
			break;
		case BMT_EPOCH:
			epoch_done(t, epoch, op->request);
			epoch = op->arg;
			if (epoch >= t->limit)
				goto over;
			await_epoch(t, epoch);
			break;
		case BMT_END:
			epoch_done(t, epoch, op->request);
			goto over;
		}
	}
over:
	me->sum += sum;
}

static void *play_thread(void *arg)
{
	struct player *me = arg;
	struct trace *t = me->trace;

	play(me);
	if (atomic_fetch_sub(&t->running, 1) == 1)
		futex_wake(&t->running);
	return NULL;
}

/* What the record never freed goes now, so that the next pass begins afresh. */
static uint64_t free_left(struct trace *t, struct slot *slot, size_t n)
{
	uint64_t sum = 0;
	char *p;

	for (; n--; slot++) {
		p = atomic_load_explicit(&slot->p, memory_order_relaxed);
		if (!p)
			continue;
		sum += read_mark(p, t->bmt.request[slot->request].size);
		free(p);
		atomic_store_explicit(&slot->p, NULL, memory_order_relaxed);
	}
	return sum;
}

static void play_pass(struct run *r, struct trace *t, uint32_t epochs)
{
	uint32_t i, running;

	t->limit = epochs;
	atomic_store(&t->complete, 0);
	for (i = 0; i < t->bmt.epochs; i++)
		atomic_store_explicit(&t->done[i], 0, memory_order_relaxed);
	play(&t->player[0]);
	while ((running = atomic_load(&t->running)))
		futex_wait(&t->running, running);
	for (i = 0; i < t->bmt.threads; i++) {
		r->sum += t->player[i].sum;
		t->player[i].sum = 0;
	}
	r->sum += free_left(t, t->own, t->own_slots);
	r->sum += free_left(t, t->shared, t->bmt.shared);
}

/* Whole passes; of the rest whole epochs, and at least one. */
static void step(struct run *r)
{
	struct trace *t = &trace;
	uint32_t epochs = (uint32_t)(r->ops % t->bmt.ops) / t->bmt.epoch_ops;
	long passes = r->ops / t->bmt.ops;

	if (!passes && !epochs)
		epochs = 1;
	while (passes--)
		play_pass(r, t, t->bmt.epochs);
	if (epochs)
		play_pass(r, t, epochs);
}

static size_t at_least_one(size_t n)
{
	return n ? n : 1;
}

static void setup(struct run *r)
{
	struct trace *t = &trace;
	struct slot *own;
	uint32_t i;

	if (bmt_open(&t->bmt, r->work->arg))
		die("%s", bmt_error());
	t->own_slots = 0;
	for (i = 0; i < t->bmt.threads; i++)
		t->own_slots += t->bmt.thread[i].slots;
	t->player = space(t->bmt.threads * sizeof(*t->player));
	t->done = space(t->bmt.epochs * sizeof(*t->done));
	t->shared = space(at_least_one(t->bmt.shared) * sizeof(*t->shared));
	t->own = own = space(at_least_one(t->own_slots) * sizeof(*own));
	for (i = 0; i < t->bmt.threads; i++) {
		t->player[i].trace = t;
		t->player[i].number = i;
		t->player[i].own = own;
		own += t->bmt.thread[i].slots;
	}
}

static void teardown(struct run *r)
{
	struct trace *t = &trace;

	(void)r;
	space_free(t->player, t->bmt.threads * sizeof(*t->player));
	space_free(t->done, t->bmt.epochs * sizeof(*t->done));
	space_free(t->shared, at_least_one(t->bmt.shared) * sizeof(*t->shared));
	space_free(t->own, at_least_one(t->own_slots) * sizeof(*t->own));
	bmt_close(&t->bmt);
}

/* ---- the rows: what is there when the program starts ---- */

static struct work table[MAX_TRACES + 1];
static struct {
	char path[512], name[64], what[96];
} texts[MAX_TRACES];
static unsigned int rows;

extern const struct work trace_works[MAX_TRACES + 1]
	__attribute__((alias("table")));

static void say(const char *what, const char *why)
{
	dprintf(STDERR_FILENO, "%s: %s: %s\n", bench_name, what, why);
}

static void add_row(const char *directory, const char *file)
{
	size_t length = strlen(file);
	struct work *w = &table[rows];
	struct bmt head;

	if (length < 5 || length > 40 || strcmp(file + length - 4, ".bmt"))
		return;
	if (rows == MAX_TRACES) {
		say(file, "too many traces, left out");
		return;
	}
	snprintf(texts[rows].path, sizeof(texts[rows].path), "%s/%s",
		 directory, file);
	if (bmt_peek(&head, texts[rows].path)) {
		say(bmt_error(), "left out");
		return;
	}
	snprintf(texts[rows].name, sizeof(texts[rows].name), "trace-%.*s",
		 (int)length - 4, file);
	snprintf(texts[rows].what, sizeof(texts[rows].what),
		 "%u recorded calls of malloc, free and realloc, %u times",
		 head.ops, head.passes);
	*w = (struct work){
		.name = texts[rows].name, .group = "trace",
		.what = texts[rows].what, .threads = { (int)head.threads },
		.ops = (long)head.ops * head.passes,
		.setup = setup, .step = step, .teardown = teardown,
		.arg = texts[rows].path,
	};
	rows++;
}

/* By name; the texts stay where they are. */
static void sort_rows(void)
{
	struct work w;
	unsigned int i, k;

	for (i = 1; i < rows; i++) {
		w = table[i];
		for (k = i; k && strcmp(table[k - 1].name, w.name) > 0; k--)
			table[k] = table[k - 1];
		table[k] = w;
	}
}

static bool find_directory(char *path, size_t size)
{
	const char *named = getenv("BENCH_TRACES");
	char *slash;
	ssize_t n;

	if (named && *named)
		return snprintf(path, size, "%s", named) < (int)size;
	n = readlink("/proc/self/exe", path, size - sizeof("/traces"));
	if (n < 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	strcpy(slash, "/traces");
	return true;
}

/* By the system call: readdir() would ask for memory under every row. */
__attribute__((constructor))
static void find_traces(void)
{
	static char buf[4096] __attribute__((aligned(8)));
	char directory[400];
	struct dirent64 *d;
	long n, at;
	int fd;

	if (!find_directory(directory, sizeof(directory)))
		return;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		say(directory, strerror(errno));
		return;
	}
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += d->d_reclen) {
			d = (struct dirent64 *)(buf + at);
			add_row(directory, d->d_name);
		}
	close(fd);
	sort_rows();
}
