/* SPDX-License-Identifier: MIT */
/*
 * What:  the three restartable sequences: pop, push and swap of one CPU's
 *        sheaf tops. All the inline assembly of the house is here.
 * Door:  rseq_pop(), rseq_push(), rseq_swap(); called by slab/percpu.h.
 * Locks: none. The kernel aborts a sequence that was preempted, migrated or
 *        interrupted by a signal before its last store: that store commits.
 *        An abort leads to the slow path, not back to the start: a debugger
 *        that steps through would never get to the end, and the signal may
 *        have been one whose handler forked.
 * Invariant: only `rseq_cs` of the thread's rseq area is ever written.
 *
 * `area` leads to the calling thread's rseq area. It is 0 until the allocator
 * has started, wherever there is no rseq, and, since it lies in a page that
 * fork wipes, in a child that nobody told us of: then nothing is tried, and
 * every call takes the slow path.
 *
 * The rows of all slots start at `base`: the real ones or, while the caches
 * are diverted (start, fork, trim, checking mode), the nil rows, which are all
 * zeros: there the sequences leave by their slow label. base is read inside
 * the sequence, so after a new base and a fence (membarrier) no sequence can
 * commit to a real row any more. Where the slot is the CPU's number, a thread
 * that libc could not register has one below 0: the rows there are zeros, too.
 *
 * A top is the offset of the first free place of a sheaf from base: the
 * object below it is the next to pop. A sheaf lies between two words of zeros:
 * one below the top means empty, one at the top full. The nil top, 0, is both:
 * around base there are zeros, and the rows begin behind them.
 * See:   slab/sheaf.h for the picture of a sheaf.
 */
#ifndef BM_OS_RSEQ_H
#define BM_OS_RSEQ_H

#include "base/compiler.h"

enum {
	RSEQ_CPU_ID = 4,	/* offsets in the kernel's struct rseq */
	RSEQ_CS = 8,
	RSEQ_MM_CID = 24,

	ROWS_SHIFT = 15,	/* bytes of rows a slot: 64 groups x 128 x 4 */
	CLASS_BITS = 7,		/* a map entry: the class, and above it */
	OWNER_BITS = 6,		/* the owner: its node, and a hint of the slot */
	HINT_BITS = 3,		/* at most: fewer with more than 8 nodes */
	SWITCH_BYTES = 65536,
	SWITCH_AT = 0x9d8,	/* off the start of the page, as below */
	/*
	 * Where they begin, from base. A slot that is just being named may
	 * read its name as a top: so what any owner leads to is zeros, too.
	 * Not at the start of a page, where much begins: not_at_a_start().
	 */
	ROWS_AT = (1 << (OWNER_BITS + CLASS_BITS)) + 0x418,
	LIMBO_BYTES = 2 << ROWS_SHIFT,	/* rows of the slots -1 and -2 */
};

enum inside { INSIDE = 1, INSIDE_NOGROW = 2 /* and no zone may grow */ };

/* The thread's own words; the first 32 bytes stand in for a struct rseq. */
struct seat {
	uint32_t fake_rseq[8];
	uint32_t inside;	/* this thread runs a slow path: enum inside */
	uint32_t slot;		/* sticky slot of the locked path, plus 1 */
	void *deferred;		/* frees of nested calls, drained at the end */
	uint32_t muted;		/* calls now are part of a traced call */
	uint32_t trace_thread;	/* this thread's number in the trace; 0: none */
	uint32_t hook;		/* the program's that it is in, plus 1; 0: none */
} aligned_to(32);

struct percpu_base {	/* the x86-64 sequences know the offsets */
	uintptr_t unused;
	uintptr_t base;		/* (A) the rows now in force */
	uintptr_t unused_too;
	uintptr_t field;	/* (C) which field is the slot's number */
} aligned_to(64);		/* nothing that is written beside it */
not_at_a_start(struct percpu_base, base);
not_at_a_start(struct percpu_base, field);
_Static_assert(offsetof(struct percpu_base, base) == 8 &&
		       offsetof(struct percpu_base, field) == 24,
	       "as the sequences have it");

