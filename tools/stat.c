/* SPDX-License-Identifier: MIT */
/*
 * What:  `buddymalloc stat --maps PID`: the mappings of a process, where they
 *        lie, how much of them is there, and who made them.
 * How:   the kernel tells of any process that we may look at (smaps, numa_maps,
 *        pagemap); who called is read from the process's own tree (peek.c).
 *        The process is not stopped, signalled or traced, so both are of about
 *        one moment.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "tools/command.h"
#include "tools/peek.h"

static char comm[64];
static pid_t pid;
static struct map *maps;
static size_t nr_maps;

__attribute__((noreturn)) static void die_of(int error, const char *file)
{
	if (error == ENOENT || error == ESRCH)
		die(1, "stat: there is no process %d", (int)pid);
	if (error == EACCES || error == EPERM)
		die(1, "stat: process %d is another user's, or protected: %s",
		    (int)pid, strerror(error));
	die(1, "stat: /proc/%d/%s: %s", (int)pid, file, strerror(error));
}

static FILE *proc_open(const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fopen(path, "re");
}

static void *more(void *array, size_t nr, size_t size)
{
	/* At powers of two. */
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? 2 * nr : 1) * size);
	if (!array)
		die(1, "out of memory");
	return array;
}

/* "start-end rwxp offset dev:dev inode   name" */
static bool map_line(const char *line, struct map *m)
{
	int at = 0;
	size_t n;

	*m = (struct map){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n",
		   &m->start, &m->end, m->perms, &m->offset, &m->inode, &at) < 5)
		return false;
	n = strcspn(line + at, "\n");
	m->name = strndup(line + at, n);
	if (!m->name)
		die(1, "out of memory");
	return true;
}

static void smaps_line(const char *line, struct map *m)
{
	uint64_t kb;

	if (sscanf(line, "Rss: %" SCNu64, &kb) == 1)
		m->rss = kb << 10;
	if (sscanf(line, "AnonHugePages: %" SCNu64, &kb) == 1 ||
	    sscanf(line, "ShmemPmdMapped: %" SCNu64, &kb) == 1 ||
	    sscanf(line, "FilePmdMapped: %" SCNu64, &kb) == 1 ||
	    sscanf(line, "Shared_Hugetlb: %" SCNu64, &kb) == 1 ||
	    sscanf(line, "Private_Hugetlb: %" SCNu64, &kb) == 1)
		m->huge += kb << 10;
	/* The kernel counts hugetlb pages nowhere else. */
	if (strstr(line, "_Hugetlb:") && sscanf(line, "%*s %" SCNu64, &kb) == 1)
		m->rss += kb << 10;
}

static void read_smaps(void)
{
	FILE *f = proc_open("smaps");
	char *line = NULL;
	size_t cap = 0;
	struct map m;

	if (!f)
		die_of(errno, "smaps");
	while (getline(&line, &cap, f) > 0) {
		if (map_line(line, &m)) {
			maps = more(maps, nr_maps, sizeof(*maps));
			maps[nr_maps++] = m;
		} else if (nr_maps) {
			smaps_line(line, &maps[nr_maps - 1]);
		}
	}
	if (ferror(f) && !nr_maps)
		die_of(errno, "smaps");
	free(line);
	fclose(f);
}

/* A process without memory: it has ended, or never had any. */
__attribute__((noreturn)) static void die_of_nothing(void)
{
	FILE *f = proc_open("stat");
	char state = 0;

	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (!f || state == 'Z' || state == 'X')
		die(1, "stat: process %d has ended", (int)pid);
	die(1, "stat: process %d has no mappings: it belongs to the kernel",
	    (int)pid);
}

/* "start policy key=value ... N0=12 N1=3 kernelpagesize_kB=4" */
static void read_nodes(void)
{
	FILE *f = proc_open("numa_maps");
	char *line = NULL, policy[64];
	size_t cap = 0, i = 0, n;
	uint64_t start;

	while (f && getline(&line, &cap, f) > 0) {
		uint64_t page = 4;
		char *s;

		if (sscanf(line, "%" SCNx64 " %63s", &start, policy) != 2)
			continue;
		while (i < nr_maps && maps[i].start < start)
			i++;
		if (i == nr_maps || maps[i].start != start)
			continue;
		s = strstr(line, "kernelpagesize_kB=");
		if (s)
			page = strtoull(s + 18, NULL, 10);
		n = 0;
		if (strcmp(policy, "default"))
			n = (size_t)snprintf(maps[i].nodes, sizeof(maps[i].nodes),
					     "%s", policy);
		for (s = line; (s = strstr(s, " N")); s++) {
			unsigned node;
			uint64_t pages;

			if (sscanf(s, " N%u=%" SCNu64, &node, &pages) != 2 ||
			    n > sizeof(maps[i].nodes) - 32)
				continue;
			n += (size_t)snprintf(maps[i].nodes + n,
					      sizeof(maps[i].nodes) - n,
					      "%sN%u=%" PRIu64, n ? "," : "",
					      node, pages * page);
		}
	}
	free(line);
	if (f)
		fclose(f);
}

