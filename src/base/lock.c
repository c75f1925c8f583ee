/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/print.h"

/*
 * About a microsecond of spinning: longer than any critical section that
 * makes no system call, shorter than a sleep and a wake-up.
 */
enum { SPINS = 100 };

static void futex(uint32_t *word, int op, uint32_t val)
{
	int saved = errno;

	syscall(SYS_futex, word, op, val, NULL, NULL, 0);
	errno = saved;
}

static const char many;
const char *lock_alone = &many;

void lock_tell(const char *alone)
{
	WRITE_ONCE(lock_alone, alone ? alone : &many);
}

static cold void wait_for(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t zero = 0;

		cpu_relax();
		if (READ_ONCE(l->word) == 0 &&
		    __atomic_compare_exchange_n(&l->word, &zero, 1, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return;
	}
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_SEQ_CST))
		futex(&l->word, FUTEX_WAIT_PRIVATE, 2);
}

void lock_shared(struct lock *l)
{
	uint32_t zero = 0;

	if (unlikely(!__atomic_compare_exchange_n(&l->word, &zero, 1, false,
						  __ATOMIC_SEQ_CST,
						  __ATOMIC_RELAXED)))
		wait_for(l);
}

static cold void wake_one(struct lock *l)
{
	futex(&l->word, FUTEX_WAKE_PRIVATE, 1);
}

void unlock_shared(struct lock *l)
{
	if (unlikely(__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2))
		wake_one(l);
}

/* One bit a level: two locks of one level are never held together. */
static thread_local_word uint32_t held;

void lock_order_enter(enum lock_level level)
{
	if (held >> level)
		fatal("lock order: level %d taken with %x held", level, held);
	held |= 1u << level;
}

void lock_order_exit(enum lock_level level)
{
	held &= ~(1u << level);
}