/*
 * Alone in its page, which a fork child gets zeroed (MADV_WIPEONFORK works on
 * whole pages; 64 KiB is the largest page size).
 */
struct percpu_switch {
	char unused[SWITCH_AT];
	uintptr_t area;		/* (C) the rseq area's offset from the thread's */
	uint32_t started;	/* (C) 1; 0 again in a child that was wiped */
	char unused_too[SWITCH_BYTES - SWITCH_AT - 12];
};
not_at_a_start(struct percpu_switch, area);

extern thread_local_word struct seat seat
	__attribute__((visibility("hidden")));
extern struct percpu_base percpu_base __attribute__((visibility("hidden")));
extern struct percpu_switch percpu_switch
	__attribute__((visibility("hidden")));

#if defined(__x86_64__)

/* Relative to the thread pointer: %fs adds it. */
#define RSEQ_AREA percpu_switch.area

/* The table entry, and the store that arms it; ends at the sequence's start. */
#define RSEQ_BEGIN                                                             \
	".pushsection __rseq_cs, \"aw\"\n\t"                                   \
	".balign 32\n"                                                         \
	"93:\n\t"                                                              \
	".long 0, 0\n\t"                                                       \
	".quad 91f, 92f - 91f, 94f\n\t"                                        \
	".popsection\n\t"                                                      \
	"lea 93b(%%rip), %[r]\n\t"                                             \
	"mov %[r], %%fs:8(%[area])\n"                                          \
	"91:\n\t"

/*
 * The signature that the kernel wants before an abort address. An abort undoes
 * what the sequence has put into its results: a pop that was aborted behind
 * its load has an object in its register that is not its own, and gcc 12 with
 * -fsanitize=undefined takes it for the NULL that is meant.
 */
#define RSEQ_END(undo, label)                                                  \
	"92:\n\t"                                                              \
	".pushsection __rseq_abort, \"ax\"\n\t"                                \
	".byte 0x0f, 0xb9, 0x3d\n\t"                                           \
	".long 0x53053053\n"                                                   \
	"94:\n\t"                                                              \
	undo                                                                   \
	"jmp %l[" label "]\n\t"                                                \
	".popsection\n\t"

/*
 * r = this slot's number, then b = the base of the rows now in force. Globals
 * by name: an operand would cost a register and an instruction.
 */
#define RSEQ_SLOT                                                              \
	"mov percpu_base+24(%%rip), %[r]\n\t"                                  \
	"movslq %%fs:(%[area],%[r]), %[r]\n\t"
#define RSEQ_BASE                                                              \
	"mov percpu_base+8(%%rip), %[b]\n\t"

/* Pops an object of the class; NULL: empty, or aborted; take the slow path. */
static always_inline void *rseq_pop(uint64_t class)
{
	uintptr_t area = RSEQ_AREA, r, b, t;
	void *obj;

	if (unlikely(!percpu_switch.area))
		return NULL;
	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		"shl %[shift], %[r]\n\t"
		RSEQ_BASE
		"add %[b], %[r]\n\t"
		"mov %c[rows](%[r],%[class],4), %k[t]\n\t"
		"mov -8(%[b],%[t]), %[obj]\n\t"
		"test %[obj], %[obj]\n\t"
		"jz %l[empty]\n\t"
		"sub $8, %k[t]\n\t"
		"mov %k[t], %c[rows](%[r],%[class],4)\n"
		RSEQ_END("xor %k[obj], %k[obj]\n\t", "empty")
		: [obj] "=&a"(obj), [t] "=&r"(t), [r] "=&r"(r), [b] "=&r"(b)
		: [area] "r"(area), [class] "r"(class),
		  [shift] "i"(ROWS_SHIFT), [rows] "i"(ROWS_AT)
		: "memory", "cc"
		: empty);
	if (!obj)
		__builtin_unreachable();
	return obj;
empty:
	return NULL;
}

/*
 * Pushes p, whose map entry is given, on this slot's sheaf for the entry's
 * class and owner. What the slot is as an owner stands in row 0 (there is no
 * class 0), in the same bits: xor-ed with the entry it leads to the slot's own
 * row, or to the row of that stranger. False: full, aborted, or p was pushed
 * just now (a double free); take the slow path.
 */
