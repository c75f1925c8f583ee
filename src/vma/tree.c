/* SPDX-License-Identifier: MIT */
#include "vma/tree.h"

/* xorshift64 */
static uint32_t weigh(struct vma_tree *t)
{
	uint64_t x = t->random ? t->random : 0x9e3779b97f4a7c15u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	t->random = x;
	return (uint32_t)(x >> 32);
}

static void give(struct vma_tree *t, struct vma *v)
{
	v->kid[0] = t->spare;
	t->spare = v;
	t->nr_spare++;
}

void tree_feed(struct vma_tree *t, void *memory, size_t bytes)
{
	struct vma *v = memory;

	for (size_t i = 0; i < bytes / sizeof(*v); i++)
		give(t, v + i);
}

struct vma *tree_new(struct vma_tree *t)
{
	struct vma *v = t->spare;

	if (!v)
		return NULL;
	t->spare = v->kid[0];
	t->nr_spare--;
	*v = (struct vma){ .weight = weigh(t) };
	return v;
}

/* Those below addr, and those from it on. Nothing may straddle it. */
static void split(struct vma *v, uintptr_t addr, struct vma **low,
		  struct vma **high)
{
	while (v) {
		if (v->start < addr) {
			*low = v;
			low = &v->kid[1];
			v = *low;
		} else {
			*high = v;
			high = &v->kid[0];
			v = *high;
		}
	}
	*low = *high = NULL;
}

static struct vma *meld(struct vma *low, struct vma *high)
{
	struct vma *root, **at = &root;

	while (low && high) {
		if (low->weight > high->weight) {
			*at = low;
			at = &low->kid[1];
			low = *at;
		} else {
			*at = high;
			at = &high->kid[0];
			high = *at;
		}
	}
	*at = low ? low : high;
	return root;
}

/* As the kernel counts: by what a page may be, not by what is there. */
static void count(struct vma_tree *t, const struct vma *v, bool in)
{
	size_t bytes = in ? v->end - v->start : v->start - v->end;
	uint32_t f = v->flags;

	t->nr += in ? 1 : (size_t)-1;
	t->sums.total += bytes;
	if (f & VMA_LOCKED)
		t->sums.locked += bytes;
	if (f & VMA_SHARED)
		t->sums.shared += bytes;
	if (f & VMA_STACK)
		t->sums.stack += bytes;
	else if ((f & (VMA_WRITE | VMA_SHARED)) == VMA_WRITE)
		t->sums.data += bytes;
	else if ((f & (VMA_WRITE | VMA_EXEC)) == VMA_EXEC)
		t->sums.exec += bytes;
}

struct vma *tree_find(const struct vma_tree *t, uintptr_t addr)
{
	struct vma *v = t->root, *best = NULL;

	while (v) {
		if (v->end > addr) {
			best = v;
			v = v->kid[0];
		} else {
			v = v->kid[1];
		}
	}
	return best;
}

void tree_add(struct vma_tree *t, struct vma *v)
{
	struct vma *low, *high;

	v->kid[0] = v->kid[1] = NULL;
	split(t->root, v->start, &low, &high);
	t->root = meld(meld(low, v), high);
	count(t, v, true);
}

bool tree_cut(struct vma_tree *t, uintptr_t addr)
{
	struct vma *v = tree_find(t, addr), *high;
	uint32_t weight;

	if (!v || v->start >= addr)
		return true;
	high = tree_new(t);
	if (!high)
		return false;
	weight = high->weight;
	*high = *v;
	high->weight = weight;
	high->start = addr;
	if (v->flags & VMA_FILE)
		high->offset += addr - v->start;
	count(t, v, false);
	v->end = addr;
	count(t, v, true);
	tree_add(t, high);
	return true;
}

struct vma *tree_take(struct vma_tree *t, uintptr_t start, uintptr_t end)
{
	struct vma *low, *mid, *high;
	const struct vma *v;

	for (v = tree_find(t, start); v && v->start < end;
	     v = tree_find(t, v->end))
		count(t, v, false);
	split(t->root, start, &low, &mid);
	split(mid, end, &mid, &high);
	t->root = meld(low, high);
	return mid;
}

struct vma *tree_pop(struct vma **taken)
{
	struct vma *v = *taken;

	if (v)
		*taken = meld(v->kid[0], v->kid[1]);
	return v;
}

void tree_drop(struct vma_tree *t, struct vma *taken)
{
	struct vma *v;

	while ((v = tree_pop(&taken)))
		give(t, v);
}

void tree_change(struct vma_tree *t, uintptr_t start, uintptr_t end,
		 uint32_t clear, uint32_t set)
{
	struct vma *v = tree_find(t, start);

	for (; v && v->start < end; v = tree_find(t, v->end)) {
		count(t, v, false);
		v->flags = (v->flags & ~clear) | set;
		count(t, v, true);
	}
}

/* Two files that are not looked up may be two. */
static bool alike(const struct vma *a, const struct vma *b)
{
	if (a->end != b->start || a->flags != b->flags || a->who != b->who ||
	    a->inode != b->inode)
		return false;
	return !(a->flags & VMA_FILE) ||
	       (a->inode && a->offset + (a->end - a->start) == b->offset);
}

void tree_join(struct vma_tree *t, uintptr_t start, uintptr_t end)
{
	struct vma *v = tree_find(t, start ? start - 1 : 0);

	while (v && v->start < end) {
		struct vma *next = tree_find(t, v->end);

		if (!next || !alike(v, next)) {
			v = next;
			continue;
		}
		next = tree_take(t, next->start, next->end);
		count(t, v, false);
		v->end = next->end;
		count(t, v, true);
		tree_drop(t, next);
	}
}