/* Of a part of a mapping; the kernel sums up whole ones only. */
static uint64_t resident(uint64_t start, uint64_t end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), sum = 0;
	static uint64_t entry[4096];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && start < end) {
		uint64_t want = (end - start) / page;
		ssize_t n;

		if (want > 4096)
			want = 4096;
		n = pread(fd, entry, want * 8, (off_t)(start / page * 8));
		if (n < 8)
			break;
		for (ssize_t i = 0; i < n / 8; i++)
			sum += entry[i] >> 63 ? page : 0;
		start += (uint64_t)(n / 8) * page;
	}
	if (fd >= 0)
		close(fd);
	return sum;
}

static const struct map *map_at(uint64_t addr)
{
	size_t low = 0, high = nr_maps;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (maps[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < nr_maps && maps[low].start <= addr ? &maps[low] : NULL;
}

/* The object's first mapping; most lines name the one that the last did. */
static const struct map *first_of(const struct map *m)
{
	static const struct map *last, *first;

	if (m == last)
		return first;
	last = m;
	for (first = maps; first < m; first++)
		if (first->inode == m->inode && !strcmp(first->name, m->name))
			break;
	return first;
}

/* "libfoo.so+0x1234": an object, and how far into it as it is mapped. */
static const char *who_called(uint64_t who)
{
	static char buf[300];
	const struct map *m = map_at(who);
	const char *base;

	if (!who)
		return "-";
	if (!m || !m->inode) {
		snprintf(buf, sizeof(buf), "0x%" PRIx64, who);
		return buf;
	}
	base = strrchr(m->name, '/');
	snprintf(buf, sizeof(buf), "%.200s+0x%" PRIx64,
		 base ? base + 1 : m->name, who - first_of(m)->start);
	return buf;
}

/* Whose memory it is. */
static const char *kind_of(const struct peek *p, const struct map *m,
			   const struct vma *v)
{
	if (!p)
		return "-";
	for (int i = 0; i < NR_OWN; i++)
		if (p->head.own[i].start < m->end &&
		    m->start < p->head.own[i].end)
			return "heap";
	if (p->head.mode == MMAP_OFF)
		return "-";
	if (!v || v->flags & VMA_UNSEEN)
		return "unseen";
	return v->flags & VMA_SPARE    ? "spare"
	       : v->flags & VMA_SERVED ? "served"
	       : v->flags & VMA_NODE   ? "placed"
				       : "kernel";
}

static const char *name_of(const struct peek *p, const struct map *m)
{
	static const char *const own[] = {
		[OWN_WINDOW] = "[buddymalloc]",
		[OWN_PAGES] = "[buddymalloc: pages]",
		[OWN_MAP] = "[buddymalloc: map]",
		[OWN_CACHES] = "[buddymalloc: caches]",
	};

	if (m->name[0] || !p)
		return m->name;
	for (int i = 0; i < NR_OWN; i++)
		if (p->head.own[i].start < m->end &&
		    m->start < p->head.own[i].end)
			return own[i];
	return "";
}

static void print_row(const struct map *m, uint64_t rss, const char *huge,
		      const char *kind, uint64_t who, const char *name)
{
	printf("%" PRIx64 "-%" PRIx64 " %s %8" PRIu64 " %8" PRIu64
	       " %7s %-14s %-6s ",
	       m->start, m->end, m->perms, (m->end - m->start) >> 10,
	       rss >> 10, huge, m->nodes[0] ? m->nodes : "-", kind);
	printf(*name ? "%-28s %s\n" : "%s%s\n", who_called(who), name);
}

/* One line, or, where the tree has several for what the kernel merged, each. */
static void print_map(const struct peek *p, const struct map *m, size_t *at)
{
	const struct vma *v = p ? p->vmas : NULL;
	const char *name = name_of(p, m);
	size_t from, to, n;
	char huge[24];

	while (p && *at < p->nr && v[*at].end <= m->start)
		++*at;
	from = to = *at;
	while (p && to < p->nr && v[to].start < m->end)
		to++;
	n = to - from;
	snprintf(huge, sizeof(huge), "%" PRIu64, m->huge >> 10);
	if (n == 1 && v[from].start <= m->start && v[from].end >= m->end) {
		print_row(m, m->rss, huge, kind_of(p, m, v + from),
			  v[from].who, name);
		return;
	}
	if (!n) {
		print_row(m, m->rss, huge, kind_of(p, m, NULL), 0, name);
		return;
	}
	print_row(m, m->rss, huge, "parts", 0, name);
	for (size_t i = from; i < to; i++) {
		struct map part = *m;

		if (v[i].start > part.start)
			part.start = v[i].start;
		if (v[i].end < part.end)
			part.end = v[i].end;
		part.nodes[0] = 0;
		putchar('+');
		print_row(&part, m->rss ? resident(part.start, part.end) : 0,
			  "-", kind_of(p, &part, v + i), v[i].who, "");
	}
}

static void print_sums(void)
{
	uint64_t size = 0, rss = 0, huge = 0;

	for (size_t i = 0; i < nr_maps; i++) {
		size += maps[i].end - maps[i].start;
		rss += maps[i].rss;
		huge += maps[i].huge;
	}
	printf("# process %d (%s): %zu mappings, %" PRIu64 " kB, %" PRIu64
	       " resident, %" PRIu64 " huge\n",
	       (int)pid, comm, nr_maps, size >> 10, rss >> 10, huge >> 10);
}

/* What is known beyond what the kernel says, in a line. */
static const struct peek *print_source(void)
{
	static const char *const modes[] = { "off", "track", "place", "serve" };
	static struct peek p;

	switch (peek(pid, maps, nr_maps, &p)) {
	case PEEK_DENIED:
		if (errno == ESRCH)
			die_of_nothing();
		printf("# who made them is not known: the process's memory may not be read (%s)\n",
		       strerror(errno));
		return NULL;
	case PEEK_NONE:
		die(1, "stat: process %d (%s) does not run on buddymalloc (a static program does not load it)",
		    (int)pid, comm);
	case PEEK_OTHER:
		die(1, "stat: process %d (%s) runs on another version of buddymalloc",
		    (int)pid, comm);
	case PEEK_OK:
		break;
	}
	if (p.head.mode == MMAP_OFF)
		puts("# mmap:off: the process does not note who made them; this is what the kernel knows");
	else
		printf("# mmap:%s: %" PRIu64 " calls noted, %" PRIu64
		       " missed%s\n",
		       p.head.mode < 4 ? modes[p.head.mode] : "?", p.calls,
		       p.missed, p.moving ? ", changing" : "");
	return &p;
}

static void show_maps(void)
{
	const struct peek *p;
	size_t at = 0;
	FILE *f;

	read_smaps();
	f = proc_open("comm");
	if (f && fscanf(f, "%63[^\n]", comm) != 1)
		comm[0] = 0;
	if (f)
		fclose(f);
	if (!nr_maps)
		die_of_nothing();
	read_nodes();
	p = print_source();
	print_sums();
	puts("# start-end perms kB resident huge nodes kind who name");
	for (size_t i = 0; i < nr_maps; i++)
		print_map(p, &maps[i], &at);
}

void stat_command(char **arg)
{
	const char *word = NULL;
	bool want_maps = false;
	char *end;
	long n;

	for (; *arg; arg++) {
		if (!strcmp(*arg, "--maps"))
			want_maps = true;
		else if (**arg == '-' || word)
			die(EXIT_USAGE, "stat: unknown option '%s' (see buddymalloc --help)",
			    *arg);
		else
			word = *arg;
	}
	if (!want_maps || !word)
		die(EXIT_USAGE, "stat: give --maps and a process id (see buddymalloc --help)");
	errno = 0;
	n = strtol(word, &end, 10);
	if (errno || *end || end == word || n <= 0 || n > INT_MAX)
		die(EXIT_USAGE, "stat: '%s' is no process id", word);
	pid = (pid_t)n;
	show_maps();
	if (fflush(stdout) || ferror(stdout))
		die(1, "cannot write: %s", strerror(errno));
	exit(0);
}
