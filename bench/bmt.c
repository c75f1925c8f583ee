/* SPDX-License-Identifier: MIT */
/*
 * What:  bmt.h. A trace is read in two passes: decode() turns each thread's
 *        tokens into operations; bmt_rehearse() plays them without memory, which
 *        finds what would hang or free twice.
 * Invariant: each number of the file is checked before it is an index, a
 *        size or a count; lengths are limited by what the head announces, and
 *        the head by the limits in bmt.h.
 */
#define _GNU_SOURCE
#include "bmt_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)64 << 20)
#define MAX_BYTES BMT_MAX_ALIVE		/* of one request */
#define WINDOW 16384			/* tokens that a repeat may go back */

static const char magic[8] = "bmtrace1";
static char error[256];

struct in {
	const uint8_t *at, *end;
	bool bad;
};

struct token {
	uint32_t word, more;
};

/* Own slots of the thread that is decoded, and what all of them share. */
struct loader {
	struct bmt *b;
	const char *path;
	uint8_t *file;
	size_t file_bytes;
	uint32_t *shared_before;	/* [threads + 1] */
	size_t *stream_bytes;		/* [threads] */
	uint8_t *makes_shared;		/* [requests] */
	uint8_t *spawned;		/* [threads] */
	uint8_t *shared_freed;		/* [shared] */

	uint32_t thread, ops, op_spare, epoch, since_epoch;
	uint32_t *free_slot, nfree, slots, last;
	uint8_t *used;
	int64_t last_shared;
	uint32_t shared_made;
	struct token window[WINDOW];
	uint64_t tokens;

	uint64_t written;
	unsigned int pending;
	struct bmt_op out[BMT_BLOCK];
};

const char *bmt_error(void)
{
	return error;
}

int bmt_wrong(const char *path, const char *format, ...)
{
	const char *slash = strrchr(path, '/');
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(error, sizeof(error), "%.80s: %s", slash ? slash + 1 : path,
		 text);
	return -1;
}

void *bmt_map(size_t bytes)
{
	void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void bmt_unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes ? bytes : 1);
}

/* Seven bits a byte, the lowest first; the last byte has no top bit. */
static uint64_t get(struct in *in)
{
	uint64_t n = 0;
	int shift;

	for (shift = 0; shift < 63 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		n |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return n;
	}
	in->bad = true;
	return 0;
}

static uint64_t get_below(struct in *in, uint64_t limit)
{
	uint64_t n = get(in);

	if (n >= limit)
		in->bad = true;
	return in->bad ? 0 : n;
}

/* 0 -1 1 -2 2 are written as 0 1 2 3 4. */
static int64_t signed_of(uint32_t n)
{
	return n & 1 ? -(int64_t)(n >> 1) - 1 : (int64_t)(n >> 1);
}

/* The usual one: 0xedb88320, a nibble at a time. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = 0xffffffff;

	while (n--) {
		c ^= *p++;
		c = c >> 4 ^ table[c & 15];
		c = c >> 4 ^ table[c & 15];
	}
	return ~c;
}

/* ---- the file and its head ---- */

