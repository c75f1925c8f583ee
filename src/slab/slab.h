/* SPDX-License-Identifier: MIT */
/*
 * What:  slabs: pages cut into objects of one size, and the caches of them.
 * Door:  slab_take() and slab_put() move objects between slabs and sheaves;
 *        slab_inspect() says what an address is.
 * Locks: cache_node->list_lock (L); pages come and go outside it.
 * Invariant: an object is at home in its slab, or out (in a sheaf or with the
 *        program). At home means: its bit is set, or its number is >= fresh,
 *        which it keeps until it is handed out for the first time. So memory
 *        that was never handed out is never touched, and is still zero when
 *        the slab's pages were. Slabs with objects at home are on one of the
 *        partial lists, by fullness; the fullest are used first, so that the
 *        emptiest drain. Each node has lists of its own, and a slab is on the
 *        lists of the node where its memory lies.
 *        Example: fresh = 10, bits 3 and 7 set: objects 3, 7 and all from 10
 *        on are at home; 0-2, 4-6, 8 and 9 are out.
 * See:   the kernel's slub.c; metadata is out of band, in page descriptors.
 */
#ifndef BM_SLAB_SLAB_H
#define BM_SLAB_SLAB_H

#include "node/node.h"
#include "slab/class.h"
#include "slab/owner.h"

enum { NID_ANY = -1 };	/* in place of a node: all; the slot's own, first */

enum {
	SLAB_BINS = 4,		/* partial lists: < 1/4 free, ..., < 4/4 */
	SLAB_FULL = SLAB_BINS,	/* nothing at home: on no list */
	SLAB_SPARSE,		/* to be drained: see cache_plan() */
	SLAB_LISTS,
	SLAB_HELD = SLAB_LISTS,	/* on no list while cache_thin() has it */
	RECIPROCAL_SHIFT = 40,
	SHEAF_BYTES = 1 << 10,		/* the largest, */
	SHEAF_HALVES = 4,		/* sizes: it is halved up to three times */
	SHEAVES_MAX = 64 << 20,		/* bytes of all of them */
	SHEAF_WORDS = 3,	/* of each that are no places */
	SHEAF_OBJECTS = SHEAF_BYTES / 8 - SHEAF_WORDS,
	SHEAF_BUDGET = 32 << 10,	/* bytes of one sheaf; half above 1 KiB */
	GROWN_BUDGET = 128 << 10,	/* the same, as max_grown below */
	BARN_BUDGET = 64 << 10,	/* bytes of full sheaves of one owner */
	SURPLUS_MIN = 512 << 10,	/* bytes at home beyond a quarter of what is out */
	CACHE_SIZE_MAX = 128 << 10,	/* of an object of a named cache */
};

struct cache_node {
	struct lock list_lock;
	uint32_t nr_slabs;			/* (L) */
	uint32_t nr_empty;			/* (L) wholly at home, kept */
	uint8_t epoch;				/* (C) but in a child of _Fork */
	uint64_t nr_out;			/* (L) objects not at home */
	uint64_t peak[2];	/* (L) most out in this period and the last */
	uint64_t period_start;			/* (L) nanoseconds */
	uint64_t next_look;			/* (A) nanoseconds */
	uint64_t pause;				/* (L) between two looks */
	uint64_t hollow;	/* (A) pages that went back inside slabs */
	bool keeps_full;	/* (C) slabs with nothing at home are listed too */
	struct list partial[SLAB_LISTS];	/* (L) of SLAB_FULL: as above */
	struct barn {
		struct lock lock;
		uint32_t full;			/* (B) chain of tops */
		uint32_t nr;			/* (B) */
	} barns[1 << HINT_BITS];
} aligned_to(64);

/* A cache of objects of one size. All (C). */
struct cache {
	uint32_t size;
	uint16_t objects;	/* of a slab */
	uint8_t order;		/* of a slab */
	uint8_t class;
	uint8_t max_sheaf;	/* objects of the largest sheaf */
	uint8_t max_grown;	/* the same, where they keep coming back, and in large heaps */
	uint8_t max_barn;	/* full sheaves kept for one owner */
	uint64_t reciprocal;	/* (offset * reciprocal) >> 40 = number */
	struct cache_node *first_node;	/* of nid 0 */
	uint32_t node_stride;		/* bytes from one nid's to the next's */
	/* Of named caches only; see slab/named.h. */
	const char *name;
	void (*ctor)(void *object);
	struct named_slot *slots;	/* one for each; NULL: see struct slot */
	struct list named;		/* (registry) */
};

static inline struct cache_node *cache_node(const struct cache *cache,
					    unsigned nid)
{
	return (struct cache_node *)((char *)cache->first_node +
				     (size_t)nid * cache->node_stride);
}

/* Middle blocks lie among the large ones, whichever kind they are of. */
static inline enum zone_type cache_zone(const struct cache *cache)
{
	return class_is_middle(cache->class) ? ZONE_MOVABLE : ZONE_NORMAL;
}

extern struct cache caches[NR_CLASSES] __attribute__((visibility("hidden")));
/* The caches that have the classes from NR_CLASSES on; NULL: none. (registry) */
extern struct cache *named_caches[CLASS_NAMED - NR_CLASSES]
	__attribute__((visibility("hidden")));

