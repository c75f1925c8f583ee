/* SPDX-License-Identifier: MIT */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"

/* Names that older headers lack; the numbers are the kernel's ABI. */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
enum {
	MEMBARRIER_EXPEDITED_RSEQ = 1 << 7,
	MEMBARRIER_REGISTER_EXPEDITED_RSEQ = 1 << 8,
};

static const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/*
 * The raw call: the preload library hooks mmap and its kin, and the
 * allocator's own mappings must not pass through those hooks.
 */
static void *map(void *addr, size_t bytes, int prot, int flags)
{
	return (void *)syscall(SYS_mmap, addr, bytes, prot, flags, -1, 0L);
}

static bool advise(void *addr, size_t bytes, int advice)
{
	return syscall(SYS_madvise, addr, bytes, advice) == 0;
}

static void *reserve(size_t bytes, int prot)
{
	void *p = map(NULL, bytes, prot, anonymous);

	if (p == MAP_FAILED)
		return NULL;
	advise(p, bytes, MADV_DONTDUMP);
	return p;
}

void *os_reserve(size_t bytes)
{
	return reserve(bytes, PROT_NONE);
}

void *os_reserve_readable(size_t bytes)
{
	return reserve(bytes, PROT_READ);
}

void *os_map(size_t bytes)
{
	void *p = map(NULL, bytes, PROT_READ | PROT_WRITE, anonymous);

	return p == MAP_FAILED ? NULL : p;
}

void os_unmap(void *addr, size_t bytes)
{
	syscall(SYS_munmap, addr, bytes);
}

bool os_commit(void *addr, size_t bytes)
{
	if (syscall(SYS_mprotect, addr, bytes, PROT_READ | PROT_WRITE))
		return false;
	advise(addr, bytes, MADV_DODUMP);
	return true;
}

bool os_purge(void *addr, size_t bytes)
{
	return advise(addr, bytes, MADV_DONTNEED);
}

bool os_uncommit(void *addr, size_t bytes)
{
	return map(addr, bytes, PROT_NONE, anonymous | MAP_FIXED) == addr;
}

bool os_refresh(void *addr, size_t bytes)
{
	return map(addr, bytes, PROT_READ | PROT_WRITE,
		   anonymous | MAP_FIXED) == addr;
}

bool os_move(void *from, void *to, size_t bytes)
{
	return (void *)syscall(SYS_mremap, from, bytes, bytes,
			       MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			       to) == to;
}