static always_inline bool rseq_push(void *p, uint64_t entry)
{
	uintptr_t area = RSEQ_AREA, r, b, t, e;

	if (unlikely(!percpu_switch.area))
		return false;
	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		RSEQ_BASE
		"shl %[shift], %[r]\n\t"
		"add %[b], %[r]\n\t"
		"mov %k[entry], %k[e]\n\t"
		"xor %c[rows](%[r]), %k[e]\n\t"
		"mov %c[rows](%[r],%[e],4), %k[t]\n\t"
		"cmpq $0, (%[b],%[t])\n\t"
		"je %l[slow]\n\t"
		"cmp %[p], -8(%[b],%[t])\n\t"
		"je %l[slow]\n\t"
		"mov %[p], (%[b],%[t])\n\t"
		"add $8, %k[t]\n\t"
		"mov %k[t], %c[rows](%[r],%[e],4)\n"
		RSEQ_END("", "slow")
		: [t] "=&r"(t), [r] "=&r"(r), [b] "=&r"(b), [e] "=&r"(e)
		: [area] "r"(area), [entry] "r"(entry), [p] "r"(p),
		  [shift] "i"(ROWS_SHIFT), [rows] "i"(ROWS_AT)
		: "memory", "cc"
		: slow);
	return true;
slow:
	return false;
}

/* Replaces a top while this thread runs on that slot; false: it does not. */
static inline bool rseq_swap(uint32_t slot, uint32_t *row, uint32_t old,
			     uint32_t new)
{
	uintptr_t area = RSEQ_AREA, r = 0;

	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		"cmp %[slot], %k[r]\n\t"
		"jne %l[fail]\n\t"
		"cmp %[old], (%[row])\n\t"
		"jne %l[fail]\n\t"
		"mov %[new], (%[row])\n"
		RSEQ_END("", "fail")
		: [r] "=&r"(r)
		: [area] "r"(area), [slot] "r"(slot), [row] "r"(row),
		  [old] "r"(old), [new] "r"(new)
		: "memory", "cc"
		: fail);
	return true;
fail:
	return false;
}

/* The slot that this thread runs on now (it may move at once); -1: none. */
static always_inline uint32_t rseq_slot(void)
{
	uintptr_t area = RSEQ_AREA;
	uint32_t slot;

	__asm__ volatile("mov %%fs:(%1), %0"
			 : "=r"(slot)
			 : "r"(area + percpu_base.field));
	return slot;
}

#elif defined(__aarch64__)

#define RSEQ_AREA                                                              \
	(percpu_switch.area + (uintptr_t)__builtin_thread_pointer())

#define RSEQ_BEGIN                                                             \
	".pushsection __rseq_cs, \"aw\"\n\t"                                   \
	".balign 32\n"                                                         \
	"93:\n\t"                                                              \
	".long 0, 0\n\t"                                                       \
	".quad 91f, 92f - 91f, 94f\n\t"                                        \
	".popsection\n\t"                                                      \
	"adrp %[r], 93b\n\t"                                                   \
	"add %[r], %[r], :lo12:93b\n\t"                                        \
	"str %[r], [%[area], #8]\n"                                            \
	"91:\n\t"

#define RSEQ_END(undo, label)                                                  \
	"92:\n\t"                                                              \
	".pushsection __rseq_abort, \"ax\"\n\t"                                \
	".long 0xd428bc00\n"                                                   \
	"94:\n\t"                                                              \
	undo                                                                   \
	"b %l[" label "]\n\t"                                                  \
	".popsection\n\t"

#define RSEQ_SLOT                                                              \
	"ldr %[r], %[field]\n\t"                                               \
	"ldrsw %[r], [%[area], %[r]]\n\t"
#define RSEQ_BASE                                                              \
	"ldr %[b], %[base]\n\t"

