/* SPDX-License-Identifier: MIT */
/*
 * A page fault costs ten times what clearing a page costs. So a mapping that
 * the program ends is not unmapped but moved: mremap(MREMAP_DONTUNMAP) takes
 * its page tables to a place of the kernel's choice, munmap takes the empty
 * range away. The old place is then as it would have been: it faults, mincore
 * and mprotect say ENOMEM, another mapping may come there. The new place is
 * nobody's. A request that fits gets it, and needs no system call.
 *
 * Two sets, both (V), under one lock:
 *
 *   live   the mappings that may be kept one day: a tree as vma/track.c has it.
 *          In it are private anonymous mappings, readable and writable, made
 *          without an address or flags, to which nothing was done since but
 *          reading, writing and advice that leaves no trace. mprotect, mlock,
 *          other advice, MAP_FIXED over it: that part is forgotten *before* the
 *          kernel does it, and so is what munmap takes. Who is not in the tree
 *          is not touched, so to forget is always right. `who` is what the call
 *          was made by, VMA_SERVED: all of its pages were written by us.
 *   kept   an array, of at most KEPT_MAX pieces and so many bytes: 8 MiB, an
 *          eighth of what lives, and what lived within the last half second to
 *          second and does not now, but of that no more than lives and 64 MiB
 *          (as the zones keep their dirty pages). The smallest piece that is
 *          large enough is taken, and the rest of it stays; or else one that is
 *          too small, which mremap makes longer. To the limits its pages are
 *          dirty free ones (struct stock, zone/balance.h); they, malloc_trim
 *          and the thread at rest drop pieces, the oldest first.
 *
 * Density. Memory is kept and served only where mappings of the same caller and
 * size were touched nearly everywhere (habit.h).
 *
 * Room. What is kept for longer than IDLE_NS makes room when the kernel gives
 * a mapping, as many bytes. When there is no room, and all of it is recent, the
 * mapping is unmapped: a program that ends many at once pays nothing more.
 *
 * Who else may be here: a signal handler that interrupts its own thread inside
 * cannot forget anything. It sets `lost`; whoever has the lock next, the
 * interrupted thread at the latest, forgets all that lives. Calls that are not
 * seen (raw ones, shmat over a mapping) leave records that are not true. A vfork
 * child is as a thread of its parent. Before a fork all of both sets goes: the
 * pages would be copied at the next write.
 *
 * Each piece is a mapping to the kernel, which cannot merge it with its
 * neighbours; 65,530 are allowed. So no more than LIVE_MAX are recorded.
 *
 * Cost of map, touch, unmap, in microseconds (kernel 6.18, a virtual machine):
 *
 *      KiB    64    256   1024   4096
 *   kernel    29     91    356   1388	16 to 1,024 faults
 *   served     7     11     23     70	one in 64 new
 */
#include "vma/serve.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "conf/conf.h"
#include "os/numa.h"
#include "os/os.h"
#include "topo/topo.h"
#include "vma/habit.h"
#include "vma/inside.h"
#include "vma/track.h"
#include "zone/balance.h"
#include "zone/quota.h"

enum {
	SERVE_MIN = 32 << 10,
	SERVE_MAX = 4 << 20,
	KEPT_MIN = 8 << 20,
	LEFT_MIN = 16 << 20,
	KEPT_MAX = 256,
	LIVE_MAX = 16384,
	NODES = 4,	/* two cuts and a new one */
};
static const uint64_t IDLE_NS = 100000000, PERIOD_NS = 500000000;

struct piece {
	char *start;
	size_t bytes;
	uint64_t since;		/* os_now() */
	unsigned nid;
};

static struct {
	struct lock lock;		/* LOCK_VMA (V) */
	uint32_t on;			/* (A) */
	uint32_t lost;			/* (A) live is not what it says */
	struct vma_tree live;		/* (V) */
	size_t forgotten;		/* (V) served ones that were, at forks */
	unsigned nr;			/* (V) */
	struct piece kept[KEPT_MAX];	/* (V) */
	size_t peak[2];			/* (V) bytes, in this period and the last */
	uint64_t period_start;		/* (V) */
	uint64_t asked, taken;		/* (V) */
} serve set_apart;

static struct stock stock;	/* pages: (V) to write */

static void forget_all(void)
{
	const struct vma *v = tree_find(&serve.live, 0);

	for (; v; v = tree_find(&serve.live, v->end))
		serve.forgotten += !!(v->flags & VMA_SERVED);
	tree_drop(&serve.live, tree_take(&serve.live, 0, UINTPTR_MAX));
}

static void find_lost(void)
{
	if (unlikely(READ_ONCE(serve.lost)) &&
	    __atomic_exchange_n(&serve.lost, 0, __ATOMIC_SEQ_CST))
		forget_all();
}

