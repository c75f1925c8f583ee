/* SPDX-License-Identifier: MIT */
/*
 * What:  the calls of a process that the allocator must know of, in the
 *        preload library only: vfork, whose child shares our memory, and the
 *        limits, under which an unused reservation is in the way.
 * Door:  the libc names below; each then enters the kernel by itself, with
 *        the kernel's results and errno.
 * Locks: none across the system call.
 * See:   malloc/fork.c for vfork, malloc/limit.c for the reservation, mmap.c
 *        for mlockall. A raw clone(CLONE_VM) without CLONE_THREAD is not seen:
 *        its child must not allocate.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "malloc/mm.h"

/*
 * vfork returns twice through one frame, so it is assembly: the child may
 * overwrite the stack below the caller's frame. The return address waits in a
 * register while the child runs.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	sub $8, %rsp\n"
	"	call mm_divert\n"
	"	add $8, %rsp\n"
	"	pop %rdi\n"
	"	mov $58, %eax\n"
	"	syscall\n"
	"	push %rdi\n"
	"	test %rax, %rax\n"
	"	jz 1f\n"
	"	mov %rax, %rdi\n"
	"	jmp vfork_parent\n"
	"1:	ret\n"
	".size vfork, . - vfork\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, %function\n"
	"vfork:\n"
	"	hint #34\n"	/* bti c */
	"	stp x29, x30, [sp, #-16]!\n"
	"	bl mm_divert\n"
	"	ldp x29, x30, [sp], #16\n"
	"	mov x0, #0x4111\n"	/* CLONE_VM | CLONE_VFORK | SIGCHLD */
	"	mov x1, #0\n"
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	mov x8, #220\n"
	"	svc #0\n"
	"	cbz x0, 1f\n"
	"	b vfork_parent\n"
	"1:	ret\n"
	".size vfork, . - vfork\n");
#endif

pid_t vfork_parent(long result);

/* The parent's end of vfork, after the child has gone (or never came). */
__attribute__((used)) pid_t vfork_parent(long result)
{
	mm_undivert();
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (pid_t)result;
}

static bool limits_us(pid_t pid, int resource, const struct rlimit *new)
{
	return new && resource == RLIMIT_AS && new->rlim_cur != RLIM_INFINITY &&
	       (pid == 0 || pid == getpid());
}

static int set_limit(pid_t pid, int resource, const struct rlimit *new,
		     struct rlimit *old)
{
	if (limits_us(pid, resource, new))
		mm_give_address_space(new->rlim_cur);
	return (int)syscall(SYS_prlimit64, pid, resource, new, old);
}

BM_EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *new)
{
	return set_limit(0, (int)resource, new, NULL);
}

/* struct rlimit64 is struct rlimit on every machine that we know. */
BM_EXPORT int setrlimit64(__rlimit_resource_t resource,
			  const struct rlimit64 *new)
{
	return set_limit(0, (int)resource, (const struct rlimit *)new, NULL);
}

BM_EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource,
		      const struct rlimit *new, struct rlimit *old)
{
	return set_limit(pid, (int)resource, new, old);
}

BM_EXPORT int prlimit64(pid_t pid, enum __rlimit_resource resource,
			const struct rlimit64 *new, struct rlimit64 *old)
{
	return set_limit(pid, (int)resource, (const struct rlimit *)new,
			 (struct rlimit *)old);
}