static always_inline void *rseq_pop(uint64_t class)
{
	uintptr_t area = RSEQ_AREA, r, b, t;
	void *obj;

	if (unlikely(!percpu_switch.area))
		return NULL;
	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		RSEQ_BASE
		"add %[r], %[b], %[r], lsl %[shift]\n\t"
		"add %[r], %[r], %[class], lsl #2\n\t"
		"ldr %w[t], [%[r], %[rows]]\n\t"
		"add %[obj], %[b], %[t]\n\t"
		"ldur %[obj], [%[obj], #-8]\n\t"
		"cbz %[obj], %l[empty]\n\t"
		"sub %w[t], %w[t], #8\n\t"
		"str %w[t], [%[r], %[rows]]\n"
		RSEQ_END("mov %[obj], xzr\n\t", "empty")
		: [obj] "=&r"(obj), [t] "=&r"(t), [r] "=&r"(r), [b] "=&r"(b)
		: [area] "r"(area), [class] "r"(class),
		  [shift] "i"(ROWS_SHIFT), [rows] "i"(ROWS_AT),
		  [field] "m"(percpu_base.field), [base] "m"(percpu_base.base)
		: "memory", "cc"
		: empty);
	return obj;
empty:
	return NULL;
}

static always_inline bool rseq_push(void *p, uint64_t entry)
{
	uintptr_t area = RSEQ_AREA, r, b, t, e;

	if (unlikely(!percpu_switch.area))
		return false;
	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		RSEQ_BASE
		"add %[r], %[b], %[r], lsl %[shift]\n\t"
		"ldr %w[e], [%[r], %[rows]]\n\t"
		"eor %w[e], %w[entry], %w[e]\n\t"
		"add %[r], %[r], %[e], lsl #2\n\t"
		"ldr %w[t], [%[r], %[rows]]\n\t"
		"add %[e], %[b], %[t]\n\t"
		"ldr %[b], [%[e]]\n\t"
		"cbz %[b], %l[slow]\n\t"
		"ldur %[b], [%[e], #-8]\n\t"
		"cmp %[b], %[p]\n\t"
		"b.eq %l[slow]\n\t"
		"str %[p], [%[e]]\n\t"
		"add %w[t], %w[t], #8\n\t"
		"str %w[t], [%[r], %[rows]]\n"
		RSEQ_END("", "slow")
		: [t] "=&r"(t), [r] "=&r"(r), [b] "=&r"(b), [e] "=&r"(e)
		: [area] "r"(area), [entry] "r"(entry), [p] "r"(p),
		  [shift] "i"(ROWS_SHIFT), [rows] "i"(ROWS_AT),
		  [field] "m"(percpu_base.field), [base] "m"(percpu_base.base)
		: "memory", "cc"
		: slow);
	return true;
slow:
	return false;
}

static inline bool rseq_swap(uint32_t slot, uint32_t *row, uint32_t old,
			     uint32_t new)
{
	uintptr_t area = RSEQ_AREA, r;

	__asm__ goto volatile(
		RSEQ_BEGIN
		RSEQ_SLOT
		"cmp %w[r], %w[slot]\n\t"
		"b.ne %l[fail]\n\t"
		"ldr %w[r], [%[row]]\n\t"
		"cmp %w[r], %w[old]\n\t"
		"b.ne %l[fail]\n\t"
		"str %w[new], [%[row]]\n"
		RSEQ_END("", "fail")
		: [r] "=&r"(r)
		: [area] "r"(area), [slot] "r"(slot), [row] "r"(row),
		  [old] "r"(old), [new] "r"(new), [field] "m"(percpu_base.field)
		: "memory", "cc"
		: fail);
	return true;
fail:
	return false;
}

static always_inline uint32_t rseq_slot(void)
{
	return *(volatile uint32_t *)(RSEQ_AREA + percpu_base.field);
}

#else
#error "buddymalloc knows x86-64 and aarch64"
#endif

/*
 * libc's registration, and only libc's: false where there is none (valgrind,
 * musl, an old kernel, a filter).
 */
bool rseq_find(bool one_node);
/* A private area instead: the same code, one thread, slot 0 (measuring). */
void rseq_fake(void);
/* The sequences run from here on. */
void rseq_go(void);

#endif
