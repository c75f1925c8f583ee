#!/bin/sh
# SPDX-License-Identifier: MIT
# Every row of bench/rows reads back from its objects the same under the
# library as under libc's malloc; and what rows says when it is called wrongly.
. "$(dirname "$0")/../lib/lib.sh"
rows=$top_builddir/bench/rows
[ -x "$rows" ] || fail "no $rows"

"$rows" --list >"$tmp/list" || fail "--list: exit $?"
[ "$(wc -l <"$tmp/list")" -ge 100 ] || fail "--list has $(wc -l <"$tmp/list") lines"
awk -F '\t' 'NF != 4 || $1 !~ "^[a-z0-9.-]+/[0-9]+$" || $1 !~ "/" $2 "$" ||
	$3 !~ /^[a-z]+$/ || $4 == "" { print; bad = 1 } END { exit bad }' \
	"$tmp/list" || fail "--list: that is no row"
[ -z "$(cut -f 1 "$tmp/list" | sort | uniq -d)" ] || fail "--list: a name twice"

# shows WHAT NAME < JSON: the value, without quotes
shows() { sed -n "s/.*\"$1\":\"*\\([^,\"}]*\\).*/\\1/p"; }

for row in $(cut -f 1 "$tmp/list"); do
	"$rows" --scale 0.0002 "$row" >"$tmp/libc" || fail "$row under libc: exit $?"
	under "$rows" --scale 0.0002 "$row" >"$tmp/ours" || fail "$row: exit $?"
	[ "$(shows owner <"$tmp/ours")" = "$preload" ] ||
		fail "$row: malloc was not the library's: $(cat "$tmp/ours")"
	case $(shows owner <"$tmp/libc") in
	*libc*) ;;
	*) fail "$row: malloc was not libc's: $(cat "$tmp/libc")" ;;
	esac
	sum=$(shows checksum <"$tmp/ours")
	[ ${#sum} = 16 ] && [ "$sum" = "$(shows checksum <"$tmp/libc")" ] ||
		fail "$row: other checksums: $(cat "$tmp/libc" "$tmp/ours")"
	for number in threads ops ns rss_peak_kib rss_after_kib; do
		[ "$(shows $number <"$tmp/ours")" -gt 0 ] || fail "$row: $number: $(cat "$tmp/ours")"
	done
done

# An allocator that hands out a block twice, or loses what was in it, is noticed.
cat >"$tmp/bad.c" <<'END'
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
extern void *__libc_malloc(size_t n), *__libc_calloc(size_t n, size_t m);
void free(void *p) { (void)p; }
void *malloc(size_t n)
{
	static unsigned long calls;
	static void *last;

	if (getenv("TWICE") && ++calls % 1000 == 0)
		return last;
	return last = __libc_malloc(n < 100000 ? 100000 : n);
}
void *realloc(void *p, size_t n)
{
	char *q = malloc(n);

	if (p)
		memcpy(q, p, n / 2);
	return q;
}
void *calloc(size_t n, size_t m)
{
	char *p = __libc_calloc(n, m);

	if (getenv("DIRTY") && n * m)
		p[n * m - 1] = 1;
	return p;
}
END
"${CC:-cc}" -w -O1 -fno-builtin -shared -fPIC -o "$tmp/bad.so" "$tmp/bad.c" || fail "no bad.so"
good=$("$rows" --ops 3000 queue/1 | shows checksum)
bad=$(LD_PRELOAD=$tmp/bad.so "$rows" --ops 3000 queue/1 | shows checksum)
[ "$good" = "$bad" ] || fail "queue/1: $bad where nothing is wrong"
bad=$(TWICE=1 LD_PRELOAD=$tmp/bad.so "$rows" --ops 3000 queue/1 | shows checksum)
[ "$good" != "$bad" ] || fail "a block handed out twice is not noticed"
bad=$(LD_PRELOAD=$tmp/bad.so "$rows" --ops 3000 strings/1 2>&1) &&
	fail "a realloc that loses bytes is not noticed: $bad"
bad=$(DIRTY=1 LD_PRELOAD=$tmp/bad.so "$rows" --ops 3000 calloc/1 2>&1) &&
	fail "a calloc that does not clear is not noticed: $bad"
[ "$bad" = "rows: calloc: calloc gave a block that is not zero" ] || fail "$bad"

# More work is another checksum: it is made of what was done.
a=$("$rows" --ops 1000 calls/1 | shows checksum)
b=$("$rows" --ops 1001 calls/1 | shows checksum)
[ "$a" != "$b" ] || fail "one object more does not change the checksum"
# By the clock, whole steps are done.
n=$("$rows" --seconds 0.02 --ops 100 calls/1 | shows ops)
[ "$n" -gt 100 ] && [ $((n % 100)) = 0 ] || fail "--seconds did $n operations"
"$rows" --touch 1 || fail "--touch: exit $?"
case $(under "$rows" --owner) in
"$preload malloc 0x"*" free 0x"*) ;;
*) fail "--owner: $(under "$rows" --owner)" ;;
esac

# wrong STATUS ARGS...: one line on stderr, nothing on stdout
wrong() {
	want=$1
	shift
	"$rows" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ $status = "$want" ] || fail "rows $*: exit $status"
	[ ! -s "$tmp/out" ] || fail "rows $*: prints $(cat "$tmp/out")"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail "rows $*: $(cat "$tmp/err")"
	grep -q '^rows: ' "$tmp/err" || fail "rows $*: $(cat "$tmp/err")"
}
wrong 2
wrong 2 nosuch/1
wrong 2 lifo
wrong 2 lifo/1 lifo/1
wrong 2 --nosuch lifo/1
wrong 2 --list lifo/1
wrong 2 --scale
wrong 2 --scale 0 lifo/1
wrong 2 --scale 1x lifo/1
wrong 2 --scale nan lifo/1
wrong 2 --ops -1 lifo/1
wrong 2 --ops 1e99 lifo/1
wrong 2 --seconds '' lifo/1
wrong 2 --touch
wrong 2 --touch 1e99
wrong 1 --touch 1e9
[ ! -w /dev/full ] || {
	"$rows" --ops 1 lifo/1 >/dev/full 2>"$tmp/err" && fail "a full disk is not noticed"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail "a full disk: $(cat "$tmp/err")"
}
