/* SPDX-License-Identifier: MIT */
/*
 * What:  realloc: strings, vectors and buffers that grow, from some bytes to
 *        1 GiB.
 * Door:  growth_works; an operation is one realloc
 * Invariant: what was written before a realloc is looked at after it: each new
 *        part begins with a stamp of its own place (growth_put()), and the
 *        whole is read when it is full.
 * See:   object.h
 */
#include <string.h>

#include "object.h"

/* A thing that grows; the dice say how far. */
struct thing {
	char *at;
	size_t used, room, full;
};

/* Writes a part: its length into its first bytes, a byte to each line. */
static inline void thing_put(struct thing *t, uint32_t n, size_t step)
{
	char *p = t->at + t->used;
	size_t i;

	for (i = step; i < n; i += step)
		p[i] = n;
	p[n - 1] = n;
	memcpy(p, &n, sizeof(n));
	t->used += n;
}

static inline void thing_room(struct thing *t, size_t room)
{
	t->at = must(realloc(t->at, room));
	t->room = room;
}

/* Goes from part to part; a lost byte leads astray. */
static uint64_t thing_read(const struct thing *t)
{
	uint64_t sum = 0;
	size_t at = 0;
	uint32_t n;

	while (at < t->used) {
		memcpy(&n, t->at + at, sizeof(n));
		if (n < sizeof(n) || n > t->used - at ||
		    (n > sizeof(n) && t->at[at + n - 1] != (char)n))
			die("realloc lost what was written");
		sum += (at + 1) * n;
		at += n;
	}
	return sum;
}

static void thing_end(struct thing *t, uint64_t *sum)
{
	*sum += thing_read(t);
	free(t->at);
	*t = (struct thing){ .at = NULL };
}

/* ---- strings: each append is a realloc to the very length ---- */

#define STRINGS 64

/* Strings that grow side by side, as those of a page that is put together. */
static void strings(struct worker *w)
{
	struct thing s[STRINGS] = { { .at = NULL } };
	struct thing *t;
	uint32_t n;
	long i;

	for (i = 0; i < w->ops; i++) {
		t = &s[below(&w->dice, STRINGS)];
		n = 4 + below(&w->dice, 60);
		if (!t->at)
			t->full = 64 << below(&w->dice, 8);
		thing_room(t, t->used + n);
		thing_put(t, n, LINE);
		if (t->used >= t->full)
			thing_end(t, &w->sum);
	}
	for (i = 0; i < STRINGS; i++)
		thing_end(&s[i], &w->sum);
}

static void strings_step(struct run *r)
{
	in_team(r, strings);
}

/* ---- vectors: room grows by a factor ---- */

/* Grows by one half, is filled, and so on. */
static void vector_grow(struct thing *t, size_t least, size_t part,
			size_t step)
{
	size_t room = t->room ? t->room + t->room / 2 / 8 * 8 : least;

	thing_room(t, room);
	while (t->used < t->room) {
		size_t n = t->room - t->used;

		/* no rest that is too short for a part */
		thing_put(t, n < 2 * part ? n : part, step);
	}
}

#define VECTORS 1000

static void vectors(struct worker *w)
{
	int n = VECTORS / w->run->threads;
	struct thing *v = space(n * sizeof(*v)), *t;
	long i;

	for (i = 0; i < w->ops; i++) {
		t = &v[below(&w->dice, n)];
		if (!t->at)
			t->full = 128 << below(&w->dice, 11);
		vector_grow(t, 64, 64, LINE);
		if (t->used >= t->full)
			thing_end(t, &w->sum);
	}
	for (i = 0; i < n; i++)
		thing_end(&v[i], &w->sum);
	space_free(v, n * sizeof(*v));
}

static void vectors_step(struct run *r)
{
	in_team(r, vectors);
}

/* One vector from 64 bytes to `max`, again and again, else nothing. */
static void one_vector(struct run *r)
{
	struct thing t = { .at = NULL };
	size_t full = r->work->max;
	long i;

	for (i = 0; i < r->ops; i++) {
		vector_grow(&t, 64, t.room > 65536 ? 4096 : 64, LINE);
		if (t.used >= full)
			thing_end(&t, &r->sum);
	}
	thing_end(&t, &r->sum);
}

/* A factor of one half, too, but the last step goes to 1 GiB and no further. */
static void gigabyte(struct run *r)
{
	const size_t full = 1 << 30, part = 1 << 16;
	struct thing t = { .at = NULL };
	long i;

	for (i = 0; i < r->ops; i++) {
		size_t room = t.room ? t.room + t.room / 2 / part * part :
				       4 * part;

		thing_room(&t, room < full ? room : full);
		while (t.used < t.room)
			thing_put(&t, part, 4096);
		if (t.used >= full)
			thing_end(&t, &r->sum);
	}
	thing_end(&t, &r->sum);
}

/* A log that grows by 64 KiB up to `max`, each time by a realloc. */
static void log_buffer(struct run *r)
{
	const size_t part = 1 << 16, full = r->work->max;
	struct thing t = { .at = NULL };
	long i;

	for (i = 0; i < r->ops; i++) {
		thing_room(&t, t.used + part);
		thing_put(&t, part, 4096);
		if (t.used >= full)
			thing_end(&t, &r->sum);
	}
	thing_end(&t, &r->sum);
}

const struct work growth_works[] = {
	{ .name = "strings", .group = "growth",
	  .what = "64 strings a thread grow by 4 to 63 bytes up to 8 KiB, "
		  "exact reallocs (op: a realloc)",
	  .threads = { 1, 4 }, .ops = 6 * M, .step = strings_step },
	{ .name = "vectors", .group = "growth",
	  .what = "1,000 vectors grow by halves, 64 bytes to 128 KiB, in turn "
		  "(op: a realloc)",
	  .threads = { 1, 4 }, .ops = M / 2, .step = vectors_step },
	{ .name = "vector-16m", .group = "growth",
	  .what = "one vector grows by halves from 64 bytes to 16 MiB "
		  "(op: a realloc)",
	  .threads = { 1 }, .ops = 31 * 200, .max = 16 << 20,
	  .step = one_vector },
	{ .name = "vector-1g", .group = "growth",
	  .what = "one vector grows by halves from 256 KiB to 1 GiB "
		  "(op: a realloc)",
	  .threads = { 1 }, .ops = 22, .step = gigabyte },
	{ .name = "log-16m", .group = "growth",
	  .what = "one buffer grows by 64 KiB to 16 MiB (op: a realloc)",
	  .threads = { 1 }, .ops = 256 * 32, .max = 16 << 20,
	  .step = log_buffer },
	{ .name = NULL }
};
