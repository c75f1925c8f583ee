#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# With AT_SECURE the environment and its files are ignored: a set-uid program
# linked with the library says nothing about a bad BUDDYMALLOC_CONF, and reads
# no file. Needs root to make one.
. "$(dirname "$0")/../lib/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to make a set-uid program"
have setpriv || skip "no setpriv"
cat >"$tmp/who.c" <<'END'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
int main(void)
{
	void *p = malloc(100);
	printf("secure %lu\n", getauxval(AT_SECURE));
	free(p);
	return 0;
}
END
cp "$lib" "$tmp/libbuddymalloc.so.0"
"${CC:-cc}" -w -fno-builtin "$tmp/who.c" -o "$tmp/who" "$tmp/libbuddymalloc.so.0" \
	-Wl,-rpath,"$tmp" || fail "does not compile"
chmod 755 "$tmp" "$tmp/who" "$tmp/libbuddymalloc.so.0"
echo 'stats:exit,nonsense:1' >"$tmp/conf"; chmod 644 "$tmp/conf"
grep -q ' nosuid\| nosuid,\|,nosuid' /proc/self/mountinfo && df "$tmp" >"$tmp/df" 2>/dev/null
as_user() { BUDDYMALLOC_CONF=$1 setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/who"; }

# the option works at all, and the file too
as_user stats:exit,foo:1 >"$tmp/out" 2>"$tmp/err" || fail "does not run"
[ "$(cat "$tmp/out")" = "secure 0" ] || fail "secure? $(cat "$tmp/out")"
grep -q "unknown key 'foo'" "$tmp/err" || fail "says nothing as an ordinary program"
grep -qi rseq "$tmp/err" || fail "no statistics as an ordinary program"
as_user "file:$tmp/conf" >"$tmp/out" 2>"$tmp/err" || fail "does not run"
grep -q nonsense "$tmp/err" || fail "file: is not read: $(cat "$tmp/err")"

chown root "$tmp/who" && chmod 4755 "$tmp/who"
as_user stats:exit,foo:1 >"$tmp/out" 2>"$tmp/err" || fail "set-uid: exit $?"
[ "$(cat "$tmp/out")" = "secure 1" ] || skip "set-uid has no effect in $tmp"
[ ! -s "$tmp/err" ] || fail "set-uid program heeds the environment: $(cat "$tmp/err")"
as_user "file:$tmp/conf" >"$tmp/out" 2>"$tmp/err" || fail "set-uid: exit $?"
[ ! -s "$tmp/err" ] || fail "set-uid program reads a file: $(cat "$tmp/err")"
echo "secure: ok"
