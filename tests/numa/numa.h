/* SPDX-License-Identifier: MIT */
/*
 * What:  the machine's nodes as the kernel shows them, policies by raw system
 *        calls, and where pages lie: for tests that run on any malloc. Needs
 *        neither libnuma nor the library.
 * Door:  n_init() first; then nodes are numbered as the kernel does.
 * Note:  what a test needs for itself comes from n_map(), never from malloc.
 */
#ifndef NUMA_H
#define NUMA_H

#include "../lib/t.h"

#include <sys/socket.h>
#include <sys/syscall.h>

enum { N_NODES = 64, N_CPUS = 1024, N_BATCH = 4096 };

enum {	/* linux/mempolicy.h */
	N_DEFAULT, N_PREFERRED, N_BIND, N_INTERLEAVE,
};

struct n_node {
	bool online, memory;	/* memory: it has some */
	int cpus;		/* online ones that we may use */
	int cpu[N_CPUS];
	int distance[N_NODES];
	int home;		/* itself, or the nearest that has memory */
};

static struct n_node n_node[N_NODES];
static int n_node_of_cpu[N_CPUS];
static int n_last;		/* highest online node */
static int n_online, n_with_memory, n_with_cpus;
static size_t n_page;

/* A small file's text; false when it cannot be read. */
static bool n_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return n >= 0;
}

static bool n_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

/* Calls fn for each number of "0-2,5". */
static void n_each(const char *list, void (*fn)(int, void *), void *arg)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		int lo = (int)strtol(list, &end, 10), hi = lo;

		if (*end == '-')
			hi = (int)strtol(end + 1, &end, 10);
		for (; lo <= hi; lo++)
			fn(lo, arg);
		list = *end == ',' ? end + 1 : end;
	}
}

static void n_set_online(int n, void *arg)
{
	(void)arg;
	if (n >= N_NODES)
		return;
	n_node[n].online = true;
	n_last = n > n_last ? n : n_last;
	n_online++;
}

static void n_set_memory(int n, void *arg)
{
	(void)arg;
	if (n >= N_NODES)
		return;
	n_node[n].memory = true;
	n_with_memory++;
}

static void n_set_cpu(int cpu, void *arg)
{
	struct n_node *node = arg;

	if (cpu >= N_CPUS)
		return;
	n_node_of_cpu[cpu] = (int)(node - n_node);
	node->cpu[node->cpus++] = cpu;
}

/* Reads the machine; again after it has changed. */
static void n_init(void)
{
	char path[128], buf[4096], *p;
	cpu_set_t allowed;

	n_page = sysconf(_SC_PAGESIZE);
	memset(n_node, 0, sizeof(n_node));
	n_last = n_online = n_with_memory = n_with_cpus = 0;
	if (!n_read("/sys/devices/system/node/online", buf, sizeof(buf)))
		t_skip("the kernel shows no nodes");
	n_each(buf, n_set_online, NULL);
	if (!n_read("/sys/devices/system/node/has_memory", buf, sizeof(buf)))
		t_skip("the kernel does not show which nodes have memory");
	n_each(buf, n_set_memory, NULL);
	T_CHECK(!sched_getaffinity(0, sizeof(allowed), &allowed));
	for (int n = 0; n <= n_last; n++) {
		struct n_node *node = &n_node[n];
		int kept = 0;

		if (!node->online)
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", n);
		if (n_read(path, buf, sizeof(buf)))
			n_each(buf, n_set_cpu, node);
		for (int i = 0; i < node->cpus; i++)
			if (CPU_ISSET(node->cpu[i], &allowed))
				node->cpu[kept++] = node->cpu[i];
		node->cpus = kept;
		n_with_cpus += kept != 0;
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", n);
		if (!n_read(path, buf, sizeof(buf)))
			continue;
		p = buf;	/* one number for each online node */
		for (int to = 0; to <= n_last; to++)
			if (n_node[to].online)
				node->distance[to] = (int)strtol(p, &p, 10);
	}
	for (int n = 0; n <= n_last; n++) {
		n_node[n].home = -1;
		for (int to = 0; n_node[n].online && to <= n_last; to++) {
			int best = n_node[n].home;

			if (!n_node[to].memory)
				continue;
			if (best < 0 || to == n ||
			    (best != n && n_node[n].distance[to] < n_node[n].distance[best]))
				n_node[n].home = to;
		}
	}
}

/* KiB of a line of a node's meminfo ("MemFree"). */
static size_t n_meminfo(int n, const char *what)
{
	char path[128], buf[4096], *p;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", n);
	if (!n_read(path, buf, sizeof(buf)))
		return 0;
	p = strstr(buf, what);
	p = p ? strchr(p, ':') : NULL;
	return p ? strtoul(p + 1, NULL, 10) : 0;
}

static void n_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	T_CHECK(!sched_setaffinity(0, sizeof(set), &set), "CPU %d: %s", cpu, strerror(errno));
}

static void n_pin_node(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < n_node[n].cpus; i++)
		CPU_SET(n_node[n].cpu[i], &set);
	T_CHECK(!sched_setaffinity(0, sizeof(set), &set), "node %d: %s", n, strerror(errno));
}