static bool enter(size_t nr)
{
	if (!inside_enter(&serve.lock, &serve.live, nr)) {
		WRITE_ONCE(serve.lost, 1);
		return false;
	}
	find_lost();
	return true;
}

static void leave(void)
{
	find_lost();
	inside_leave(&serve.lock);
}

static size_t pages_of(size_t bytes)
{
	return bytes >> topo.page_shift;
}

/* The caller's node; false: it says itself where its memory is to be. */
static bool here(unsigned *nid)
{
	unsigned cpu = 0;

	*nid = 0;
	if (topo.nodes == 1)
		return true;
	if (conf.numa == NUMA_INTERLEAVE || os_own_policy() ||
	    !os_current_place(&cpu, NULL))
		return false;
	*nid = topo_home(topo_node_of_cpu(cpu));
	return true;
}

/* All changes of what is kept. */
static void add_locked(const struct piece *p)
{
	serve.kept[serve.nr++] = *p;
	WRITE_ONCE(stock.pages, stock.pages + pages_of(p->bytes));
}

static void shorten_locked(struct piece *p, size_t by)
{
	WRITE_ONCE(stock.pages, stock.pages - pages_of(by));
	p->start += by;
	p->bytes -= by;
	if (!p->bytes)
		*p = serve.kept[--serve.nr];
}

/* NULL: there is none. */
static struct piece *oldest_locked(void)
{
	struct piece *oldest = NULL;

	for (unsigned i = 0; i < serve.nr; i++) {
		struct piece *p = &serve.kept[i];

		if (!oldest || p->since < oldest->since)
			oldest = p;
	}
	return oldest;
}

static size_t kept_bytes(void)
{
	return READ_ONCE(stock.pages) << topo.page_shift;
}

static void unmap(char *start, size_t bytes)
{
	struct track_call call;
	int saved = errno;

	track_take(&call, (uintptr_t)start, bytes);
	os_unmap(start, bytes);
	track_taken(&call, true);
	errno = saved;
}

/* The oldest pieces, until so many bytes have gone; none that came later. */
static size_t drop(size_t most, uint64_t until)
{
	size_t done = 0;

	while (done < most && READ_ONCE(serve.nr) && enter(0)) {
		struct piece *p = oldest_locked();
		size_t bytes = 0;
		char *start;

		if (p && p->since <= until) {
			bytes = p->bytes;
			start = p->start;
			shorten_locked(p, bytes);
		}
		leave();
		if (!bytes)
			break;
		unmap(start, bytes);
		done += bytes;
	}
	return done;
}

/* For zone/balance.c. */
static size_t drop_pages(size_t npages)
{
	size_t most = min_u64(npages, stock.pages) << topo.page_shift;

	return pages_of(drop(most, UINT64_MAX));
}

bool serve_init(void)
{
	if (os_address_space_left() != SIZE_MAX || !os_move_works())
		return false;
	stock.drop = drop_pages;
	store_release(&balance.stock, &stock);
	WRITE_ONCE(serve.on, 1);
	return true;
}

void serve_stop(void)
{
	WRITE_ONCE(serve.on, 0);
	WRITE_ONCE(serve.lost, 1);
	serve_release();
}

bool serve_wants(const void *addr, size_t bytes, int prot, int flags,
		 int64_t offset)
{
	return !addr && bytes >= SERVE_MIN && bytes <= SERVE_MAX &&
	       prot == (PROT_READ | PROT_WRITE) &&
	       flags == (MAP_PRIVATE | MAP_ANONYMOUS) && !offset &&
	       READ_ONCE(serve.on);
}

/* The place is free: whoever was there has gone, if not by munmap. */
static void live_locked(char *start, size_t bytes, const void *who,
			unsigned nid, uint32_t flags)
{
	struct vma_tree *t = &serve.live;
	uintptr_t from = (uintptr_t)start, to = from + bytes;
	struct vma *v;

	if (tree_cut(t, from) && tree_cut(t, to))
		tree_drop(t, tree_take(t, from, to));
	else
		forget_all();
	if (t->nr + serve.forgotten >= LIVE_MAX)
		return;
	v = tree_new(t);
	if (!v)
		return;
	v->start = from;
	v->end = to;
	v->who = (uintptr_t)who;
	v->flags = flags;
	v->offset = nid;
	tree_add(t, v);
	serve.peak[0] = max_u64(serve.peak[0], t->sums.total);
}

static bool fits_better(const struct piece *p, const struct piece *best,
			size_t bytes)
{
	if (!best)
		return true;
	/* Of equals the latest: what it holds may be in a cache. */
	if (p->bytes == best->bytes)
		return p->since > best->since;
	if (best->bytes < bytes)
		return p->bytes > best->bytes;
	return p->bytes >= bytes && p->bytes < best->bytes;
}

