/* SPDX-License-Identifier: MIT */
#include "topo/sysfs.h"

#include <string.h>

#include "base/bits.h"
#include "os/os.h"

/*
 * The numbers below 1,024 of a list come first and take 2.7 KB at most
 * ("0-1,3-4,..."); 1,024 distances of three digits take 4 KB.
 */
static char buf[4608] set_apart;
static const char *top = "/sys";

void sysfs_root(const char *root)
{
	top = root;
}

unsigned ids_below(const struct ids *ids, unsigned id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < id / 64; i++)
		n += (unsigned)__builtin_popcountll(ids->bits[i]);
	if (id % 64)
		n += (unsigned)__builtin_popcountll(ids->bits[id / 64] &
						    (((uint64_t)1 << id % 64) -
						     1));
	return n;
}

/* A number, moving *s past it; what does not fit is a very large one. */
static bool number(const char **s, const char *end, uint64_t *n)
{
	const char *from = *s;

	for (*n = 0; *s < end && **s >= '0' && **s <= '9'; ++*s)
		if (!(*n >> 56))
			*n = *n * 10 + (uint64_t)(**s - '0');
	return *s > from;
}

static void skip_blanks(const char **s, const char *end)
{
	while (*s < end && (**s == ' ' || **s == '\t' || **s == '\n'))
		++*s;
}

/* "" is a set too: no node has_memory of a kind. */
bool ids_parse(struct ids *ids, const char *s, size_t len)
{
	const char *end = s + len;

	memset(ids, 0, sizeof(*ids));
	skip_blanks(&s, end);
	while (s < end) {
		uint64_t from, to;

		if (!number(&s, end, &from))
			return false;
		to = from;
		if (s < end && *s == '-') {
			s++;
			if (!number(&s, end, &to) || to < from)
				return false;
		}
		for (uint64_t id = from; id <= to && id < IDS_MAX; id++)
			ids->bits[id / 64] |= (uint64_t)1 << id % 64;
		if (to >= IDS_END_MAX)
			to = IDS_END_MAX - 1;
		if (to >= ids->end)
			ids->end = (unsigned)to + 1;
		if (s < end && *s == ',') {
			if (++s == end)
				return false;
			continue;
		}
		skip_blanks(&s, end);
		if (s < end)
			return false;
	}
	return true;
}

/* The length of what is in buf then, -1: there is no such file, or more. */
static long load(const char *fmt, va_list ap)
{
	char path[320];
	struct text t;
	long n;

	text_init(&t, path, sizeof(path) - 1, -1);
	text_add(&t, "%s/", top);
	text_vadd(&t, fmt, ap);
	path[t.len] = 0;
	n = os_read_file(path, buf, sizeof(buf));
	return n < (long)sizeof(buf) ? n : -1;
}

static long PRINTF_LIKE(1, 2) load_file(const char *fmt, ...)
{
	va_list ap;
	long n;

	va_start(ap, fmt);
	n = load(fmt, ap);
	va_end(ap);
	return n;
}

bool sysfs_ids(struct ids *ids, const char *fmt, ...)
{
	va_list ap;
	long n;

	va_start(ap, fmt);
	n = load(fmt, ap);
	va_end(ap);
	if (n >= 0 && ids_parse(ids, buf, (size_t)n))
		return true;
	memset(ids, 0, sizeof(*ids));
	return false;
}

/* "Node 0 MemTotal:  5466332 kB"; a PiB and more in one node is no number. */
bool sysfs_node_bytes(unsigned node, size_t *bytes)
{
	static const char key[] = "MemTotal:";
	long n = load_file("devices/system/node/node%u/meminfo", node);
	const char *end = buf + n, *s;
	uint64_t kb;

	s = n > 0 ? memmem(buf, (size_t)n, key, sizeof(key) - 1) : NULL;
	if (!s)
		return false;
	s += sizeof(key) - 1;
	skip_blanks(&s, end);
	if (!number(&s, end, &kb) || kb >> 40 || end - s < 3 ||
	    memcmp(s, " kB", 3) != 0)
		return false;
	*bytes = (size_t)kb << 10;
	return true;
}

