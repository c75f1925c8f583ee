/* SPDX-License-Identifier: MIT */
#include "os/nodemem.h"

#include <string.h>

#include "base/bits.h"
#include "base/print.h"
#include "os/os.h"

static size_t kibibytes(const char *s)
{
	size_t kib = 0;

	for (; *s >= '0' && *s <= '9' && kib < SIZE_MAX >> 16; s++)
		kib = kib * 10 + (size_t)(*s - '0');
	return KIB(kib);
}

/*
 * "Node 0 MemFree:  815432 kB", the second line. What the page cache holds is
 * not free: the kernel takes pages of the next node before it drops any.
 */
size_t os_node_free(const char *root, unsigned kernel_node)
{
	static const char key[] = "MemFree:";
	char path[320], buf[512];
	struct text t;
	const char *s;
	long n;

	text_init(&t, path, sizeof(path) - 1, -1);
	text_add(&t, "%s/devices/system/node/node%u/meminfo", root,
		 kernel_node);
	path[t.len] = 0;
	n = os_read_file(path, buf, sizeof(buf) - 1);
	if (n <= 0)
		return SIZE_MAX;
	buf[n] = 0;
	s = memmem(buf, (size_t)n, key, sizeof(key) - 1);
	if (!s)
		return SIZE_MAX;
	for (s += sizeof(key) - 1; *s == ' '; s++)
		;
	if (*s < '0' || *s > '9')
		return SIZE_MAX;
	return kibibytes(s);
}

size_t os_min_free(void)
{
	char buf[32];
	long n = os_read_file("/proc/sys/vm/min_free_kbytes", buf,
			      sizeof(buf) - 1);

	if (n <= 0)
		return 0;
	buf[n] = 0;
	return kibibytes(buf);
}
