/* SPDX-License-Identifier: MIT */
/*
 * What:  how much memory the heap may hold: the options limit and hard_limit,
 *        and what the control group allows.
 * Door:  quota_admits() before pages are handed out, quota_keep() after that,
 *        quota_look() when a zone grows, quota_feel() now and then while free
 *        pages are resident.
 * Locks: none is held by the caller but a zone's grow_lock in quota_look().
 *        The figures are words, as in zone/balance.h.
 * Invariant: resident are the pages in use (those on CPUs' lists, in slabs and
 *        sheaves among them) and the dirty free ones. Over the soft limit
 *        dirty pages go back before new ones are touched; when none are left
 *        `pressed` asks the floors above. Over the hard limit no page more
 *        comes into use. Example: limit 100 MiB, 80 in use, 15 dirty, 10 clean
 *        ones are taken: 5 of the dirty go back.
 */
#ifndef BM_ZONE_QUOTA_H
#define BM_ZONE_QUOTA_H

#include "base/compiler.h"

struct zone;

struct quota {
	size_t soft, hard;	/* (A) pages; SIZE_MAX: none */
	size_t group;		/* (A) pages, nine tenths of the group's limit */
	size_t seen_at;		/* (A) present pages when that was read */
	uint32_t on;		/* (A) one of them is set */
	uint32_t pressed;	/* (A) too much is in use, somebody must give */
	uint32_t tight;		/* (A) memory is short around us: keep little */
	uint64_t shortages;	/* (A) times that it was found so */
	uint64_t refused;	/* (A) requests, by the hard limit */
};

extern struct quota quota __attribute__((visibility("hidden")));

/* In bytes, the least of all; 0: there is none. */
size_t quota_limit(void);
/* The least of what is only aimed at. */
size_t quota_soft(void);
/* Bytes, 0: none. At start; limits may be set again later. */
void quota_init(size_t soft, size_t hard);
/* Whether so many pages more would not be too many. */
bool quota_has_room(size_t npages);
/* The same for a request, which is counted where it is refused. */
bool quota_admits_slow(size_t npages);
static inline bool quota_admits(size_t npages)
{
	return likely(!READ_ONCE(quota.on)) || quota_admits_slow(npages);
}
/*
 * Dirty pages go back until the heap is within its limits again. To be called
 * whatever kind of run was handed out: a mixed one has clean pages, too.
 */
void quota_keep_slow(void);
static inline void quota_keep(void)
{
	if (unlikely(READ_ONCE(quota.on)))
		quota_keep_slow();
}
/* Reads the control group's limit, now and then. */
void quota_look(void);
/* Asks the kernel whether memory is short (PSI); reads a few files. */
void quota_feel(void);

#endif
