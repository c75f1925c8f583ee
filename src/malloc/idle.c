/* SPDX-License-Identifier: MIT */
/*
 * What:  memory goes back when the program does nothing any more: a thread
 *        that is there only as long as there is something to give back.
 * Door:  idle_kick() at the end of a slow path that left dirty memory behind.
 * Who:   reclaim:auto: a program that has made threads itself gets one, unless
 *        it is set-user-ID. Others may not bear one: unshare and setns fail, a
 *        check that the process has one thread fails, a filter of system calls
 *        ends it. They give back in their own calls. reclaim:thread: all get
 *        one. libc tells every thread when the program changes its user, but
 *        not ours: so it looks each time that it wakes, and goes.
 * Order: NONE -> RUNNING by who starts it, back by the thread itself. What is
 *        left behind sets balance.idle first and looks for a thread then, and
 *        the thread the other way round: one of them sees the other.
 * Round: once in half a second, half of what nobody wanted in that time goes
 *        back. When the slow paths are at rest, once, all caches are emptied:
 *        objects in them hold slabs. Four rounds without anything to do end it.
 */
#include "malloc/mm.h"

#include "conf/conf.h"
#include "os/os.h"
#include "os/thread.h"
#include "vma/call.h"

enum {
	QUIET_ROUNDS = 4,
	/* Slow calls in a round: fewer are rest, more are worth a drain. */
	REST_CALLS = 16,
	WORTH_CALLS = 1000,
	PIECES = 16,	/* of a class's slabs, in a round */
	LEAVES = 3,	/* for other rights; then there is no thread any more */
};
static const uint64_t round_ns = 500000000;

enum { NONE, RUNNING };
static struct {
	uint32_t state;		/* (A) */
	uint32_t nap;		/* a futex word that nobody wakes */
	uint32_t refused;	/* (A) no thread can be had */
	uint32_t left;		/* (who is RUNNING) threads that had to go */
	uint32_t pid;		/* (C) whose process this is */
	uint64_t started;	/* (A) threads, ever */
	struct os_thread thread;	/* (who made it RUNNING) */
} idle;

static thread_local_word uint32_t ours;	/* 1: this thread is */

bool idle_here(void)
{
	return ours;
}

uint64_t idle_threads(void)
{
	return READ_ONCE(idle.started);
}

static uint64_t slow_calls(void)
{
	uint64_t calls = 0;

	for (uint32_t i = 0; i < READ_ONCE(percpu.max_active); i++) {
		const struct slot *slot = &percpu.slots[i];

		if (load_acquire(&slot->active))
			calls += READ_ONCE(slot->slow_allocs) +
				 READ_ONCE(slot->slow_frees);
	}
	return calls;
}

/* A little at a time: whoever runs in the slot waits for no more than that. */
static size_t give_back(size_t surplus, size_t npages)
{
	size_t piece = MIB(4) >> topo.page_shift, done = 0, n = 1;

	while (n && done < npages) {
		uint32_t nr;
		struct slot *slot = slot_enter(&nr);

		n = residents_reclaim(surplus - min_u64(done, surplus),
				      min_u64(piece, npages - done));
		slot_exit(slot);
		done += n;
	}
	return done;
}

/* What nobody wants inside slabs, a little at a time as well. */
static size_t thin_class(struct cache *cache, unsigned nid)
{
	size_t done = 0, n = 1;

	for (int i = 0; i < PIECES && n; i++) {
		uint32_t nr;
		struct slot *slot;

		if (!cache_has_surplus(cache, cache_node(cache, nid)))
			break;
		slot = slot_enter(&nr);
		n = cache_thin(cache, nid, THIN_NOW, SIZE_MAX);
		slot_exit(slot);
		done += n;
	}
	return done;
}

static size_t thin(void)
{
	size_t done = 0;

	for (unsigned class = 1; class < NR_CLASSES; class++)
		for (unsigned nid = 0; nid < topo.nodes; nid++)
			done += thin_class(&caches[class], nid);
	return done;
}

