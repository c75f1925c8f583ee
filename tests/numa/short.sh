#!/bin/sh
# SPDX-License-Identifier: MIT
# Two nodes that have no free memory by what the kernel says (a full page cache
# looks so): memory is found all the same, and no more than is asked for. The
# machine is made up; what it says of itself is read through sysfs:PATH.
. "$(dirname "$0")/../lib/lib.sh"
nodes=$tmp/sys/devices/system/node
mkdir -p "$nodes/node0" "$nodes/node1" "$tmp/sys/devices/system/cpu"
for list in online possible has_memory has_cpu; do
	echo 0-1 >"$nodes/$list"
done
cp /sys/devices/system/cpu/possible "$tmp/sys/devices/system/cpu/" || skip "no /sys"
for n in 0 1; do
	printf 'Node %d MemTotal: 1048576 kB\nNode %d MemFree: 100 kB\n' $n $n >"$nodes/node$n/meminfo"
	echo $n >"$nodes/node$n/cpulist"
done
echo 10 20 >"$nodes/node0/distance"
echo 20 10 >"$nodes/node1/distance"
cat >"$tmp/take.c" <<'END'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	struct mallinfo2 m;
	for (int i = 0; i < 40000; i++) {
		char *p = malloc(500);
		if (!p || !memset(p, 1, 500))
			return 2;
	}
	m = mallinfo2();
	printf("20 MB in use, %zu KiB of slabs\n", m.arena >> 10);
	return m.arena > (64 << 20);
}
END
"${CC:-cc}" -w -fno-builtin "$tmp/take.c" -o "$tmp/take" || fail "does not compile"
BUDDYMALLOC_CONF=$(conf "sysfs:$tmp/sys") LD_PRELOAD=$preload timeout 60 "$tmp/take" || fail "exit $?"
