#!/bin/sh
# SPDX-License-Identifier: MIT
# Strict overcommit (vm.overcommit_memory = 2): the reservation is not charged,
# the heap grows and gives back. The setting belongs to the whole machine, so
# this runs only where it is set already, or when BM_OVERCOMMIT=1 allows it
# (root, a machine of one's own; it is put back).
. "$(dirname "$0")/../lib/lib.sh"
f=/proc/sys/vm/overcommit_memory
old=$(cat $f) || skip "no $f"
if [ "$old" != 2 ]; then
	[ "${BM_OVERCOMMIT-}" = 1 ] || skip "vm.overcommit_memory is $old; BM_OVERCOMMIT=1 sets it for the test"
	[ -w $f ] || skip "cannot set vm.overcommit_memory"
	trap 'echo "$old" >$f; rm -rf "$tmp"' EXIT
	echo 2 2>/dev/null >$f || skip "cannot set vm.overcommit_memory"
fi
cat >"$tmp/grow.c" <<'END'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static long committed(void)
{
	char line[200];
	long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Committed_AS: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb >> 10;
}
int main(void)
{
	static void *p[200];
	long before = committed(), full, after;
	for (int i = 0; i < 200; i++) {
		p[i] = malloc(1 << 20);
		if (!p[i])
			return printf("MiB %d of 200\n", i), 1;
		memset(p[i], 1, 1 << 20);
	}
	full = committed();
	for (int i = 0; i < 200; i++)
		free(p[i]);
	malloc_trim(0);
	after = committed();
	printf("committed MiB: %ld, with 200 MiB %ld, after trim %ld\n", before, full, after);
	if (full > before + 400)
		return 2;	/* the window was charged, or steps are too large */
	return after > before + 100 ? 3 : 0;
}
END
"${CC:-cc}" -w -fno-builtin "$tmp/grow.c" -o "$tmp/grow" || fail "does not compile"
LD_PRELOAD=$preload "$tmp/grow" || fail "exit $?"
