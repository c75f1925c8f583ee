/* SPDX-License-Identifier: MIT */
/*
 * What:  fork, vfork and their kin, through the one gate of slab/percpu.c.
 * Order: prepare shuts the gate (slow paths drain) and diverts the fast paths
 *        (to the nil rows, then a fence): nothing of the allocator changes
 *        while pages are copied. Parent and child open the gate and go on
 *        with all their sheaves. The forking thread may allocate in between,
 *        from other handlers.
 *        A vfork child shares our memory, and the kernel gives it no rseq
 *        while its registration still looks like the parent's: while it
 *        lives, the process runs on the locked paths.
 *        _Fork and a raw clone run no handlers. Their child finds the switch
 *        wiped: the fast path goes the slow way, and that comes here.
 */
#include <pthread.h>
#include <string.h>

#include "malloc/mm.h"
#include "vma/call.h"

static struct {
	/*
	 * (gate) The seat of the thread that shut the gate for a fork; a seat
	 * has the same address in the child, a thread id has not.
	 */
	struct seat *shut_by;
	bool at_rest;		/* (gate) other CPUs were fenced */
	uint32_t vforks;	/* (gate) children that share our memory now */
} state;

bool fork_vforked(void)
{
	return state.vforks != 0;
}

bool mm_diverted(void)
{
	return state.vforks || watch.heap & WATCH_HOOKS;
}

static void prepare(void)
{
	/*
	 * Inside, so that a signal handler in the middle of this takes no
	 * lock. Refused where a handler inside a slow path forks: then locks
	 * are as they are.
	 */
	if (!mm_enter())
		return;
	if (percpu_switch.started) {
		state.at_rest = percpu_stop();
		state.shut_by = &seat;
		vma_prepare();
	}
	mm_leave();
}

static void parent(void)
{
	if (READ_ONCE(state.shut_by) != &seat || !mm_enter())
		return;
	vma_parent();
	state.shut_by = NULL;
	percpu_start(mm_diverted());
	mm_leave();
}

static void child(void)
{
	if (!percpu.base)
		return;
	trace_child();
	hooks_child();
	mm_oom_child();
	/*
	 * Not prepared, since a handler inside a slow path forked: as a child
	 * of _Fork, which the next call notices. The slow path goes on.
	 */
	if (state.shut_by != &seat) {
		percpu_switch.area = 0;
		percpu_switch.started = 0;
		percpu_open();
		vma_recover();
		return;
	}
	percpu_switch.started = 1;
	vma_child();
	if (!mm_enter())
		return;
	nodes_child();
	state.shut_by = NULL;
	state.vforks = 0;
	idle_child();
	percpu_child(state.at_rest);
	if (!state.at_rest)
		named_child();
	percpu_start(mm_diverted());
	mm_leave();
}

/*
 * Other threads' sheaves and page lists were copied at any moment: they are
 * not used. A lock may be held by a thread that is not here: what is under it
 * was being changed, so it is forgotten and left alone (a new epoch tells old
 * from new); the child has less memory to reuse, and no wrong memory.
 */
void fork_recover(void)
{
	memset(&state, 0, sizeof(state));
	trace_child();
	hooks_child();
	mm_oom_child();
	idle_child();
	vma_recover();
	sheaves_recover();
	caches_recover();
	named_recover();
	nodes_recover();
	percpu_switch.started = 1;
	percpu_recover(mm_diverted());
}

void fork_init(void)
{
	pthread_atfork(prepare, parent, child);
}

void mm_divert(void)
{
	if (!mm_enter())
		return;
	if (percpu_switch.started) {
		percpu_stop();
		state.vforks++;
		percpu_start(mm_diverted());
	}
	mm_leave();
}

void mm_rewatch(void)
{
	if (!mm_enter())
		return;
	if (percpu_switch.started)
		percpu_stop();
	hooks_refresh();
	if (percpu_switch.started)
		percpu_start(mm_diverted());
	mm_leave();
}

void mm_undivert(void)
{
	if (!mm_enter())
		return;
	if (state.vforks) {
		percpu_stop();
		state.vforks--;
		percpu_start(mm_diverted());
	}
	mm_leave();
}