/* Memory of the test's own, not malloc's. */
static void *n_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	T_CHECK(p != MAP_FAILED);
	return p;
}

static int n_set_policy(int mode, unsigned long mask)
{
	return (int)syscall(SYS_set_mempolicy, mode, mask ? &mask : NULL, mask ? N_NODES + 1 : 0);
}

/*
 * ---- where pages lie ----
 * All in bytes of blocks: a page of a thousand tiny blocks counts once.
 */
struct n_tally {
	size_t all, home, absent;	/* absent: not there, or no answer */
	size_t on[N_NODES];
	int count;			/* not yet asked for */
	int want[N_BATCH];
	size_t bytes[N_BATCH];
	void *page[N_BATCH];
};

static int n_watcher = -1;	/* who asks for us; -1: we do */

/* All of it through a socket, to the other side or from it. */
static bool n_pass(bool out, int fd, void *buf, size_t size)
{
	for (ssize_t n; size; buf = (char *)buf + n, size -= (size_t)n) {
		n = out ? write(fd, buf, size) : read(fd, buf, size);
		if (n <= 0)
			return false;
	}
	return true;
}

/* The kernel's node of each page, or -errno. False: it says nothing. */
static bool n_where(int count, void **page, int *status)
{
	if (n_watcher < 0)
		return !syscall(SYS_move_pages, 0, (unsigned long)count, page,
				NULL, status, 0);
	return n_pass(true, n_watcher, &count, sizeof(count)) &&
	       n_pass(true, n_watcher, page, (size_t)count * sizeof(*page)) &&
	       n_pass(false, n_watcher, status, (size_t)count * sizeof(*status));
}

/*
 * A process that may ask when this one may not, any more: it lives until the
 * socket that is returned is closed, and serves what we exec too.
 */
static int n_watch(void)
{
	static void *page[N_BATCH];
	static int status[N_BATCH];
	pid_t whose = getpid();
	int fd[2], count;

	T_CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	if (fork()) {
		close(fd[1]);
		return fd[0];
	}
	close(fd[0]);
	while (n_pass(false, fd[1], &count, sizeof(count)) &&
	       n_pass(false, fd[1], page, (size_t)count * sizeof(*page)) &&
	       !syscall(SYS_move_pages, whose, (unsigned long)count, page, NULL,
			status, 0) &&
	       n_pass(true, fd[1], status, (size_t)count * sizeof(*status)))
		;
	_exit(0);
}

static void n_ask(struct n_tally *t)
{
	static _Thread_local int status[N_BATCH];

	if (!t->count)
		return;
	if (!n_where(t->count, t->page, status))
		t_skip("move_pages: %s", strerror(errno));
	for (int i = 0; i < t->count; i++) {
		t->all += t->bytes[i];
		if (status[i] < 0 || status[i] >= N_NODES) {
			t->absent += t->bytes[i];
			continue;
		}
		t->on[status[i]] += t->bytes[i];
		if (status[i] == t->want[i])
			t->home += t->bytes[i];
	}
	t->count = 0;
}

/* A block whose pages are wanted on a node; every byte of it was written. */
static void n_block(struct n_tally *t, void *p, size_t size, int want)
{
	uintptr_t at = (uintptr_t)p, end = at + size, next;

	for (; at < end; at = next) {
		next = (at & ~(n_page - 1)) + n_page;
		t->page[t->count] = (void *)(at & ~(n_page - 1));
		t->bytes[t->count] = (next < end ? next : end) - at;
		t->want[t->count] = want;
		if (++t->count == N_BATCH)
			n_ask(t);
	}
}

static double n_share(const struct n_tally *t)
{
	size_t there = t->all - t->absent;

	return there ? 100.0 * (double)t->home / (double)there : 0;
}

static void n_tell(const struct n_tally *t, const char *what)
{
	char buf[400];
	int at = 0;

	for (int n = 0; n <= n_last; n++)
		if (n_node[n].online && at < (int)sizeof(buf) - 40)
			at += snprintf(buf + at, sizeof(buf) - at, "%snode %d: %zu",
				       at ? ", " : "", n, t->on[n] >> 10);
	t_say("%s: %.1f %% of %zu KiB as wanted (%s)", what, n_share(t),
	      (t->all - t->absent) >> 10, buf);
	T_CHECK(t->absent <= t->all / 100, "%zu of %zu bytes are not there", t->absent, t->all);
}

/* What tests of several nodes need at least. */
static void n_need(int with_memory)
{
	if (n_with_memory < with_memory)
		t_skip("%d nodes with memory, %d are needed", n_with_memory, with_memory);
}

/* The numbers of an option "--name N", or what is given instead. */
static double n_option(int argc, char **argv, const char *name, double otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return strtod(argv[i + 1], NULL);
	return otherwise;
}

static bool n_flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

/*
 * A program that runs under the library where tests/driver says so, but is not
 * linked with it: BM_PRELOAD='' or no top_builddir leaves the malloc that is
 * there, so that others can be compared.
 */
static const char *n_malloc(void)
{
	const char *p = getenv("LD_PRELOAD");

	return t_ours() ? "buddymalloc" : p && *p ? p : "libc";
}

#endif
