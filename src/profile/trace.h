/* SPDX-License-Identifier: MIT */
/*
 * What:  records what a program allocates and frees, call by call, to be
 *        played again (option trace:FILE, one FILE.PID for each process).
 * Door:  trace_record(), from profile/hook.c, behind a call that made a block
 *        and in front of one that ends it; trace_mute() around calls inside a
 *        recorded call.
 * Locks: LOCK_TRACE (T), the last of the order.
 * Invariant: in the file an address is always dead before it is handed out
 *        again: its end is written before the call, its birth after it.
 *        While tracing, no call is served by the fast path.
 *
 *   the file    64 bytes: "bmrawtrace 1\n" and zeros, then records of 32
 *               bytes: u8 op, u8 log2(alignment), u16 0, u32 thread, u64 size,
 *               u64 address, u64 0; all little-endian, as the machine's.
 */
#ifndef BM_PROFILE_TRACE_H
#define BM_PROFILE_TRACE_H

#include "base/bits.h"

enum trace_op {
	TRACE_MALLOC = 1,
	TRACE_CALLOC,		/* size: the whole */
	TRACE_ALIGNED,
	TRACE_FREE,
	TRACE_REALLOC,		/* from: the old address ... */
	TRACE_REALLOC_TO,	/* ... and the same thread's new one; 0: failed */
};

/* True: calls are to be recorded. */
bool trace_init(void);
/* In a fork child: a file of its own. */
void trace_child(void);
/* What is still in memory goes to the file. */
void trace_flush(void);

void trace_record(enum trace_op op, size_t align, size_t size,
		  const void *p) cold;
/* Between these the thread's calls are parts of a recorded call. */
void trace_mute(void) cold;
void trace_unmute(void) cold;

#endif