/*
 * The cache that has a class. Of a named one this is for whoever uses it, or
 * has stopped all slots: else it may come or go at any moment.
 */
static inline struct cache *cache_of_class(unsigned class)
{
	return class < NR_CLASSES ? &caches[class]
				  : READ_ONCE(named_caches[class - NR_CLASSES]);
}

bool caches_init(void);

/*
 * Size, objects and order of the slabs of a cache: the smallest slab whose
 * tail is at most 1/16 of it; and what its sheaves and barns may hold. Sizes
 * are multiples of 8, 16 to CACHE_SIZE_MAX.
 */
void cache_init_geometry(struct cache *cache, size_t size);

/*
 * Takes up to n objects of the owner's node for the owner into slots[n - 1]
 * downwards, so that the lowest address is the last; new slabs come through
 * the page lists of the caller's slot. Where the node has no memory, they are
 * of the nearest node that has. *zeroed (when not NULL) tells whether
 * the last one is known to be zero. Returns how many.
 * With a constructor they are all of one kind: objects that were out before,
 * or one that never was (*zeroed), which has yet to be constructed.
 */
unsigned slab_take(struct cache *cache, unsigned owner, struct pcp *pcp,
		   void **slots, unsigned n, bool *zeroed);
/* Brings objects home. A double or misaligned free ends the process. */
void slab_put(struct cache *cache, struct pcp *pcp, void **slots, unsigned n);

/* Ends the process with a line on "double free" or the like. */
void slab_refuse(const char *what, const struct cache *cache, void *p)
	cold __attribute__((noreturn));
/* Ends the process where p is no object, or is at home. p's slab stays. */
void slab_check(const struct cache *cache, void *p);

/*
 * Chooses the slabs to be drained anew: the emptiest, as many as the places
 * at home in the others can take in. Returns their bytes. Nothing is taken from
 * them while another slab has anything, and they go back as soon as all is at
 * home. Example: 10 slabs of 100 objects, in each of which 7 to 13 are out:
 * 900 at home, so 9 are drained into the one that has 13 out.
 */
size_t cache_plan(struct cache *cache);
/*
 * A copy of p in a slab that stays, p itself at home; NULL: p's slab stays as
 * well, or the others have no room left.
 */
void *slab_move(struct cache *cache, struct pcp *pcp, void *p);

/*
 * Gives back the pages of partial slabs on which no object lives: a program
 * that freed nine of ten objects at random has no slab that is empty, and half
 * of its pages are. What was out lately, and a little more, is left alone, and
 * no call takes more than some milliseconds; but THIN_ALL goes on until `most`
 * pages went, or all. Returns how many.
 * Example: 100 slabs of 64 KiB, each with 3 of 60 objects out: 3 of its 16
 * pages hold something, and 13 go back.
 */
enum thin { THIN_NOW_AND_THEN, THIN_NOW, THIN_ALL };
size_t cache_thin(struct cache *cache, unsigned nid, enum thin how,
		  size_t most);
/* THIN_ALL of all classes, of one node or of all (NID_ANY). */
size_t caches_thin(int nid, size_t most);

/* Worth a closer look. No lock: it decides no more than that. */
static inline bool cache_has_surplus(const struct cache *cache,
				     const struct cache_node *node)
{
	uint64_t out = READ_ONCE(node->nr_out);
	uint64_t all = READ_ONCE(node->nr_slabs) * (uint64_t)cache->objects;

	return all > out + out / 4 &&
	       (all - out - out / 4) * cache->size > SURPLUS_MIN;
}

/* The slabs that are wholly at home go back to their zone. */
void caches_shrink(void);
void cache_shrink(struct cache *cache, struct pcp *pcp);
/*
 * For caches that keep_full: every slab goes back, whatever of it is out; and
 * how many objects are out, the addresses of the first n of them in out[].
 */
void cache_release(struct cache *cache, struct pcp *pcp);
size_t cache_live(struct cache *cache, void **out, size_t n);
/* Of all nodes together; the figures may be a little apart. */
struct cache_counts {
	size_t out;
	uint32_t slabs, empty;
};
struct cache_counts cache_count(const struct cache *cache);
/*
 * In a child of _Fork: what was under a lock that a lost thread held is
 * forgotten. Objects of a cache's older epoch are never brought home.
 */
void caches_recover(void);
void cache_recover(struct cache *cache);

/* The slab that holds p, which has a map entry, and where its objects begin. */
static inline struct page *slab_find(const void *p, uintptr_t *start)
{
	size_t unit = ((uintptr_t)p - window.base) >> UNIT_SHIFT;
	struct page *page = page_of_unit(unit);

	if (page->type != PAGE_SLAB) {
		unit -= page->unit.back;
		page = page_of_unit(unit);
	}
	*start = window.base + (unit << UNIT_SHIFT);
	return page;
}

static inline struct page *slab_of(const void *p)
{
	uintptr_t start;

	return slab_find(p, &start);
}

/* Whether p, which has a map entry, lies in a slab that is to be drained. */
static inline bool slab_is_sparse(const void *p)
{
	return READ_ONCE(slab_of(p)->slab.bin) == SLAB_SPARSE;
}

#endif