/* The smallest that is large enough, or the largest that may grow. */
static struct piece *fit_locked(size_t bytes, unsigned nid)
{
	struct piece *best = NULL;

	for (unsigned i = 0; i < serve.nr; i++) {
		struct piece *p = &serve.kept[i];

		if (p->nid == nid && p->bytes >= bytes / 4 &&
		    fits_better(p, best, bytes))
			best = p;
	}
	return best;
}

/* A piece that is too small, with pages behind it that hold nothing yet. */
static char *grow(const struct piece *p, size_t bytes)
{
	struct track_call call;
	char *start;

	track_take(&call, (uintptr_t)p->start, p->bytes);
	start = os_grow(p->start, p->bytes, bytes);
	if (!start)
		os_unmap(p->start, p->bytes);
	track_taken(&call, true);
	return start;
}

/* What is taken out of the set: at most bytes, or all of what is smaller. */
static struct piece pick_locked(struct piece *from, size_t bytes)
{
	struct piece p = *from;

	/* A rest that is too short for anybody goes too. */
	if (p.bytes >= bytes + SERVE_MIN)
		p.bytes = bytes;
	shorten_locked(from, p.bytes);
	return p;
}

static void note(char *start, size_t bytes, const void *who, unsigned nid,
		 uint32_t flags)
{
	if (enter(NODES)) {
		live_locked(start, bytes, who, nid, flags);
		leave();
	}
}

/* Taken out of the set by nobody else: as long and as empty as it must be. */
static char *prepare(struct piece *p, size_t bytes, const void *who)
{
	size_t filled = min_u64(p->bytes, bytes);
	char *start = p->start;

	if (p->bytes > bytes)
		unmap(start + bytes, p->bytes - bytes);
	if (p->bytes < bytes)
		start = grow(p, bytes);
	if (!start)
		return NULL;
	memset(start, 0, filled);
	note(start, bytes, who, p->nid, filled == bytes ? VMA_SERVED : 0);
	return start;
}

void *serve_take(size_t bytes, const void *who, bool *look)
{
	struct piece *from, p = { .bytes = 0 };
	char *start = NULL;
	struct habit *h;
	int saved = errno;
	unsigned nid;

	bytes = align_up(bytes, page_bytes());
	h = habit_of((uintptr_t)who, bytes);
	*look = false;
	if (here(&nid) && enter(NODES)) {
		serve.asked++;
		*look = habit_looks(h);
		if (!*look && habit_dense(h)) {
			from = fit_locked(bytes, nid);
			*look = !from;
			if (from && serve.live.nr + serve.forgotten < LIVE_MAX)
				p = pick_locked(from, bytes);
		}
		serve.taken += !!p.bytes;
		leave();
	}
	if (p.bytes)
		start = prepare(&p, bytes, who);
	errno = saved;
	return start;
}

void serve_note(void *addr, size_t bytes, const void *who)
{
	uint64_t now = os_now();
	int saved = errno;
	unsigned nid;

	bytes = align_up(bytes, page_bytes());
	if (here(&nid))
		note(addr, bytes, who, nid, 0);
	if (READ_ONCE(serve.nr))
		drop(bytes, now - IDLE_NS);
	errno = saved;
}

/* Takes [start, end) out of what lives; *out: where it was one, and all one. */
static bool forget_locked(uintptr_t start, uintptr_t end, struct vma *out)
{
	struct vma_tree *t = &serve.live;
	const struct vma *v = tree_find(t, start);
	bool one = v && v->start <= start && v->end >= end;

	if (!v || v->start >= end)
		return false;
	if (out && one)
		*out = *v;
	if (tree_cut(t, start) && tree_cut(t, end))
		tree_drop(t, tree_take(t, start, end));
	else
		forget_all();
	return one;
}

/* The same of a call's range, if it is one that the kernel would take. */
static bool forget(const void *addr, size_t bytes, struct vma *out)
{
	uintptr_t start = align_down((uintptr_t)addr, page_bytes());
	uintptr_t end = align_up((uintptr_t)addr + bytes, page_bytes());
	bool one;

	if (!READ_ONCE(serve.on) || start >= end || !enter(NODES))
		return false;
	one = forget_locked(start, end, out);
	leave();
	return one;
}

bool serve_forget(const void *addr, size_t bytes)
{
	return forget(addr, bytes, NULL);
}

void serve_emptied(const void *addr, size_t bytes)
{
	uintptr_t start = align_down((uintptr_t)addr, page_bytes());
	uintptr_t end = align_up((uintptr_t)addr + bytes, page_bytes());
	struct vma_tree *t = &serve.live;

	if (!READ_ONCE(serve.on) || start >= end || !enter(NODES))
		return;
	if (tree_cut(t, start) && tree_cut(t, end))
		tree_change(t, start, end, VMA_SERVED, 0);
	else
		forget_all();
	leave();
}

