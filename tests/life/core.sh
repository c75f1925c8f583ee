#!/bin/sh
# SPDX-License-Identifier: MIT
# A core dump is within 5 % of the resident size, in apparent size too, and
# gdb finds the live blocks in it.
. "$(dirname "$0")/../lib/lib.sh"
pattern=$(cat /proc/sys/kernel/core_pattern)
case $pattern in
'|'*) skip "core_pattern pipes to a program" ;;
/*) skip "core_pattern is a fixed place ($pattern)" ;;
esac
cat >"$tmp/big.c" <<'END'
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
char *marked;
static void *keep[20000];
int main(void)
{
	long pages, res;
	FILE *f;
	for (int i = 0; i < 20000; i++)
		keep[i] = memset(malloc(2000), i, 2000);	/* 40 MB of small */
	for (int i = 0; i < 40; i++)
		keep[i] = memset(malloc(1 << 20), i, 1 << 20);
	marked = strcpy(malloc(100), "the mark");
	f = fopen("/proc/self/statm", "r");
	fscanf(f, "%ld %ld", &pages, &res);
	printf("%ld\n", res * sysconf(_SC_PAGESIZE));
	fflush(stdout);
	prctl(PR_SET_DUMPABLE, 1);
	kill(getpid(), SIGABRT);
	return 1;
}
END
"${CC:-cc}" -w -g -fno-builtin "$tmp/big.c" -o "$tmp/big" || fail "does not compile"
cd "$tmp" || fail "cd"
(ulimit -c unlimited || exit 9; LD_PRELOAD=$preload exec ./big) >rss 2>err
st=$?
[ $st = 9 ] && skip "ulimit -c unlimited is refused"
[ $st = 134 ] || fail "exit $st: $(cat err)"
core=$(ls core* 2>/dev/null | head -n 1)
[ -n "$core" ] || skip "no core was written (core_pattern $pattern)"
rss=$(cat rss)
apparent=$(stat -c %s "$core")
disk=$(($(stat -c %b "$core") * 512))
echo "RSS $rss, core $apparent (on disk $disk)"
# file-backed pages are resident but not dumped: a little smaller is fine
[ "$apparent" -le $((rss + rss / 20)) ] || fail "the core is $apparent bytes, RSS is $rss"
[ "$apparent" -ge $((rss - rss / 20 - 3000000)) ] || fail "the core is only $apparent bytes, RSS is $rss"
if have gdb; then
	gdb -nx -batch -ex 'print marked' ./big "$core" >gdb.out 2>&1
	grep -q 'the mark' gdb.out || fail "gdb does not find the block: $(tail -3 gdb.out)"
fi
