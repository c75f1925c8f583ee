/* SPDX-License-Identifier: MIT */
#include "os/rseq.h"

#include <sys/auxv.h>

#include "base/print.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

thread_local_word struct seat seat;
/* Until the start: slot 0 of nil rows that are just long enough for a pop. */
static uint64_t early_rows[(1 << CLASS_BITS) * 4 / 8 + 1];
struct percpu_base percpu_base = { .nil = (uintptr_t)&early_rows[1] };
struct percpu_switch percpu_switch aligned_to(SWITCH_BYTES);

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

bool rseq_find(bool one_node)
{
	uintptr_t area;
	int32_t cpu;

	if (!&__rseq_offset || !&__rseq_size || !__rseq_size)
		return false;
	area = (uintptr_t)__builtin_thread_pointer() + (uintptr_t)__rseq_offset;
	cpu = *(volatile int32_t *)(area + RSEQ_CPU_ID);
	if (cpu < 0)
		return false;
	percpu_base.dist = (intptr_t)(area - (uintptr_t)&seat);
	/*
	 * mm_cid is small for a process of few threads whatever the machine;
	 * kernels before 6.3 do not write it although libc has the room.
	 */
	percpu_base.field = one_node && getauxval(AT_RSEQ_FEATURE_SIZE) >=
						RSEQ_MM_CID + 4
				    ? RSEQ_MM_CID
				    : RSEQ_CPU_ID;
	return true;
}

void rseq_fake(void)
{
	percpu_base.field = RSEQ_MM_CID;
}