static int read_file(struct loader *l, size_t most)
{
	int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t have = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return bmt_wrong(l->path, "%s", strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return bmt_wrong(l->path, "not a file");
	}
	if ((uint64_t)st.st_size > MAX_FILE) {
		close(fd);
		return bmt_wrong(l->path, "too long for a trace");
	}
	if ((uint64_t)st.st_size < most)
		most = (size_t)st.st_size;
	l->file_bytes = most;
	l->file = bmt_map(most);
	while (l->file && have < most) {
		n = read(fd, l->file + have, most - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	if (!l->file)
		return bmt_wrong(l->path, "out of memory");
	if (have < most)
		return bmt_wrong(l->path, "cannot be read");
	if (have < sizeof(magic) || memcmp(l->file, magic, sizeof(magic)))
		return bmt_wrong(l->path, "not a trace (bench/trace makes them)");
	return 0;
}

static void read_head(struct in *in, struct bmt *b)
{
	b->threads = (uint32_t)get_below(in, BMT_MAX_THREADS + 1);
	b->ops = (uint32_t)get_below(in, BMT_MAX_OPS + 1);
	b->epoch_ops = (uint32_t)get_below(in, BMT_MAX_OPS + 1);
	b->shared = (uint32_t)get_below(in, (uint64_t)b->ops + 1);
	b->unseen = get(in);
	b->passes = (uint32_t)get_below(in, BMT_MAX_PASSES + 1);
	b->requests = (uint32_t)get_below(in, (uint64_t)b->ops + 1);
	if (!b->threads || !b->ops || !b->passes || b->epoch_ops < 16)
		in->bad = true;
	else
		b->epochs = (b->ops - 1) / b->epoch_ops + 1;
}

int bmt_peek(struct bmt *b, const char *path)
{
	struct loader *l = bmt_map(sizeof(*l));
	struct in in;
	int result;

	*b = (struct bmt){ .fd = -1 };
	if (!l)
		return bmt_wrong(path, "out of memory");
	l->path = path;
	result = read_file(l, 256);
	if (!result) {
		in = (struct in){ l->file + sizeof(magic),
				  l->file + l->file_bytes, false };
		read_head(&in, b);
		if (in.bad)
			result = bmt_wrong(path, "damaged (its head)");
	}
	bmt_unmap(l->file, l->file_bytes);
	bmt_unmap(l, sizeof(*l));
	return result;
}

/* The tables behind the head; in is left at the first stream. */
static int read_tables(struct loader *l, struct in *in)
{
	struct bmt *b = l->b;
	uint64_t shared = 0, word;
	uint32_t i;

	b->request = bmt_map(b->requests * sizeof(*b->request));
	b->thread = bmt_map(b->threads * sizeof(*b->thread));
	l->makes_shared = bmt_map(b->requests);
	l->spawned = bmt_map(b->threads);
	l->shared_freed = bmt_map(b->shared);
	l->shared_before = bmt_map((b->threads + 1) * sizeof(uint32_t));
	l->stream_bytes = bmt_map(b->threads * sizeof(size_t));
	l->free_slot = bmt_map(b->ops * sizeof(uint32_t));
	l->used = bmt_map(b->ops);
	if (!b->request || !b->thread || !l->makes_shared || !l->spawned ||
	    !l->shared_freed || !l->shared_before || !l->stream_bytes ||
	    !l->free_slot || !l->used)
		return bmt_wrong(l->path, "out of memory");
	for (i = 0; i < b->requests && !in->bad; i++) {
		word = get_below(in, 48 << 3);
		b->request[i].kind = word & 3;
		b->request[i].align = (uint8_t)(word >> 3);
		l->makes_shared[i] = word >> 2 & 1;
		b->request[i].size = get_below(in, MAX_BYTES + 1);
		if (b->request[i].align > 30 ||
		    (b->request[i].align && (word & 3) != BMT_ALIGNED))
			in->bad = true;
	}
	for (i = 0; i < b->threads && !in->bad; i++) {
		shared += get_below(in, (uint64_t)b->shared + 1);
		l->shared_before[i + 1] = (uint32_t)shared;
		l->stream_bytes[i] = get_below(in, MAX_FILE);
		if (shared > b->shared)
			in->bad = true;
	}
	if (in->bad || shared != b->shared)
		return bmt_wrong(l->path, "damaged (its tables)");
	return 0;
}

/* ---- decoding ---- */

static int flush(struct loader *l)
{
	const char *p = (const char *)l->out;
	size_t left = l->pending * sizeof(l->out[0]);

	while (left) {
		ssize_t n = write(l->b->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bmt_wrong(l->path, "cannot lay it out: %s", strerror(errno));
		p += n;
		left -= (size_t)n;
	}
	l->pending = 0;
	return 0;
}

static int emit(struct loader *l, enum bmt_kind kind, bool shared,
		uint32_t request, uint32_t arg)
{
	l->out[l->pending++] = (struct bmt_op){
		.kind = kind, .shared = shared, .request = request, .arg = arg
	};
	l->written++;
	return l->pending == BMT_BLOCK ? flush(l) : 0;
}

/* An operation is counted once, though TAKE and RENEW are two. */
static int count(struct loader *l)
{
	if (!l->op_spare--)
		return bmt_wrong(l->path, "damaged (more operations than its head says)");
	l->since_epoch++;
	return 0;
}

static int make(struct loader *l, enum bmt_kind kind, uint32_t request)
{
	uint32_t slot;

	if (l->makes_shared[request]) {
		slot = l->shared_before[l->thread] + l->shared_made++;
		if (slot >= l->shared_before[l->thread + 1])
			return bmt_wrong(l->path, "damaged (a shared object too many)");
		return emit(l, kind, true, request, slot);
	}
	if (l->nfree)
		slot = l->free_slot[--l->nfree];
	else
		slot = l->slots++;
	l->used[slot] = 1;
	l->last = slot;
	return emit(l, kind, false, request, slot);
}

static int drop_own(struct loader *l, enum bmt_kind kind, uint32_t delta)
{
	int64_t slot = (int64_t)l->last - signed_of(delta);

	if (slot < 0 || slot >= l->slots || !l->used[slot])
		return bmt_wrong(l->path, "damaged (it frees what is not there)");
	l->used[slot] = 0;
	l->free_slot[l->nfree++] = (uint32_t)slot;
	return emit(l, kind, false, 0, (uint32_t)slot);
}

static int drop_shared(struct loader *l, enum bmt_kind kind, uint32_t delta)
{
	int64_t id = l->last_shared + 1 + signed_of(delta);

	if (id < 0 || id >= l->b->shared || l->shared_freed[id])
		return bmt_wrong(l->path, "damaged (it frees what is not there)");
	l->shared_freed[id] = 1;
	l->last_shared = id;
	return emit(l, kind, true, 0, (uint32_t)id);
}

static int spawn(struct loader *l, uint32_t thread)
{
	if (!thread || thread >= l->b->threads || l->spawned[thread])
		return bmt_wrong(l->path, "damaged (a thread that cannot start)");
	l->spawned[thread] = 1;
	return emit(l, BMT_SPAWN, false, 0, thread);
}

static int next_epoch(struct loader *l, uint32_t advance)
{
	if (!advance || advance >= l->b->epochs - l->epoch)
		return bmt_wrong(l->path, "damaged (an epoch that is none)");
	l->epoch += advance;
	if (emit(l, BMT_EPOCH, false, l->since_epoch, l->epoch))
		return -1;
	l->since_epoch = 0;
	return 0;
}

enum { RENEW_OWN, RENEW_SHARED, FREE_SHARED, SPAWN, EPOCH, REPEAT };

static bool has_more(uint32_t word)
{
	uint32_t what = word >> 2 & 7;

	return (word & 3) == 3 &&
	       (what == RENEW_OWN || what == RENEW_SHARED || what == REPEAT);
}

/* One token that is no repeat. */
static int apply(struct loader *l, struct token t)
{
	uint32_t rest = t.word >> 5, what = t.word >> 2 & 7;

	l->window[l->tokens++ % WINDOW] = t;
	if ((t.word & 3) == 3 && what == EPOCH)
		return next_epoch(l, rest);
	if (count(l))
		return -1;
	if (!(t.word & 1)) {
		if (t.word >> 1 >= l->b->requests ||
		    l->b->request[t.word >> 1].kind == BMT_REALLOC)
			return bmt_wrong(l->path, "damaged (a request that is none)");
		return make(l, BMT_MAKE, t.word >> 1);
	}
	if ((t.word & 3) == 1)
		return drop_own(l, BMT_FREE, t.word >> 2);
	switch (what) {
	case RENEW_OWN:
	case RENEW_SHARED:
		if (rest >= l->b->requests ||
		    l->b->request[rest].kind != BMT_REALLOC)
			return bmt_wrong(l->path, "damaged (a request that is none)");
		if (what == RENEW_OWN ? drop_own(l, BMT_TAKE, t.more) :
					drop_shared(l, BMT_TAKE, t.more))
			return -1;
		return make(l, BMT_RENEW, rest);
	case FREE_SHARED:
		return drop_shared(l, BMT_FREE, rest);
	case SPAWN:
		return spawn(l, rest);
	}
	return bmt_wrong(l->path, "damaged (a token that is none)");
}

static int repeat(struct loader *l, uint32_t back, uint32_t times)
{
	if (!back || back > WINDOW || back > l->tokens || !times)
		return bmt_wrong(l->path, "damaged (a repeat of nothing)");
	while (times--)
		if (apply(l, l->window[(l->tokens - back) % WINDOW]))
			return -1;
	return 0;
}

static int decode(struct loader *l, struct in in)
{
	struct bmt_thread *thread = &l->b->thread[l->thread];
	struct token t;

	thread->first = l->written;
	l->nfree = l->slots = l->last = 0;
	l->epoch = l->since_epoch = l->shared_made = 0;
	l->last_shared = -1;
	l->tokens = 0;
	while (in.at < in.end) {
		t.word = (uint32_t)get_below(&in, (uint64_t)1 << 32);
		t.more = has_more(t.word) ?
			 (uint32_t)get_below(&in, (uint64_t)1 << 32) : 0;
		if (in.bad)
			return bmt_wrong(l->path, "damaged (a number)");
		if ((t.word & 3) == 3 && (t.word >> 2 & 7) == REPEAT) {
			if (repeat(l, t.word >> 5, t.more))
				return -1;
		} else if (apply(l, t)) {
			return -1;
		}
	}
	if (l->shared_before[l->thread] + l->shared_made !=
	    l->shared_before[l->thread + 1])
		return bmt_wrong(l->path, "damaged (a shared object too few)");
	memset(l->used, 0, l->slots);
	if (emit(l, BMT_END, false, l->since_epoch, 0) || flush(l))
		return -1;
	thread->slots = l->slots;
	thread->count = l->written - thread->first;
	return 0;
}

static int decode_all(struct loader *l, struct in in)
{
	struct bmt *b = l->b;
	const uint8_t *end = in.end;

	l->op_spare = b->ops;
	for (l->thread = 0; l->thread < b->threads; l->thread++) {
		size_t bytes = l->stream_bytes[l->thread];

		if (bytes > (size_t)(end - in.at))
			return bmt_wrong(l->path, "damaged (a stream too long)");
		in.end = in.at + bytes;
		if (decode(l, in))
			return -1;
		in.at = in.end;
	}
	if (in.at != end)
		return bmt_wrong(l->path, "damaged (something after its end)");
	if (l->op_spare)
		return bmt_wrong(l->path, "damaged (fewer operations than its head says)");
	return 0;
}

/* ---- the door ---- */

/* A file that nobody sees and that goes when it is closed. */
static int hidden_file(void)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	return fd >= 0 ? fd : open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int load(struct loader *l)
{
	struct bmt *b = l->b;
	uint32_t stored;
	struct in in;

	if (read_file(l, MAX_FILE))
		return -1;
	if (l->file_bytes < sizeof(magic) + 4)
		return bmt_wrong(l->path, "cut short");
	in = (struct in){ l->file + sizeof(magic),
			  l->file + l->file_bytes - 4, false };
	stored = in.end[0] | (uint32_t)in.end[1] << 8 |
		 (uint32_t)in.end[2] << 16 | (uint32_t)in.end[3] << 24;
	if (crc32(l->file, l->file_bytes - 4) != stored)
		return bmt_wrong(l->path, "cut short or damaged (its checksum)");
	read_head(&in, b);
	if (in.bad)
		return bmt_wrong(l->path, "damaged (its head)");
	if (read_tables(l, &in))
		return -1;
	b->fd = hidden_file();
	if (b->fd < 0)
		return bmt_wrong(l->path, "cannot lay it out: %s", strerror(errno));
	if (decode_all(l, in))
		return -1;
	return bmt_rehearse(b, l->path);
}

int bmt_open(struct bmt *b, const char *path)
{
	struct loader *l = bmt_map(sizeof(*l));
	int result;

	*b = (struct bmt){ .fd = -1 };
	if (!l)
		return bmt_wrong(path, "out of memory");
	l->b = b;
	l->path = path;
	result = load(l);
	bmt_unmap(l->file, l->file_bytes);
	bmt_unmap(l->makes_shared, b->requests);
	bmt_unmap(l->spawned, b->threads);
	bmt_unmap(l->shared_freed, b->shared);
	bmt_unmap(l->shared_before, (b->threads + 1) * sizeof(uint32_t));
	bmt_unmap(l->stream_bytes, b->threads * sizeof(size_t));
	bmt_unmap(l->free_slot, b->ops * sizeof(uint32_t));
	bmt_unmap(l->used, b->ops);
	bmt_unmap(l, sizeof(*l));
	if (result)
		bmt_close(b);
	return result;
}

void bmt_close(struct bmt *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	bmt_unmap(b->request, b->requests * sizeof(*b->request));
	bmt_unmap(b->thread, b->threads * sizeof(*b->thread));
	b->request = NULL;
	b->thread = NULL;
}
