/* SPDX-License-Identifier: MIT */
/*
 * What:  dlopen without RTLD_DEEPBIND, in the preload library only. A module
 *        that is bound deeply takes malloc from libc, free from libc, and what
 *        it hands over is freed here, or the other way: PHP opens its
 *        extensions so, and ends. With deepbind:keep the flag stays.
 * Door:  the libc name below.
 * Locks: none.
 * See:   dlopen(3). It looks at who called it (for $ORIGIN and RUNPATH), so it
 *        is entered by a jump, and returns to our caller.
 */
#include <dlfcn.h>

#include "base/compiler.h"
#include "conf/conf.h"

/* Where dlsym is in a library of its own, dlopen is as well. */
extern void *dlsym(void *handle, const char *name) __attribute__((weak));

typedef void *dlopen_fn(const char *file, int mode);

/* Read in assembly. The next dlopen, and what is left of its mode. */
__attribute__((visibility("hidden"))) dlopen_fn *dlopen_next;	/* (A) */
__attribute__((visibility("hidden"))) uint32_t dlopen_mask;	/* (A) */

static void *no_dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

/* RTLD_NEXT: behind the library that this call is in. */
__attribute__((used)) dlopen_fn *dlopen_find(void)
{
	dlopen_fn *next = NULL;

	if (dlsym)
		next = (dlopen_fn *)dlsym(RTLD_NEXT, "dlopen");
	if (!next)
		next = no_dlopen;
	WRITE_ONCE(dlopen_mask,
		   conf.deepbind == DEEPBIND_KEEP ? UINT32_MAX
						  : ~(uint32_t)RTLD_DEEPBIND);
	store_release(&dlopen_next, next);
	return next;
}

#if defined(__x86_64__)
__asm__(".text\n"
	".globl dlopen\n"
	".type dlopen, @function\n"
	"dlopen:\n"
	"	mov dlopen_next(%rip), %rax\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	push %rdi\n"
	"	push %rsi\n"
	"	sub $8, %rsp\n"
	"	call dlopen_find\n"
	"	add $8, %rsp\n"
	"	pop %rsi\n"
	"	pop %rdi\n"
	"1:	and dlopen_mask(%rip), %esi\n"
	"	jmp *%rax\n"
	".size dlopen, . - dlopen\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl dlopen\n"
	".type dlopen, %function\n"
	"dlopen:\n"
	"	hint #34\n"	/* bti c */
	"	adrp x16, dlopen_next\n"
	"	add x16, x16, :lo12:dlopen_next\n"
	"	ldar x16, [x16]\n"
	"	cbnz x16, 1f\n"
	"	stp x29, x30, [sp, #-32]!\n"
	"	stp x0, x1, [sp, #16]\n"
	"	bl dlopen_find\n"
	"	mov x16, x0\n"
	"	ldp x0, x1, [sp, #16]\n"
	"	ldp x29, x30, [sp], #32\n"
	"1:	adrp x17, dlopen_mask\n"
	"	ldr w17, [x17, :lo12:dlopen_mask]\n"
	"	and w1, w1, w17\n"
	"	br x16\n"
	".size dlopen, . - dlopen\n");
#endif