static bool over_limit(size_t bytes)
{
	size_t pages = residents_used() + residents_dirty() + pages_of(bytes);

	return READ_ONCE(quota.on) && pages << topo.page_shift > quota_limit();
}

/* As resident_high() has it: what lived lately and does not now, and a little. */
static size_t high_locked(uint64_t now)
{
	size_t live = serve.live.sums.total, peak;

	if (now - serve.period_start > PERIOD_NS) {
		bool long_ago = now - serve.period_start > 2 * PERIOD_NS;

		serve.peak[1] = long_ago ? live : serve.peak[0];
		serve.peak[0] = live;
		serve.period_start = now;
	}
	peak = max_u64(serve.peak[0], serve.peak[1]);
	return KEPT_MIN + live / 8 +
	       min_u64(peak > live ? peak - live : 0, MIB(64) + live);
}

/* Room for so many bytes more, if need be in place of what is idle. */
static bool has_room(size_t bytes, uint64_t now)
{
	size_t kept = kept_bytes(), most;

	if (!enter(0))
		return false;
	most = high_locked(now);
	leave();
	/* Less lives than when it was kept. */
	if (kept > most)
		kept -= drop(kept - most, UINT64_MAX);

	if (kept + bytes > most)
		drop(kept + bytes - most, now - IDLE_NS);
	if (READ_ONCE(serve.nr) == KEPT_MAX)
		drop(1, now - IDLE_NS);
	return READ_ONCE(serve.nr) < KEPT_MAX && kept_bytes() + bytes <= most &&
	       !over_limit(bytes);
}

/* What came from the kernel is looked at, what came from us is full. */
static bool is_dense(char *addr, size_t bytes, const struct vma *was)
{
	struct habit *h = habit_of(was->who, bytes);

	if (was->flags & VMA_SERVED)
		return habit_dense(h);
	return habit_seen(h, pages_of(bytes), os_resident(addr, bytes));
}

/* Whoever looks after what is left behind (malloc/idle.c) looks here too. */
static void left_behind(void)
{
	if (kept_bytes() > LEFT_MIN && READ_ONCE(balance.idle) == IDLE_NONE)
		WRITE_ONCE(balance.idle, IDLE_LEFT);
}

static bool keep(char *addr, size_t bytes, const struct vma *was)
{
	struct piece p = { .bytes = bytes, .since = os_now(),
			   .nid = (unsigned)was->offset };
	bool kept;

	if (!has_room(bytes, p.since) || !is_dense(addr, bytes, was) ||
	    (topo.nodes > 1 && os_policy_at(addr)))
		return false;
	p.start = os_move_away(addr, bytes);
	if (!p.start)
		return false;
	track_mapped((uintptr_t)p.start, bytes, VMA_READ | VMA_WRITE | VMA_SPARE,
		     0, NULL);
	kept = enter(0);
	if (kept) {
		kept = serve.nr < KEPT_MAX && READ_ONCE(serve.on);
		if (kept)
			add_locked(&p);
		leave();
	}
	if (!kept)
		unmap(p.start, bytes);
	left_behind();
	return true;
}

bool serve_keep(void *addr, size_t bytes)
{
	struct vma was = { 0 };
	int saved = errno;
	bool kept = false;

	if ((uintptr_t)addr % page_bytes())
		return false;
	bytes = align_up(bytes, page_bytes());
	if (forget(addr, bytes, &was) && bytes >= SERVE_MIN &&
	    bytes <= SERVE_MAX)
		kept = keep(addr, bytes, &was);
	errno = saved;
	return kept;
}

bool serve_release(void)
{
	return drop(SIZE_MAX, UINT64_MAX) != 0;
}

bool serve_idle(void)
{
	return drop(SIZE_MAX, os_now() - PERIOD_NS) != 0;
}

void serve_prepare(void)
{
	serve_release();
	if (READ_ONCE(serve.on) && enter(0)) {
		forget_all();
		leave();
	}
}

/*
 * Nobody else is here, and nothing is kept if serve_prepare() could run. What
 * another thread kept since then, or was about to, is not used in the child.
 */
void serve_child(void)
{
	if (inside_holds(&serve.lock)) {
		/* A handler forked; what it interrupted goes on. */
		WRITE_ONCE(serve.lost, 1);
		return;
	}
	serve.lock.word = 0;
	serve.live = (struct vma_tree){ 0 };
	serve.nr = 0;
	WRITE_ONCE(stock.pages, 0);
}

void serve_count(struct serve_sums *out)
{
	*out = (struct serve_sums){ 0 };
	if (!enter(0))
		return;
	out->asked = serve.asked;
	out->taken = serve.taken;
	out->kept = serve.nr;
	leave();
	out->kept_bytes = kept_bytes();
}
