/* SPDX-License-Identifier: MIT */
/*
 * What:  the second half of bmt.h: the laid-out operations are read, and
 *        played once without memory. What passes here cannot hang a player,
 *        whatever its threads' order: each wait is for something that happens
 *        once and stays, so if one order comes to its end all do.
 * See:   bmt.c, the first half
 */
#define _GNU_SOURCE
#include "bmt_load.h"

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* ---- streams ---- */

void bmt_start(struct bmt_stream *s, const struct bmt *b, uint32_t thread)
{
	s->bmt = b;
	s->next = b->thread[thread].first;
	s->end = s->next + b->thread[thread].count;
	s->at = s->filled = 0;
}

void bmt_fill(struct bmt_stream *s)
{
	static const struct bmt_op end = { .kind = BMT_END };
	uint64_t n = s->end - s->next;
	ssize_t got = 0;

	if (n > BMT_BLOCK)
		n = BMT_BLOCK;
	if (n)
		got = pread(s->bmt->fd, s->block, n * sizeof(s->block[0]),
			    (off_t)(s->next * sizeof(s->block[0])));
	s->at = 0;
	s->filled = got > 0 ? (unsigned int)got / sizeof(s->block[0]) : 0;
	s->next += s->filled;
	if (!s->filled)
		s->block[s->filled++] = end;
}

/* ---- the rehearsal ---- */

struct actor {
	struct bmt_stream stream;
	const struct bmt_op *op;	/* the next one */
	uint32_t *held;		/* request of each own slot */
	uint32_t epoch;
	bool started, ended;
};

struct stage {
	struct bmt *b;
	const char *path;
	struct actor *actor;
	uint32_t *shared;	/* 1 + request of those that are there */
	uint32_t *done;		/* operations of each epoch */
	uint32_t complete;	/* epochs that are over, from the first */
	uint64_t bytes;
};

static void segment_done(struct stage *s, struct actor *a, uint32_t ops)
{
	const struct bmt *b = s->b;

	s->done[a->epoch] += ops;
	while (s->complete < b->epochs &&
	       s->done[s->complete] == bmt_epoch_length(b, s->complete))
		s->complete++;
}

static uint32_t *slot_of(const struct stage *s, const struct actor *a)
{
	return a->op->shared ? &s->shared[a->op->arg] : &a->held[a->op->arg];
}

/* One operation: 1 done, 0 not yet. */
static int act(struct stage *s, struct actor *a)
{
	const struct bmt_op *op = a->op;
	struct bmt *b = s->b;
	uint32_t *slot;

	switch ((enum bmt_kind)op->kind) {
	case BMT_MAKE:
	case BMT_RENEW:
		slot = slot_of(s, a);
		*slot = op->request + 1;
		s->bytes += b->request[op->request].size;
		if (s->bytes > b->most_bytes)
			b->most_bytes = s->bytes;
		break;
	case BMT_FREE:
	case BMT_TAKE:
		slot = slot_of(s, a);
		if (!*slot)
			return 0;
		s->bytes -= b->request[*slot - 1].size;
		*slot = 0;
		break;
	case BMT_SPAWN:
		s->actor[op->arg].started = true;
		break;
	case BMT_EPOCH:
		segment_done(s, a, op->request);
		a->epoch = op->arg;
		break;
	case BMT_END:
		segment_done(s, a, op->request);
		a->ended = true;
		return 1;
	}
	a->op = bmt_next(&a->stream);
	return 1;
}

/* May the thread go on, as the player will see it? */
static bool waits(const struct stage *s, const struct actor *a)
{
	return a->epoch > s->complete + 1;
}

static int rehearse_in(struct stage *s)
{
	struct bmt *b = s->b;
	uint32_t i, ended = 0;
	bool moved = true;

	s->actor[0].started = true;
	while (moved && ended < b->threads) {
		moved = false;
		for (i = 0; i < b->threads; i++) {
			struct actor *a = &s->actor[i];

			if (!a->started || a->ended)
				continue;
			if (!a->op)
				a->op = bmt_next(&a->stream);
			while (!a->ended && !waits(s, a) && act(s, a))
				moved = true;
			ended += a->ended;
			if (b->most_bytes > BMT_MAX_ALIVE)
				return bmt_wrong(s->path, "it would need %llu MiB",
					     (unsigned long long)b->most_bytes >> 20);
		}
	}
	if (ended < b->threads)
		return bmt_wrong(s->path, "damaged (its threads wait for each other)");
	for (i = 0; i < b->epochs; i++)
		if (s->done[i] != bmt_epoch_length(b, i))
			return bmt_wrong(s->path, "damaged (an epoch of another length)");
	return 0;
}

int bmt_rehearse(struct bmt *b, const char *path)
{
	size_t slots = 0, at = 0;
	struct stage s = { .b = b, .path = path };
	uint32_t *held, i;
	int result = -1;

	for (i = 0; i < b->threads; i++)
		slots += b->thread[i].slots;
	s.actor = bmt_map(b->threads * sizeof(*s.actor));
	s.shared = bmt_map(b->shared * sizeof(uint32_t));
	s.done = bmt_map(b->epochs * sizeof(uint32_t));
	held = bmt_map(slots * sizeof(uint32_t));
	if (!s.actor || !s.shared || !s.done || !held) {
		bmt_wrong(path, "out of memory");
	} else {
		for (i = 0; i < b->threads; i++) {
			s.actor[i].held = held + at;
			at += b->thread[i].slots;
			bmt_start(&s.actor[i].stream, b, i);
		}
		result = rehearse_in(&s);
	}
	bmt_unmap(s.actor, b->threads * sizeof(*s.actor));
	bmt_unmap(s.shared, b->shared * sizeof(uint32_t));
	bmt_unmap(s.done, b->epochs * sizeof(uint32_t));
	bmt_unmap(held, slots * sizeof(uint32_t));
	return result;
}

