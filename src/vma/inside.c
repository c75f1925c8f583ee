/* SPDX-License-Identifier: MIT */
#include "vma/inside.h"

#include <errno.h>

#include "base/bits.h"
#include "os/os.h"
#include "os/rseq.h"

enum { CHUNK = 64 << 10 };

/* This thread is in here; `held`: and this lock is its own. */
static thread_local_word uint32_t busy;
static thread_local_word const struct lock *held;

bool inside_enter(struct lock *l, struct vma_tree *t, size_t nr)
{
	if (busy || !READ_ONCE(percpu_switch.started))
		return false;
	busy = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	while (READ_ONCE(t->nr_spare) < nr) {
		size_t bytes = align_up(nr * sizeof(struct vma), CHUNK);
		int saved = errno;
		void *chunk = os_map(bytes);

		errno = saved;
		if (!chunk)
			break;
		lock(l, LOCK_VMA);
		tree_feed(t, chunk, bytes);
		unlock(l, LOCK_VMA);
	}
	lock(l, LOCK_VMA);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	held = l;
	return true;
}

void inside_leave(struct lock *l)
{
	held = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	unlock(l, LOCK_VMA);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	busy = 0;
}

bool inside_holds(const struct lock *l)
{
	return held == l;
}
