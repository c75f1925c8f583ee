/* SPDX-License-Identifier: MIT */
/*
 * What:  the circular doubly linked list, as the kernel's.
 * Locks: the caller's; a list has none of its own.
 * Invariant: a head that was never initialised is { NULL, NULL } and counts
 *        as empty, so that zeroed memory is a valid set of empty lists.
 */
#ifndef BM_BASE_LIST_H
#define BM_BASE_LIST_H

#include "base/compiler.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list *h)
{
	return !h->next || h->next == h;
}

static inline void list_add(struct list *n, struct list *h)
{
	if (!h->next)
		list_init(h);
	n->next = h->next;
	n->prev = h;
	h->next->prev = n;
	h->next = n;
}

static inline void list_add_tail(struct list *n, struct list *h)
{
	if (!h->next)
		list_init(h);
	list_add(n, h->prev);
}

static inline void list_del(struct list *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
	n->next = n->prev = NULL;
}

#endif
