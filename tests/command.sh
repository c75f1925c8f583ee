#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# What: the buddymalloc command: what it sets, keeps and refuses.
# shellcheck disable=SC2154 # the harness sets them
[ "$REPLACE" = yes ] || { echo "SKIP: --disable-replace builds no command" >&2; exit 77; }
[ "$CROSS" = no ] || { echo "SKIP: cross-built" >&2; exit 77; }
command=$top_builddir/tools/buddymalloc
ours=$top_builddir/libbuddymalloc-preload.so
unset LD_PRELOAD BUDDYMALLOC_CONF BUDDYMALLOC_PRELOAD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0

# check STATUS OUTPUT COMMAND...: compares status, and stdout with stderr
check() {
	status=$1 output=$2
	shift 2
	found=$("$@" 2>&1)
	found_status=$?
	if [ "$found_status $found" != "$status $output" ]; then
		printf 'FAIL: %s\n  wanted %s: %s\n  found  %s: %s\n' "$*" \
			"$status" "$output" "$found_status" "$found" >&2
		bad=1
	fi
}

check 2 "buddymalloc: no command given (see buddymalloc --help)" "$command"
check 2 "buddymalloc: unknown command 'rnu' (see buddymalloc --help)" "$command" rnu true
check 2 "buddymalloc: run: no program given (see buddymalloc --help)" "$command" run
check 2 "buddymalloc: --conf needs KEY:VALUE,..." "$command" run --conf
check 2 "buddymalloc: run: unknown option '--cnof' (see buddymalloc --help)" "$command" run --cnof x true
check 127 "buddymalloc: /no/such/program: No such file or directory" "$command" run /no/such/program
check 126 "buddymalloc: /: Permission denied" "$command" run /
version=$(sed -n 's/^AC_INIT(\[buddymalloc\], \[\(.*\)\])$/\1/p' "$top_srcdir/configure.ac")
check 0 "buddymalloc $version" "$command" --version
"$command" --help | grep -q '^usage: buddymalloc run' || { echo "FAIL: --help" >&2; bad=1; }
"$command" --help >/dev/full 2>&1 && { echo "FAIL: --help to a full disk" >&2; bad=1; }

# shellcheck disable=SC2016 # expanded by the program that is run
show='echo "$LD_PRELOAD|$BUDDYMALLOC_CONF|$*"'
check 0 "$ours||a  b c" "$command" run sh -c "$show" sh "a  b" c
check 0 "$ours|rseq:off,check:on|" "$command" run --conf rseq:off --conf=check:on -- sh -c "$show"
check 7 "" "$command" run sh -c 'exit 7'
other=$top_builddir/libbuddymalloc.so.0
check 0 "$ours:$other||" env LD_PRELOAD="$other" "$command" run sh -c "$show"
check 0 "$ours||" env LD_PRELOAD="$ours" "$command" run sh -c "$show"
check 0 "$ours|window:1g,rseq:off|" env BUDDYMALLOC_CONF=window:1g "$command" run --conf rseq:off sh -c "$show"
check 1 "buddymalloc: BUDDYMALLOC_PRELOAD: /no/such: No such file or directory" \
	env BUDDYMALLOC_PRELOAD=/no/such "$command" run true
ln -s "$ours" "$tmp/a b.so"
check 0 "$ours||" env BUDDYMALLOC_PRELOAD="$tmp/a b.so" "$command" run sh -c "$show"
cp "$ours" "$tmp/c d.so"
check 1 "buddymalloc: $tmp/c d.so: LD_PRELOAD takes no path with a colon or a space" \
	env BUDDYMALLOC_PRELOAD="$tmp/c d.so" "$command" run true
check 1 "buddymalloc: bench needs python3: No such file or directory" env PATH="$tmp" "$command" bench
"$command" bench --list | grep -q '^lifo/1 ' || { echo "FAIL: bench --list" >&2; bad=1; }
check 2 "bench: unrecognized arguments: --cnof (see buddymalloc bench --help)" "$command" bench --cnof
# Ours is what serves: the library is mapped, and prints its statistics.
"$command" run grep -q libbuddymalloc-preload /proc/self/maps ||
	{ echo "FAIL: the preload library is not mapped" >&2; bad=1; }
exit $bad
