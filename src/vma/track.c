/* SPDX-License-Identifier: MIT */
#include "vma/track.h"

#include "base/bits.h"
#include "topo/topo.h"
#include "vma/inside.h"

enum {
	/* What one call may need: two cuts, and what lies in between again. */
	NODES = 16,
};

struct track track;

void track_miss(void)
{
	WRITE_ONCE(track.stale, 1);
	__atomic_add_fetch(&track.missed, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&track.changes, 1, __ATOMIC_SEQ_CST);
}

bool track_enter(size_t nr)
{
	if (!inside_enter(&track.lock, &track.tree, nr)) {
		track_miss();
		return false;
	}
	__atomic_add_fetch(&track.changes, 1, __ATOMIC_SEQ_CST);
	return true;
}

void track_leave(void)
{
	inside_leave(&track.lock);
}

static uintptr_t page_end(uintptr_t addr, size_t bytes)
{
	return align_up(addr + bytes, page_bytes());
}

/* Cuts the tree at both ends; false: noted as missed. */
static bool cut(uintptr_t start, uintptr_t end)
{
	if (tree_cut(&track.tree, start) && tree_cut(&track.tree, end))
		return true;
	track_miss();
	return false;
}

/* All but the addresses from like; the place is emptied first. */
static void fill(uintptr_t start, uintptr_t end, const struct vma *like)
{
	struct vma_tree *t = &track.tree;
	struct vma *v;
	uint32_t weight;

	if (start >= end || !cut(start, end))
		return;
	tree_drop(t, tree_take(t, start, end));
	v = tree_new(t);
	if (!v) {
		track_miss();
		return;
	}
	weight = v->weight;
	*v = *like;
	v->weight = weight;
	v->start = start;
	v->end = end;
	tree_add(t, v);
	tree_join(t, start, end);
}

void track_mapped(uintptr_t addr, size_t bytes, uint32_t flags, uint64_t offset,
		  const void *who)
{
	struct vma like = {
		.flags = flags,
		.offset = flags & VMA_FILE ? offset : 0,
		.who = (uintptr_t)who,
	};

	if (!track_enter(NODES))
		return;
	if (track.lock_all)
		like.flags |= VMA_LOCKED;
	fill(addr, page_end(addr, bytes), &like);
	track.calls++;
	track_leave();
}

/* Arguments that the kernel refuses take nothing out. */
void track_take(struct track_call *c, uintptr_t addr, size_t bytes)
{
	struct vma_tree *t = &track.tree;
	const struct vma *v;

	*c = (struct track_call){ .start = addr, .end = page_end(addr, bytes) };
	if (addr % page_bytes() || c->end < addr || !track_enter(NODES))
		return;
	v = tree_find(t, addr);
	if (v && v->start <= addr) {
		c->first = *v;
		if (v->flags & VMA_FILE)
			c->first.offset += addr - v->start;
	}
	if (bytes && cut(c->start, c->end))
		c->taken = tree_take(t, c->start, c->end);
	c->noted = true;
	__atomic_add_fetch(&track.under_way, 1, __ATOMIC_SEQ_CST);
	track.calls++;
	track_leave();
}

static void put_back(struct track_call *c)
{
	struct vma *v;

	while ((v = tree_pop(&c->taken)))
		tree_add(&track.tree, v);
	tree_join(&track.tree, c->start, c->end);
}

/* The second part, if the tree may be touched. */
static bool second(struct track_call *c)
{
	if (!c->noted)
		return false;
	__atomic_sub_fetch(&track.under_way, 1, __ATOMIC_SEQ_CST);
	/* Not likely: the handler that we are in is a later one. The nodes leak. */
	return track_enter(NODES);
}

void track_taken(struct track_call *c, bool done)
{
	if (!second(c))
		return;
	if (done)
		tree_drop(&track.tree, c->taken);
	else
		put_back(c);
	track_leave();
}

static struct vma shifted(const struct vma *v, uintptr_t by)
{
	struct vma like = *v;

	like.start += by;
	like.end += by;
	return like;
}

/*
 * mremap has done it. What was there keeps its attributes at the new place;
 * what the range has grown by is as its end. copied: the old place stays.
 */
