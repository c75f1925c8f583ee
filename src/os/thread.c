/* SPDX-License-Identifier: MIT */
#include "os/thread.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/lock.h"
#include "base/print.h"
#include "os/os.h"
#include "os/rseq.h"

enum {
	STACK_BYTES = 64 << 10,
	/* Around each word that is used: its neighbours of the same file. */
	MARGIN = 8 << 10,
	/* A program with larger thread-local variables in front goes without. */
	TLS_MAX = 16 << 20,
};

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const char __libc_single_threaded __attribute__((weak));

/* x86-64: fs:0 holds the thread pointer; the words lie below or above it. */
static bool lay_out(struct os_thread *thread)
{
	const char *here = __builtin_thread_pointer();
	ptrdiff_t word[] = { (const char *)&seat - here,
			     (const char *)&errno - here,
			     &__rseq_offset ? __rseq_offset : 0 };
	ptrdiff_t low = 0, high = 0;
	size_t page = os_page_size(), span, bytes;

	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		low = word[i] < low ? word[i] : low;
		high = word[i] > high ? word[i] : high;
	}
	low = -(ptrdiff_t)align_up((size_t)-low + MARGIN, page);
	high = (ptrdiff_t)align_up((size_t)high + MARGIN, page);
	span = (size_t)(high - low);
	if (span > TLS_MAX)
		return false;
	bytes = page + align_up(STACK_BYTES, page) + span;
	thread->memory = os_map(bytes);
	if (!thread->memory)
		return false;
	os_uncommit(thread->memory, page);	/* a guard */
	thread->stack = thread->memory + bytes - span;
	thread->pointer = thread->stack - low;
	*(char **)thread->pointer = thread->pointer;
	/* Not registered, and in no slot. */
	if (&__rseq_offset)
		memset(thread->pointer + __rseq_offset, 0xff, 32);
	return true;
}

bool os_thread_start(struct os_thread *thread, int (*fn)(void *arg))
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	uint64_t all = UINT64_MAX, old;
	int tid;

	if (__atomic_load_n(&thread->tid, __ATOMIC_SEQ_CST))
		return false;
	if (!thread->memory && !lay_out(thread))
		return false;
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all)))
		return false;
	lock_tell(NULL);
	tid = clone(fn, thread->stack, flags, NULL, &thread->tid,
		    thread->pointer, &thread->tid);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	return tid > 0;
}

void os_thread_child(struct os_thread *thread)
{
	WRITE_ONCE(thread->tid, 0);
}

void os_thread_name(const char *name)
{
	syscall(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
}

void os_thread_watch(void)
{
	lock_tell(&__libc_single_threaded);
}

bool os_has_threads(void)
{
	return &__libc_single_threaded &&
	       !*(const volatile char *)&__libc_single_threaded;
}

bool os_set_user_id(void)
{
	return os_secure() || syscall(SYS_getuid) != syscall(SYS_geteuid);
}

/* The lines of a status file that say what a thread may do, one behind another. */
static bool rights(const char *path, char *buf, size_t cap)
{
	static const char *const heads[] = { "Uid:", "Gid:", "Groups:", "Cap" };
	long n = os_read_file(path, buf, cap - 1);
	char *out = buf, *line, *end;

	if (n <= 0 || (size_t)n == cap - 1)
		return false;
	buf[n] = 0;
	for (line = buf; (end = strchr(line, '\n')); line = end + 1)
		for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
			if (text_after(line, heads[i])) {
				memmove(out, line, (size_t)(end - line));
				out += end - line;
			}
	*out = 0;
	return out != buf;
}

/* Neither root nor capable of anything: there is nothing to keep. */
static bool has_no_rights(void)
{
	struct __user_cap_header_struct head = {
		_LINUX_CAPABILITY_VERSION_3, 0
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_geteuid) && syscall(SYS_getuid) &&
	       !syscall(SYS_capget, &head, caps) &&
	       !(caps[0].permitted | caps[1].permitted);
}

bool os_thread_is_true(void)
{
	char program[4096], ours[4096];

	if (!rights("/proc/self/status", program, sizeof(program)) ||
	    !rights("/proc/thread-self/status", ours, sizeof(ours)))
		return has_no_rights();
	return !strcmp(program, ours);
}

void os_sleep(uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000),
			      (long)(ns % 1000000000) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &t, NULL, 0);
}