void *os_move_away(void *addr, size_t bytes)
{
	void *p = (void *)syscall(SYS_mremap, addr, bytes, bytes,
				  MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (p == MAP_FAILED || p == addr)
		return NULL;
	/* It may have been a part of a mapping, and one more is too many. */
	if (syscall(SYS_munmap, addr, bytes)) {
		os_unmap(p, bytes);
		return NULL;
	}
	return p;
}

void *os_grow(void *addr, size_t bytes, size_t new_bytes)
{
	void *p = (void *)syscall(SYS_mremap, addr, bytes, new_bytes,
				  MREMAP_MAYMOVE, NULL);

	return p == MAP_FAILED ? NULL : p;
}

bool os_move_works(void)
{
	size_t page = os_page_size();
	char *p = os_map(2 * page);
	bool works = false;

	if (!p)
		return false;
	p[0] = 1;
	if (os_move(p, p + page, page) && p[page] == 1) {
		p[0] = 2;
		works = os_purge(p, page) && p[0] == 0;
	}
	os_unmap(p, 2 * page);
	return works;
}

void os_huge(void *addr, size_t bytes)
{
	advise(addr, bytes, MADV_HUGEPAGE);
}

void os_no_huge(void *addr, size_t bytes)
{
	advise(addr, bytes, MADV_NOHUGEPAGE);
}

void os_collapse(void *addr, size_t bytes)
{
	advise(addr, bytes, MADV_COLLAPSE);
}

/* Without NORESERVE, or the first touch may be a SIGBUS. */
void *os_hugetlb_map(size_t bytes, size_t page)
{
	int size = (int)log2_floor(page) << MAP_HUGE_SHIFT;
	void *p = map(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size);

	return p == MAP_FAILED ? NULL : p;
}

bool os_populate(void *addr, size_t bytes)
{
	return advise(addr, bytes, MADV_POPULATE_WRITE);
}

bool os_put(void *from, void *to, size_t bytes)
{
	return (void *)syscall(SYS_mremap, from, bytes, bytes,
			       MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

long os_resident(void *addr, size_t bytes)
{
	size_t page = os_page_size(), done = 0;
	unsigned char vec[512];
	long pages = 0;

	while (done < bytes) {
		size_t n = min_u64(bytes - done, sizeof(vec) * page);

		if (syscall(SYS_mincore, (char *)addr + done, n, vec))
			return -1;
		for (size_t i = 0; i < n / page; i++)
			pages += vec[i] & 1;
		done += n;
	}
	return pages;
}

bool os_wipe_on_fork(void *addr, size_t bytes)
{
	return advise(addr, bytes, MADV_WIPEONFORK);
}

size_t os_page_size(void)
{
	size_t n = getauxval(AT_PAGESZ);

	return n ? n : 4096;
}

long os_read_file(const char *path, char *buf, size_t cap)
{
	/* Under a root that somebody else has made it may be a pipe. */
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;

	if (fd < 0)
		return -1;
	while (len < cap) {
		long n = syscall(SYS_read, fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	syscall(SYS_close, fd);
	return (long)len;
}

static size_t number(const char *s, const char *end)
{
	size_t n = 0;

	while (s < end && (*s < '0' || *s > '9'))
		s++;
	for (; s < end && *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (size_t)(*s - '0');
	return n;
}

bool os_huge_forbidden(void)
{
	return syscall(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0;
}

size_t os_total_ram(void)
{
	struct sysinfo si;

	if (sysinfo(&si))
		return GIB(1);
	return (size_t)si.totalram * si.mem_unit;
}

size_t os_address_space_used(void)
{
	char buf[64];
	long n = os_read_file("/proc/self/statm", buf, sizeof(buf));

	return n > 0 ? number(buf, buf + n) * os_page_size() : MIB(32);
}

size_t os_address_space_left(void)
{
	struct rlimit lim;
	size_t used;

	if (getrlimit(RLIMIT_AS, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	used = os_address_space_used();
	return lim.rlim_cur > used ? lim.rlim_cur - used : 0;
}

uint64_t os_random(void)
{
	uint64_t r;
	struct timespec t = { 0, 0 };

	if (syscall(SYS_getrandom, &r, sizeof(r), GRND_NONBLOCK) ==
	    (long)sizeof(r))
		return r;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u ^ (uintptr_t)&r;
}

bool os_secure(void)
{
	return getauxval(AT_SECURE) != 0;
}

bool os_rseq_fence_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_REGISTER_EXPEDITED_RSEQ, 0,
		       0) == 0;
}

bool os_rseq_fence(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_EXPEDITED_RSEQ, 0, 0) == 0;
}

int os_keep_fd(int fd)
{
	return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 200);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t = { 0, 0 };

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t os_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t os_cpu_time(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int os_create(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int kept = fd < 0 ? -1 : os_keep_fd(fd);

	if (fd >= 0)
		os_close(fd);
	return kept;
}

bool os_write(int fd, const void *buf, size_t bytes)
{
	const char *from = buf;

	while (bytes) {
		long n = syscall(SYS_write, fd, from, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		bytes -= (size_t)n;
	}
	return true;
}

void os_close(int fd)
{
	syscall(SYS_close, fd);
}

unsigned os_pid(void)
{
	return (unsigned)syscall(SYS_getpid);
}

void os_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void os_wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void os_nap(long nanoseconds)
{
	struct timespec t = { 0, nanoseconds };

	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
}