unsigned sysfs_node_distances(unsigned node, uint8_t *to, unsigned cap)
{
	long n = load_file("devices/system/node/node%u/distance", node);
	const char *s = buf, *end = buf + n;
	unsigned count = 0;

	if (n <= 0)
		return 0;
	for (skip_blanks(&s, end); s < end; skip_blanks(&s, end)) {
		uint64_t d;

		if (!number(&s, end, &d) || d > UINT8_MAX || count == cap)
			return 0;
		to[count++] = (uint8_t)d;
	}
	return count;
}

size_t sysfs_huge_page_size(void)
{
	long n = load_file("kernel/mm/transparent_hugepage/hpage_pmd_size");
	const char *s = buf;
	uint64_t bytes;

	return n > 0 && number(&s, buf + n, &bytes) ? bytes : 0;
}

bool sysfs_huge_pages_always(void)
{
	long n = load_file("kernel/mm/transparent_hugepage/enabled");

	return n > 0 && memmem(buf, (size_t)n, "[always]", 8);
}

/* A word of an "enabled" file; its own buffer: a refresh may run meanwhile. */
static char huge_word(const char *size)
{
	char path[256], text[64];
	struct text t;
	long n;

	text_init(&t, path, sizeof(path) - 1, -1);
	text_add(&t, "%s/kernel/mm/transparent_hugepage/%senabled", top, size);
	path[t.len] = 0;
	n = os_read_file(path, text, sizeof(text));
	for (const char *s = text; s < text + n - 1; s++)
		if (*s == '[')
			return s[1];
	return 0;
}

/* Kernels before 6.8 have no file for each size, and one size. */
uint64_t sysfs_huge_sizes(size_t page, size_t largest)
{
	char all = huge_word(""), word, name[48];
	uint64_t sizes = 0;
	struct text t;

	for (size_t size = 2 * page; size <= largest; size *= 2) {
		text_init(&t, name, sizeof(name) - 1, -1);
		text_add(&t, "hugepages-%zukB/", size >> 10);
		name[t.len] = 0;
		word = huge_word(name);
		if (word == 'i' || (!word && size == largest))
			word = all;
		if (word == 'a' || word == 'm')	/* always, madvise */
			sizes |= size;
	}
	return sizes;
}

/* A figure of the pool; its own buffer as well. */
static size_t pool_figure(const char *dir, size_t page, const char *name)
{
	char path[256], text[32];
	const char *s = text;
	struct text t;
	uint64_t value;
	long n;

	text_init(&t, path, sizeof(path) - 1, -1);
	text_add(&t, "%s/%s/hugepages/hugepages-%zukB/%s", top, dir, page >> 10,
		 name);
	path[t.len] = 0;
	n = os_read_file(path, text, sizeof(text));
	return n > 0 && number(&s, text + n, &value) ? value : 0;
}

size_t sysfs_hugetlb_spare(size_t page, int node)
{
	size_t free = pool_figure("kernel/mm", page, "free_hugepages");
	size_t promised = pool_figure("kernel/mm", page, "resv_hugepages");
	size_t spare = free > promised ? free - promised : 0;
	char dir[48];
	struct text t;

	if (node < 0)
		return spare;
	text_init(&t, dir, sizeof(dir) - 1, -1);
	text_add(&t, "devices/system/node/node%u", (unsigned)node);
	dir[t.len] = 0;
	return min_u64(spare, pool_figure(dir, page, "free_hugepages"));
}

unsigned sysfs_possible_cpus(void)
{
	struct ids ids;

	if (!sysfs_ids(&ids, "devices/system/cpu/possible") ||
	    ids.end == IDS_END_MAX)
		return 0;
	return ids.end;
}

bool proc_ids(struct ids *ids, const char *path, const char *key)
{
	long n = os_read_file(path, buf, sizeof(buf));
	const char *s, *eol;

	s = n > 0 ? memmem(buf, (size_t)n, key, strlen(key)) : NULL;
	if (!s)
		return false;
	s += strlen(key);
	eol = memchr(s, '\n', (size_t)(buf + n - s));
	return eol && ids_parse(ids, s, (size_t)(eol - s));
}