struct rounds {
	uint64_t calls, drained_at;
};

/* True: there was something to do, or there may be in the next round. */
static bool do_round(struct rounds *was)
{
	size_t idle_pages = residents_idle(), done = 0;
	uint64_t calls = slow_calls();
	bool rest = calls - was->calls < REST_CALLS;
	bool worth = calls - was->drained_at >= WORTH_CALLS;

	if (rest && worth) {
		mm_drain();
		was->drained_at = slow_calls();
	}
	was->calls = slow_calls();
	if (idle_pages)
		done = give_back(idle_pages,
				 max_u64(idle_pages / 2,
					 MIB(16) >> topo.page_shift));
	done += thin();
	return vma_idle() || done || worth;
}

/* True: nothing was left behind in the very moment. */
static bool may_end(void)
{
	uint32_t none = NONE;

	WRITE_ONCE(balance.helper, 0);
	store_release(&idle.state, NONE);
	smp_mb();
	if (READ_ONCE(balance.idle) != IDLE_LEFT ||
	    !__atomic_compare_exchange_n(&idle.state, &none, RUNNING, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return true;
	WRITE_ONCE(balance.helper, 1);
	return false;
}

/*
 * The program has other rights now. Another thread would have them, too; but
 * where its threads differ among themselves, or nobody can tell, it would not
 * help to try for ever.
 */
static int leave(void)
{
	if (++idle.left == LEAVES)
		idle.refused = 1;
	WRITE_ONCE(balance.helper, 0);
	WRITE_ONCE(balance.idle, IDLE_SEEN);
	store_release(&idle.state, NONE);
	return 0;
}

static int work(void *arg)
{
	struct rounds was = { 0, 0 };
	unsigned quiet = 0;

	(void)arg;
	ours = 1;
	os_thread_name("bm-reclaim");
	if (!os_thread_is_true())
		return leave();
	do {
		for (quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
			os_sleep(&idle.nap, 0, round_ns);
			if (!os_thread_is_true())
				return leave();
			WRITE_ONCE(balance.idle, IDLE_SEEN);
			if (!mm_enter())
				continue;
			if (do_round(&was))
				quiet = 0;
			mm_leave();
		}
		WRITE_ONCE(balance.idle, IDLE_NONE);
	} while (!may_end());
	return 0;
}

static bool wanted(void)
{
	switch (conf.reclaim) {
	case RECLAIM_AUTO:
		return os_has_threads() && !os_set_user_id();
	case RECLAIM_THREAD:
		return true;
	default:
		return false;
	}
}

void idle_kick(void)
{
	uint32_t none = NONE;

	WRITE_ONCE(balance.idle, IDLE_SEEN);
	/*
	 * One that has not quite gone is no refusal: the next period tries
	 * again. A vfork child shares our memory, and its threads would end
	 * with it.
	 */
	if (idle.refused || READ_ONCE(idle.state) != NONE ||
	    READ_ONCE(idle.thread.tid) || !wanted() ||
	    fork_vforked() || os_pid() != idle.pid)
		return;
	if (!__atomic_compare_exchange_n(&idle.state, &none, RUNNING, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	WRITE_ONCE(balance.helper, 1);
	if (os_thread_start(&idle.thread, work)) {
		__atomic_add_fetch(&idle.started, 1, __ATOMIC_RELAXED);
		return;
	}
	idle.refused = 1;
	WRITE_ONCE(balance.helper, 0);
	store_release(&idle.state, NONE);
}

void idle_start(void)
{
	idle.pid = os_pid();
}

void idle_child(void)
{
	idle.pid = os_pid();
	os_thread_child(&idle.thread);
	WRITE_ONCE(idle.state, NONE);
	WRITE_ONCE(balance.helper, 0);
	WRITE_ONCE(balance.hold, 0);
	WRITE_ONCE(balance.idle, IDLE_NONE);
}
