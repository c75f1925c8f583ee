/* SPDX-License-Identifier: MIT */
/*
 * What:  the reader of recorded traces (.bmt): checks one wholly and lays its
 *        operations out, so that a player has little to do for each.
 * Door:  bmt_peek() reads the head; bmt_open(), bmt_fill() by bmt_next(),
 *        bmt_close(); bmt_error() says in one line what is wrong.
 * Invariant: what bmt_open() accepts can be played to its end: each object is
 *        made before it is freed and freed at most once, each thread is
 *        started once, no thread waits for ever, and what is alive at a time
 *        stays below BMT_MAX_ALIVE.
 * Memory: none by malloc, and little at all: the operations wait in a file of
 *        their own (memfd) and are read a block at a time, since a player's
 *        own memory would count as the allocator's.
 * See:   bench/traces/README.md, the format; bench/bmt.py, the other reader
 */
#ifndef BENCH_BMT_H
#define BENCH_BMT_H
#include <stdint.h>

#define BMT_MAX_THREADS 1024
#define BMT_MAX_OPS (1u << 25)
#define BMT_MAX_ALIVE ((uint64_t)4 << 30)
#define BMT_MAX_PASSES (1u << 20)
#define BMT_BLOCK 512

enum { BMT_MALLOC, BMT_CALLOC, BMT_ALIGNED, BMT_REALLOC };

/* One kind of request; the operations name it by its number. */
struct bmt_request {
	uint64_t size;
	uint8_t kind, align;	/* align: log2, for BMT_ALIGNED */
};

/*
 * An object has a slot: one of its thread's own, which are used again, or,
 * where another thread frees it, one of the shared, which are used once.
 */
enum bmt_kind {
	BMT_MAKE,		/* request into slot arg */
	BMT_FREE,		/* slot arg */
	BMT_TAKE,		/* slot arg is about to be reallocated */
	BMT_RENEW,		/* what was taken becomes request, in slot arg */
	BMT_SPAWN,		/* starts thread arg */
	BMT_EPOCH,		/* request operations are done; epoch arg begins */
	BMT_END,		/* request operations are done; the last one */
};

struct bmt_op {
	uint32_t kind : 4, shared : 1, request : 27;
	uint32_t arg;
};

struct bmt_thread {
	uint64_t first, count;	/* in the laid-out file */
	uint32_t slots;
};

struct bmt {
	int fd;
	uint32_t threads, ops, shared, requests;
	/*
	 * The order in which the threads' operations were recorded is cut into
	 * epochs of so many operations. A thread may begin an epoch when all
	 * but the one before it are over, so none runs far ahead.
	 */
	uint32_t epoch_ops, epochs;
	uint64_t unseen;	/* frees of what was older than the record */
	uint32_t passes;	/* how often to play it */
	uint64_t most_bytes;	/* alive at a time */
	struct bmt_request *request;
	struct bmt_thread *thread;
};

struct bmt_stream {
	const struct bmt *bmt;
	uint64_t next, end;
	unsigned int at, filled;
	struct bmt_op block[BMT_BLOCK];
};

/* Reads the head alone: 0, or -1 if it is no trace. Nothing is to be closed. */
int bmt_peek(struct bmt *b, const char *path);

int bmt_open(struct bmt *b, const char *path);	/* 0, or -1 */
void bmt_close(struct bmt *b);
const char *bmt_error(void);

void bmt_start(struct bmt_stream *s, const struct bmt *b, uint32_t thread);
void bmt_fill(struct bmt_stream *s);

/* The thread's next operation; none must be asked for after BMT_END. */
static inline const struct bmt_op *bmt_next(struct bmt_stream *s)
{
	if (__builtin_expect(s->at == s->filled, 0))
		bmt_fill(s);
	return &s->block[s->at++];
}

/* How many operations an epoch has: only the last may have fewer. */
static inline uint32_t bmt_epoch_length(const struct bmt *b, uint32_t epoch)
{
	return epoch + 1 < b->epochs ? b->epoch_ops :
				       b->ops - epoch * b->epoch_ops;
}

#endif
