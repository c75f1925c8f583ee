/* SPDX-License-Identifier: MIT */
#include "vma/inside.h"

#include <errno.h>

#include "base/bits.h"
#include "os/os.h"
#include "os/rseq.h"

enum { CHUNK = 64 << 10 };

bool inside_enter(uint32_t *word, struct lock *l, struct vma_tree *t, size_t nr)
{
	if (*word || !READ_ONCE(percpu_switch.started))
		return false;
	*word = IN;
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
	*word = HOLDS;
	return true;
}

void inside_leave(uint32_t *word, struct lock *l)
{
	*word = IN;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	unlock(l, LOCK_VMA);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	*word = OUT;
}
