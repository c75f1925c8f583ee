/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "tools/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "tools/command.h"
#include "vma/track.h"

enum {
	TRIES = 20,
	NAP_NS = 2000000,
	DEPTH = 1000,
	NODES_MAX = 1 << 22,
	PIECE = 4096,		/* read at once */
	PIECES = 2048,		/* kept: 131,072 nodes */
};

static pid_t target;

static bool fetch(uint64_t from, void *to, size_t bytes)
{
	struct iovec here = { to, bytes };
	struct iovec there = { (void *)(uintptr_t)from, bytes };

	return process_vm_readv(target, &here, 1, &there, 1, 0) ==
	       (ssize_t)bytes;
}

/*
 * Heads lie where an object's initialised data does: in a private, writable
 * mapping of a file that is mapped executable too. Not every file is read: what
 * is read becomes resident in the process.
 */
static bool may_hold(const struct map *maps, size_t nr, const struct map *m)
{
	if (!m->inode || strncmp(m->perms, "rw", 2) || m->perms[3] != 'p')
		return false;
	for (size_t i = 0; i < nr; i++)
		if (maps[i].inode == m->inode && maps[i].perms[2] == 'x' &&
		    !strcmp(maps[i].name, m->name))
			return true;
	return false;
}

/*
 * The head whose tree has noted the most: a program that is linked with the
 * library and runs under the preload as well has two, and one of them serves.
 */
static bool better(const struct vma_head *head, uint64_t *calls)
{
	struct track t;

	if (head->layout != VMA_HEAD_LAYOUT ||
	    head->track_bytes != sizeof(struct track) ||
	    head->vma_bytes != sizeof(struct vma) ||
	    !fetch(head->track, &t, sizeof(t)) || t.calls + 1 <= *calls)
		return false;
	*calls = t.calls + 1;
	return true;
}

/* False: not readable, and errno. */
static bool search(const struct map *m, struct vma_head *out, uint64_t *calls,
		   bool *other)
{
	size_t bytes = m->end - m->start;
	char *copy = malloc(bytes);
	bool done = copy && fetch(m->start, copy, bytes);

	for (size_t i = 0; done && i + sizeof(*out) <= bytes; i += 8) {
		struct vma_head head;

		if (memcmp(copy + i, VMA_HEAD_MAGIC, sizeof(head.magic)))
			continue;
		memcpy(&head, copy + i, sizeof(head));
		if (head.self != m->start + i)
			continue;
		if (better(&head, calls))
			*out = head;
		else if (!*calls)
			*other = true;
	}
	free(copy);
	return done;
}

static bool add(struct peek *p, const struct vma *v)
{
	if (!(p->nr & (p->nr - 1))) {
		size_t room = p->nr ? 2 * p->nr : 1;

		p->vmas = realloc(p->vmas, room * sizeof(*p->vmas));
		if (!p->vmas)
			die(1, "out of memory");
	}
	/* By address, or it is no tree (any more). */
	if (v->start >= v->end || p->nr == NODES_MAX ||
	    (p->nr && v->start < p->vmas[p->nr - 1].end))
		return false;
	p->vmas[p->nr++] = *v;
	return true;
}

/* Nodes lie side by side: what was read in this round often has the next one. */
static bool fetch_node(unsigned round, uint64_t at, struct vma *v)
{
	static struct {
		uint64_t from;
		unsigned round;
		char bytes[PIECE];
	} near[PIECES];
	uint64_t from = at - at % PIECE;
	size_t slot = from / PIECE % PIECES;

	if (at % PIECE > PIECE - sizeof(*v))
		return fetch(at, v, sizeof(*v));
	if (near[slot].from != from || near[slot].round != round) {
		near[slot].from = 0;
		if (!fetch(from, near[slot].bytes, PIECE))
			return false;
		near[slot].from = from;
		near[slot].round = round;
	}
	memcpy(v, near[slot].bytes + at % PIECE, sizeof(*v));
	return true;
}

/* In order, without recursion: it may be no tree at all by now. */
static bool walk(struct peek *p, uint64_t root)
{
	static struct vma stack[DEPTH];
	static unsigned round;
	size_t depth = 0;
	uint64_t at = root;

	p->nr = 0;
	round++;
	while (at || depth) {
		if (at) {
			if (depth == DEPTH || !fetch_node(round, at, &stack[depth]))
				return false;
			at = (uintptr_t)stack[depth++].kid[0];
			continue;
		}
		depth--;
		if (!add(p, &stack[depth]))
			return false;
		at = (uintptr_t)stack[depth].kid[1];
	}
	return true;
}

/* See vma/head.h; the numbers are read one after the other, as it says. */
static bool copy_tree(struct peek *p)
{
	uint64_t changes = p->head.track + offsetof(struct track, changes);
	uint64_t before, after;
	struct lock lock;
	struct track t;

	if (!fetch(changes, &before, sizeof(before)) ||
	    !fetch(p->head.track + offsetof(struct track, lock), &lock,
		   sizeof(lock)) ||
	    !fetch(p->head.track, &t, sizeof(t)))
		return false;
	p->calls = t.calls;
	p->missed = t.missed;
	return walk(p, (uintptr_t)t.tree.root) && !lock.word &&
	       fetch(changes, &after, sizeof(after)) && after == before;
}

enum peeked peek(pid_t pid, const struct map *maps, size_t nr_maps,
		 struct peek *out)
{
	struct timespec nap = { 0, NAP_NS };
	bool other = false, readable = false;
	uint64_t calls = 0;

	target = pid;
	*out = (struct peek){ .moving = true };
	errno = 0;
	/* Our own libraries; else what may be linked with the archive. */
	for (int own = 1; own >= 0 && !calls; own--)
		for (size_t i = 0; i < nr_maps; i++)
			if (own == !!strstr(maps[i].name, "libbuddymalloc") &&
			    may_hold(maps, nr_maps, &maps[i]))
				readable |= search(&maps[i], &out->head, &calls,
						   &other);
	if (!readable && errno)
		return PEEK_DENIED;
	if (!calls)
		return other ? PEEK_OTHER : PEEK_NONE;
	for (int try = 0; try < TRIES && out->moving; try++) {
		if (try)
			nanosleep(&nap, NULL);
		out->moving = !copy_tree(out);
	}
	return PEEK_OK;
}
