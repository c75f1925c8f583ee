/* SPDX-License-Identifier: MIT */
#include "os/cgroup.h"

#include <string.h>

#include "base/bits.h"
#include "os/os.h"

enum { PATH_BYTES = 512 };

/* A file that holds one number; "max", or none: no limit. */
static size_t read_limit(const char *dir, const char *name)
{
	char path[PATH_BYTES + 64], text[32];
	size_t len = strlen(dir), bytes = 0;
	long n;

	memcpy(path, dir, len);
	memcpy(path + len, name, strlen(name) + 1);
	n = os_read_file(path, text, sizeof(text));
	if (n <= 0 || n == sizeof(text) || text[0] < '0' || text[0] > '9')
		return SIZE_MAX;
	for (long i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(bytes, 10, &bytes) ||
		    __builtin_add_overflow(bytes, (size_t)(text[i] - '0'),
					   &bytes))
			return SIZE_MAX;
	return bytes;
}

/* The group and all above it; dir holds mount and path, and is cut to mount. */
static size_t read_tree(char *dir, size_t mount, const char *const *files)
{
	size_t least = SIZE_MAX, end = strlen(dir);

	for (;;) {
		while (end > mount && dir[end - 1] == '/')
			end--;
		dir[end] = 0;
		for (const char *const *f = files; *f; f++)
			least = min_u64(least, read_limit(dir, *f));
		if (end <= mount)
			return least;
		while (end > mount && dir[end - 1] != '/')
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

/* One line, "4:cpu,memory:/path". */
static size_t limit_of_line(const char *line, const char *end,
			    const char *mount)
{
	static const char *const v1[] = { "/memory.limit_in_bytes", NULL };
	static const char *const v2[] = { "/memory.max", "/memory.high", NULL };
	const char *list = memchr(line, ':', (size_t)(end - line)), *path;
	size_t base = strlen(mount), sub, len;
	char dir[PATH_BYTES];
	bool old;

	path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
	if (!path)
		return SIZE_MAX;
	old = has_word(list + 1, path, "memory");
	if (!old && path != list + 1)
		return SIZE_MAX;
	path++;
	len = (size_t)(end - path);
	sub = old ? strlen("/memory") : 0;
	/* Outside of what this namespace shows: only the mount's root is. */
	if (len >= 3 && !memcmp(path, "/..", 3))
		len = 0;
	if (base + sub + len >= sizeof(dir))
		return SIZE_MAX;
	memcpy(dir, mount, base);
	memcpy(dir + base, "/memory", sub);
	memcpy(dir + base + sub, path, len);
	dir[base + sub + len] = 0;
	return read_tree(dir, base + sub, old ? v1 : v2);
}

size_t os_cgroup_limit(const char *groups, const char *mount)
{
	char text[4096];
	long n = os_read_file(groups, text, sizeof(text) - 1);
	size_t least = SIZE_MAX;

	if (n <= 0)
		return SIZE_MAX;
	text[n] = 0;
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');

		least = min_u64(least, limit_of_line(line, end, mount));
		line = end + (*end != 0);
	}
	return least;
}
