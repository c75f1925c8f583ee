/* SPDX-License-Identifier: MIT */
/*
 * What:  the tree of mappings against what the kernel says of the process.
 */
#ifndef TREE_H
#define TREE_H

#include "../unit/unit.h"

#include <sys/mman.h>

#include "vma/call.h"
#include "vma/track.h"

static inline struct vma tree_normal(const struct vma *v)
{
	struct vma n = *v;

	n.flags &= VMA_PROT | VMA_SHARED;
	return n;
}

/* Does the tree say of a range what /proc says? From addr on, to the end. */
static inline void tree_compare(uintptr_t start, uintptr_t end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t from, to, done = start;
	char line[400], perms[8];
	struct vma v;

	T_CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned flags;

		int words = sscanf(line, "%zx-%zx %7s", (size_t *)&from, (size_t *)&to, perms);

		T_CHECK(words == 3);
		from = max_u64(from, start);
		to = min_u64(to, end);
		if (from >= to)
			continue;
		flags = (perms[0] == 'r') | (perms[1] == 'w') << 1 | (perms[2] == 'x') << 2 |
			(perms[3] == 's') << 3;
		if (from > done)
			T_CHECK(!track_next(done, &v) || v.start >= from, "the tree has %zx-%zx, the kernel not",
				(size_t)v.start, (size_t)v.end);
		while (from < to) {
			T_CHECK(track_next(from, &v) && v.start <= from, "the kernel has %zx, the tree not",
				(size_t)from);
			T_CHECK(tree_normal(&v).flags == flags, "%zx: flags %x, in the tree %x", (size_t)from, flags,
				v.flags);
			from = min_u64(v.end, to);
		}
		done = to;
	}
	T_CHECK(done >= end || !track_next(done, &v) || v.start >= end);
	fclose(f);
}

static inline size_t tree_status(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	size_t kb = 0;

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kb = strtoull(line + strlen(key), NULL, 10);
	fclose(f);
	return kb << 10;
}

static inline void tree_reconcile(void)
{
	T_CHECK(track_reconcile() && !track.stale);
}

/* Of a tree that was just reconciled. */
static inline void tree_check_sums(void)
{
	const struct vma_sums *s = &track.tree.sums;

	T_CHECK(s->total == tree_status("VmSize:"), "%zu, not %zu", s->total, tree_status("VmSize:"));
	T_CHECK(s->data == tree_status("VmData:"), "%zu, not %zu", s->data, tree_status("VmData:"));
	T_CHECK(s->stack == tree_status("VmStk:"));
	T_CHECK(s->exec == tree_status("VmExe:") + tree_status("VmLib:"));
}

/* Pages of our own, low, so that nobody else's mapping is put into a hole of ours. */
static inline char *tree_area(size_t bytes)
{
	char *p = vma_mmap((void *)(unit_below(1 << 20) << 24 | (uintptr_t)1 << 44), bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL);

	T_CHECK(p != MAP_FAILED);
	return p;
}

/* The options are read before main: the program runs itself again. */
static inline void tree_run_as(char **argv, const char *mode)
{
	const char *conf_of = getenv("BUDDYMALLOC_CONF");
	char with[300];

	snprintf(with, sizeof(with), "%s,mmap:%s", conf_of ? conf_of : "", mode);
	setenv("BUDDYMALLOC_CONF", with, 1);
	execv("/proc/self/exe", argv);
	_exit(98);
}

static inline void tree_tracked(char **argv)
{
	const char *conf_of = getenv("BUDDYMALLOC_CONF");

	if (!conf_of || !strstr(conf_of, "mmap:"))
		tree_run_as(argv, "track");
}

#endif
