#!/bin/sh
# SPDX-License-Identifier: MIT
# `buddymalloc stat --maps PID`: the same mappings as the kernel has, who made
# them and how much of each is there, in every mode; and a line for each
# process that cannot be shown.
. "$(dirname "$0")/../lib/lib.sh"
[ "${CROSS:-no}" = no ] || skip "cross-built"
command=$top_builddir/tools/buddymalloc
kids=
trap 'for k in $kids; do kill -9 "$k" 2>/dev/null; done; rm -rf "$tmp"' EXIT

cat >"$tmp/maps.c" <<'END'
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef LINKED
#include "buddymalloc.h"
#define mmap bm_mmap
#define munmap bm_munmap
#endif
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
__attribute__((noinline)) char *first(void *p, size_t n, int flags)
{
	char *q = mmap(p, n, RW, flags, -1, 0);
	__asm__ volatile("" ::: "memory");
	return q;
}
__attribute__((noinline)) char *second(void *p, size_t n, int flags)
{
	char *q = mmap(p, n, RW, flags, -1, 0);
	__asm__ volatile("" : "+r"(q) :: "memory");
	return q;
}
static void *busy(void *arg)
{
	for (unsigned i = 0;; i++) {
		char *p = mmap(NULL, 65536 << i % 5, RW, ANON, -1, 0);
		p[0] = 1;
		munmap(p + 4096, 8192);
		munmap(p, 65536 << i % 5);
	}
	return arg;
}
int main(int argc, char **argv)
{
	char *a = first(NULL, 8 << 20, ANON), *b = mmap(NULL, 4 << 20, PROT_NONE, ANON, -1, 0);
	pthread_t t;
	FILE *f;

	/* Two that the kernel makes one of, away from all others. */
	munmap(b, 4 << 20);
	b += 1 << 20;
	if (first(b, 1 << 20, ANON | MAP_FIXED) != b ||
	    second(b + (1 << 20), 1 << 20, ANON | MAP_FIXED) != b + (1 << 20))
		return 1;
	memset(a, 1, 1 << 20);
	memset(b + (1 << 20), 1, 512 << 10);
	free(malloc(100000));
	for (int i = 0; argc > 2 && i < 4; i++)
		pthread_create(&t, NULL, busy, NULL);
	f = fopen(argv[1], "w");
	fprintf(f, "%lx %lx\n", (unsigned long)a, (unsigned long)b);
	fclose(f);
	alarm(120);
	pause();
	return 0;
}
END
"${CC:-cc}" -O1 -w -pthread "$tmp/maps.c" -o "$tmp/prog" || fail "does not compile"

# start NAME COMMAND...: in the background, until it has written its file
start() {
	what=$1
	shift
	rm -f "$tmp/$what"
	"$@" "$tmp/$what" $more &
	pid=$!
	kids="$kids $pid"
	for i in $(seq 600); do
		[ -s "$tmp/$what" ] && break
		sleep 0.1
	done
	read -r a b <"$tmp/$what" || fail "$what did not start"
}
# shown: stat's lines in $tmp/out
shown() {
	"$command" stat --maps "$pid" >"$tmp/out" 2>"$tmp/err" || fail "$what: exit $?: $(cat "$tmp/err")"
	[ -s "$tmp/err" ] && fail "$what: says $(cat "$tmp/err")"
	return 0
}
# The kernel may have made one of it and its neighbour: then its part.
row() { awk -v at="$1" '{ sub(/^[+]/, "") } index($1, at "-") == 1 { l = $0 } END { if (l) print l }' "$tmp/out"; }

more=
for mode in track place; do
	BUDDYMALLOC_CONF=$(conf mmap:$mode) start $mode "$command" run "$tmp/prog"
	shown
	grep -q "^# mmap:$mode: [1-9][0-9]* calls noted, 0 missed$" "$tmp/out" || fail "$mode: $(head -n 1 "$tmp/out")"
	# The kernel's own list, unless it was just changing.
	awk '!/^[+#]/ { print $1, $2 }' "$tmp/out" >"$tmp/rows"
	awk '{ print $1, $2 }' "/proc/$pid/maps" | cmp -s - "$tmp/rows" ||
		fail "$mode: not the kernel's mappings"
	# The first: 8 MiB, one of them touched, made by the program.
	row "$a" >"$tmp/row"
	# shellcheck disable=SC2046 # words
	set -- $(cat "$tmp/row")
	[ "${2-}" = rw-p ] && [ "$3" = 8192 ] && [ "$4" -ge 1024 ] && [ "$4" -le 4096 ] ||
		fail "$mode: the mapping of 8 MiB: $*"
	case $7 in kernel|placed) ;; *) fail "$mode: kind: $*" ;; esac
	case $8 in prog+0x*) ;; *) fail "$mode: who: $*" ;; esac
	# The second has two makers; the kernel may have made one of both.
	second=$(printf '%x' $((0x$b + 1048576)))
	grep "^+\{0,1\}[0-9a-f]*-$second " "$tmp/out" >"$tmp/one"
	grep "^+\{0,1\}$second-" "$tmp/out" >"$tmp/two"
	[ "$(wc -l <"$tmp/one")" = 1 ] && [ "$(wc -l <"$tmp/two")" = 1 ] || fail "$mode: two makers: $(cat "$tmp/out")"
	one=$(awk '{ print $8 }' "$tmp/one") two=$(awk '{ print $8 }' "$tmp/two")
	case $one/$two in prog+0x*/prog+0x*) ;; *) fail "$mode: who: $one $two" ;; esac
	[ "$one" != "$two" ] || fail "$mode: both were made by $one"
	[ "$(awk '{ print $4 }' "$tmp/one")" = 0 ] || fail "$mode: resident: $(cat "$tmp/one")"
	[ "$(awk '{ print $4 }' "$tmp/two")" = 512 ] || [ "$mode" = place ] || fail "$mode: resident: $(cat "$tmp/two")"
	grep -q ' heap .*\[buddymalloc\]$' "$tmp/out" || fail "$mode: no heap: $(cat "$tmp/out")"
	grep -q ' unseen .*/prog$' "$tmp/out" || fail "$mode: the program's file"
	if [ -r /proc/self/numa_maps ]; then
		case $6 in *N[0-9]*=*) ;; *) fail "$mode: nodes: $*" ;; esac
	fi
