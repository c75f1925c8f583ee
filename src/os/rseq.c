/* SPDX-License-Identifier: MIT */
#include "os/rseq.h"

#include <sys/auxv.h>

#include "base/print.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

thread_local_word struct seat seat;
struct percpu_base percpu_base;
struct percpu_switch percpu_switch set_wiped aligned_to(SWITCH_BYTES);
static uintptr_t area;	/* (C) */

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

bool rseq_find(bool one_node)
{
	const char *thread = __builtin_thread_pointer();

	if (!&__rseq_offset || !&__rseq_size || !__rseq_size)
		return false;
	if (*(const volatile int32_t *)(thread + __rseq_offset + RSEQ_CPU_ID) < 0)
		return false;
	area = (uintptr_t)__rseq_offset;
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
	area = (uintptr_t)&seat - (uintptr_t)__builtin_thread_pointer();
	percpu_base.field = RSEQ_MM_CID;
}

void rseq_go(void)
{
	percpu_switch.area = area;
}