void track_moved(struct track_call *c, uintptr_t to, size_t bytes, bool copied)
{
	uintptr_t by = to - c->start, end = page_end(to, bytes);
	struct vma_tree *t = &track.tree;
	struct vma last = c->first, *taken = c->taken, *v;

	if (!second(c))
		return;
	last.start = to;
	last.end = to;
	c->taken = NULL;
	while ((v = tree_pop(&taken))) {
		struct vma like = shifted(v, by);

		if (like.end > last.end || last.end == to)
			last = like;
		if (like.start < end)
			fill(like.start, min_u64(like.end, end), &like);
		if (copied) {
			v->flags &= ~(uint32_t)VMA_LOCKED;
			tree_add(t, v);
		} else {
			v->kid[0] = v->kid[1] = NULL;
			tree_drop(t, v);
		}
	}
	if (!c->first.end) {
		track_miss();
	} else if (last.end < end) {
		if (last.flags & VMA_FILE)
			last.offset += last.end - last.start;
		fill(last.end, end, &last);
	}
	track_leave();
}

void track_change(uintptr_t addr, size_t bytes, uint32_t clear, uint32_t set)
{
	uintptr_t start = align_down(addr, page_bytes());
	uintptr_t end = page_end(addr, bytes);

	if (start >= end || !track_enter(NODES))
		return;
	if (cut(start, end)) {
		tree_change(&track.tree, start, end, clear, set);
		tree_join(&track.tree, start, end);
	}
	track.calls++;
	track_leave();
}

/* Where the first hole of a range begins; its end: it has none. */
static uintptr_t find_hole(uintptr_t addr, uintptr_t end)
{
	const struct vma *v = tree_find(&track.tree, addr);

	for (; v && v->start <= addr && addr < end;
	     v = tree_find(&track.tree, addr))
		addr = v->end;
	return min_u64(addr, end);
}

bool track_change_partly(uintptr_t addr, size_t bytes, uint32_t clear,
			 uint32_t set, bool past_it)
{
	uintptr_t start = align_down(addr, page_bytes());
	uintptr_t end = page_end(addr, bytes), hole;

	if (start >= end || !track_enter(NODES))
		return false;
	hole = find_hole(start, end);
	if (hole < end) {
		uintptr_t to = past_it ? end : hole;

		if (start < to && cut(start, to)) {
			tree_change(&track.tree, start, to, clear, set);
			tree_join(&track.tree, start, to);
		}
	}
	track.calls++;
	track_leave();
	return hole < end;
}

void track_lock_all(bool now, bool later)
{
	if (!track_enter(NODES))
		return;
	track.lock_all = later;
	if (now || !later) {
		tree_change(&track.tree, 0, UINTPTR_MAX, VMA_LOCKED,
			    now ? VMA_LOCKED : 0);
		tree_join(&track.tree, 0, UINTPTR_MAX);
	}
	track.calls++;
	track_leave();
}

/* With the lock held since before the fork. */
void track_child(void)
{
	struct vma_tree *t = &track.tree;
	struct vma *v = tree_find(t, 0);

	track.lock_all = 0;
	/* Another thread's call was half done: its range is not in the tree. */
	if (track.under_way) {
		track.under_way = 0;
		track.stale = 1;
	}
	tree_change(t, 0, UINTPTR_MAX, VMA_LOCKED, 0);
	while (v) {
		uintptr_t end = v->end;

		if (v->flags & VMA_NO_FORK)
			tree_drop(t, tree_take(t, v->start, v->end));
		v = tree_find(t, end);
	}
}

/*
 * The nodes leak: the tree may be in the middle of another thread's change. Not
 * of our own, if a handler that interrupted it forked: that goes on.
 */
void track_forget(void)
{
	if (inside_holds(&track.lock))
		track_miss();
	else
		track = (struct track){ .stale = 1, .missed = track.missed };
}

bool track_next(uintptr_t addr, struct vma *out)
{
	const struct vma *v;

	if (!track_enter(0))
		return false;
	v = tree_find(&track.tree, addr);
	if (v)
		*out = *v;
	track_leave();
	return v != NULL;
}