done

# Linked with the library, shared and static, by its own names.
for way in shared static; do
	from="$lib -Wl,-rpath,$(dirname "$lib")"
	[ $way = static ] && from="-static $top_builddir/libbuddymalloc.a"
	# shellcheck disable=SC2086 # words
	"${CC:-cc}" -O1 -w -pthread -DLINKED -I"$top_srcdir/include" "$tmp/maps.c" -o "$tmp/linked" $from \
		2>"$tmp/err" || { [ $way = static ] && continue; fail "$(cat "$tmp/err")"; }
	BUDDYMALLOC_CONF=$(conf mmap:track) start $way "$tmp/linked"
	shown
	row "$a" | grep -q ' kernel linked+0x' || fail "$way: $(row "$a")"
done

BUDDYMALLOC_CONF=$(conf mmap:off) start off "$command" run "$tmp/prog"
shown
[ "$(grep -c '^# mmap:off: ' "$tmp/out")" = 1 ] || fail "off: $(head -n 3 "$tmp/out")"
row "$a" | grep -q ' rw-p     8192 ' || fail "off: $(row "$a")"

# While four threads map and unmap: always a list, and the process lives on.
more=busy
BUDDYMALLOC_CONF=$(conf mmap:track) start busy "$command" run "$tmp/prog"
for i in $(seq 20); do
	shown
	row "$a" | grep -q ' rw-p     8192 .* prog+0x' || fail "busy: $(grep '^#' "$tmp/out"; row "$a")"
done
kill -0 "$pid" || fail "busy: it has died"
more=

# What cannot be shown.
refuse() { # STATUS LINE PID...
	want="$1 buddymalloc: stat: $2"
	shift 2
	got=$("$command" stat --maps "$@" 2>&1 >/dev/null)
	got="$? $got"
	case $got in $want) ;; *) fail "stat --maps $*: wanted $want, found $got" ;; esac
}
for word in abc 12x '' 0 99999999999999999999 4294967297; do
	refuse 2 "'$word' is no process id" "$word"
done
refuse 2 "unknown option '-5' (see buddymalloc --help)" -5
refuse 2 "unknown option '2' (see buddymalloc --help)" 1 2
got=$("$command" stat 1 2>&1) && fail "stat without --maps"
[ "$got" = "buddymalloc: stat: give --maps and a process id (see buddymalloc --help)" ] || fail "$got"
refuse 1 "there is no process 2147483646" 2147483646
start plain "$tmp/prog"
refuse 1 "process $pid (prog) does not run on buddymalloc (a static program does not load it)" "$pid"
if "${CC:-cc}" -static -O1 -w -pthread "$tmp/maps.c" -o "$tmp/static" 2>/dev/null; then
	LD_PRELOAD=$preload start nothing "$tmp/static"
	refuse 1 "process $pid (static) does not run*" "$pid"
fi
# One that has ended, and nobody waits for it: the shell that does not.
sh -c 'sleep 0.1 & echo $! >"$1"; exec sleep 60' sh "$tmp/zombie" &
kids="$kids $!"
for i in $(seq 100); do
	pid=$(cat "$tmp/zombie" 2>/dev/null)
	grep -q '^State:.*Z' "/proc/${pid:-none}/status" 2>/dev/null && break
	sleep 0.1
done
refuse 1 "process $pid has ended" "$pid"
if [ "$(cat /proc/2/comm 2>/dev/null)" = kthreadd ]; then
	refuse 1 "process 2 has no mappings: it belongs to the kernel" 2
fi
if [ "$(id -u)" = 0 ] && have setpriv; then
	BUDDYMALLOC_CONF=$(conf mmap:track) start root "$command" run "$tmp/prog"
	cp "$command" "$tmp/command"
	chmod 755 "$tmp" "$tmp/command"
	got=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/command" stat --maps "$pid" 2>&1)
	[ "$?$got" = "1buddymalloc: stat: process $pid is another user's, or protected: Permission denied" ] ||
		fail "another user's: $got"
fi
"$command" stat --maps "$pid" >/dev/full 2>&1 && fail "to a full disk"
exit 0
