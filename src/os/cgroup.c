/* SPDX-License-Identifier: MIT */
#include "os/cgroup.h"

#include <string.h>

#include "base/bits.h"
#include "base/print.h"
#include "os/os.h"

enum { PATH_BYTES = 512 };

/* The directory of a group: mount, what lies below it, path of the group. */
struct dir {
	char path[PATH_BYTES];
	size_t mount;		/* bytes of it that the group's path follows */
};

/* The first bytes of a file in it, with a NUL; 0: none, or it is longer. */
static size_t read_in(const struct dir *dir, const char *name, char *text,
		      size_t cap)
{
	static char path[PATH_BYTES + 64] set_apart;
	size_t len = strlen(dir->path);
	long n;

	memcpy(path, dir->path, len);
	memcpy(path + len, name, strlen(name) + 1);
	n = os_read_file(path, text, cap);
	if (n <= 0 || (size_t)n == cap)
		return 0;
	text[n] = 0;
	return (size_t)n;
}

/* A number, nothing else; "max", or what is none: no limit. */
static size_t read_limit(const struct dir *dir, const char *name)
{
	char text[32], *s = text;
	size_t bytes = 0;

	if (!read_in(dir, name, text, sizeof(text)) || *s < '0' || *s > '9')
		return SIZE_MAX;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(bytes, 10, &bytes) ||
		    __builtin_add_overflow(bytes, (size_t)(*s - '0'), &bytes))
			return SIZE_MAX;
	return *s && *s != '\n' ? SIZE_MAX : bytes;
}

/* The group and all above it; dir is cut to the mount. */
static size_t read_tree(struct dir *dir, const char *const *files)
{
	size_t least = SIZE_MAX, end = strlen(dir->path);

	for (;;) {
		while (end > dir->mount && dir->path[end - 1] == '/')
			end--;
		dir->path[end] = 0;
		for (const char *const *f = files; *f; f++)
			least = min_u64(least, read_limit(dir, *f));
		if (end <= dir->mount)
			return least;
		while (end > dir->mount && dir->path[end - 1] != '/')
			end--;
	}
}

/* Whether "cpu,memory" has the name among its words. */
static bool has_word(const char *s, const char *end, const char *name)
{
	size_t len = strlen(name);

	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const char *to = comma ? comma : end;

		if ((size_t)(to - s) == len && !memcmp(s, name, len))
			return true;
		s = to + 1;
	}
	return false;
}

enum version { NEITHER, V1, V2 };

/* What a line "4:cpu,memory:/path" or "0::/path" is; where its path begins. */
static enum version version_of(const char *line, const char *end,
			       const char **path)
{
	const char *list = memchr(line, ':', (size_t)(end - line)), *colon;

	colon = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
	if (!colon)
		return NEITHER;
	*path = colon + 1;
	if (has_word(list + 1, colon, "memory"))
		return V1;
	return colon == list + 1 ? V2 : NEITHER;
}

/* False: too long. */
static bool set_dir(struct dir *dir, const char *mount, const char *sub,
		    const char *path, const char *end)
{
	size_t base = strlen(mount), more = strlen(sub);
	size_t len = (size_t)(end - path);

	/* Outside of what this namespace shows: only the mount's root is. */
	if (len >= 3 && !memcmp(path, "/..", 3))
		len = 0;
	if (base + more + len >= sizeof(dir->path))
		return false;
	memcpy(dir->path, mount, base);
	memcpy(dir->path + base, sub, more);
	memcpy(dir->path + base + more, path, len);
	dir->path[base + more + len] = 0;
	dir->mount = base + more;
	return true;
}

/*
 * Calls fn for each directory where a group of ours may have its files. Where
 * version 1 has the other controllers, version 2 is in a directory of its own.
 */
static bool each_dir(const char *groups, const char *mount,
		     void (*fn)(struct dir *dir, enum version version,
				void *arg),
		     void *arg)
{
	static const char *const v1[] = { "/memory", NULL };
	static const char *const v2[] = { "", "/unified", NULL };
	static char text[4096] set_apart;
	static struct dir dir set_apart;
	long n = os_read_file(groups, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n'), *path = end;
		enum version version = version_of(line, end, &path);

		for (const char *const *sub = version == V1 ? v1 : v2;
		     version != NEITHER && *sub; sub++)
			if (set_dir(&dir, mount, *sub, path, end))
				fn(&dir, version, arg);
		line = end + (*end != 0);
	}
	return n >= 0;
}

static void add_limit(struct dir *dir, enum version version, void *least)
{
	static const char *const v1[] = { "/memory.limit_in_bytes", NULL };
	static const char *const v2[] = { "/memory.max", "/memory.high", NULL };

	*(size_t *)least = min_u64(*(size_t *)least,
				   read_tree(dir, version == V1 ? v1 : v2));
}

size_t os_cgroup_limit(const char *groups, const char *mount)
{
	size_t least = SIZE_MAX;

	return each_dir(groups, mount, add_limit, &least) ? least : 0;
}

/* "some avg10=12.34 avg60=...": 1234; -1: it is nothing of the kind. */
static int parse_pressure(const char *s)
{
	int n = 0, places = 0;

	s = text_after(s, "some avg10=");
	if (!s || *s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9' && n <= 100; s++)
		n = 10 * n + (*s - '0');
	for (s += *s == '.'; places < 2; places++)
		n = 10 * n + (*s >= '0' && *s <= '9' ? *s++ - '0' : 0);
	return *s == ' ' ? n : -1;
}

static void add_pressure(struct dir *dir, enum version version, void *most)
{
	char text[256];
	int n = -1;

	if (version == V2 &&
	    read_in(dir, "/memory.pressure", text, sizeof(text)))
		n = parse_pressure(text);
	if (n > *(int *)most)
		*(int *)most = n;
}

int os_memory_pressure(const char *groups, const char *mount,
		       const char *machine)
{
	char text[256];
	long n = os_read_file(machine, text, sizeof(text) - 1);
	int most;

	text[n > 0 ? n : 0] = 0;
	most = parse_pressure(text);
	each_dir(groups, mount, add_pressure, &most);
	return most;
}
