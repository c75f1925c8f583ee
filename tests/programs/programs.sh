# SPDX-License-Identifier: MIT
# What: what the scripts of this folder share (sourced): each runs one real
#       program with and without the preload and compares what it says.
#       One row a check: "ok NAME", "FAIL NAME", "skip NAME: why"; finish
#       sums up.
# shellcheck shell=sh
. "$(dirname "$0")/../lib/lib.sh"
bad=0 good=0 skipped=0
export HOME="$tmp/home" TZ=UTC
mkdir -p "$HOME"
unset LD_PRELOAD MALLOC_ARENA_MAX

row_ok() { echo "ok $1"; good=$((good + 1)); }
row_bad() { echo "FAIL $1: $2"; bad=$((bad + 1)); }
row_skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }

finish() {
	echo "$name: $good ok, $bad failed, $skipped skipped"
	[ $bad = 0 ] || exit 1
	[ $good -gt 0 ] || skip "no such program here"
	exit 0
}

# served PROG ARGS…: 0 when our heap served the program itself
served() {
	# debug:boot and not stats:exit: many programs close stderr at exit.
	# timeout itself runs under the preload and prints one set.
	LD_PRELOAD=$preload BUDDYMALLOC_CONF=$(conf debug:boot) timeout -k 5 60 "$@" \
		>/dev/null 2>"$tmp/served" </dev/null
	[ "$(grep -c '^buddymalloc: boot: percpu' "$tmp/served")" -ge 2 ]
}

# same NAME PROG ARGS…: same output, same messages, same end
same() {
	row=$1
	shift
	have "$1" || { row_skip "$row" "no $1"; return 0; }
	timeout -k 5 "${limit:-120}" "$@" >"$tmp/out.1" 2>"$tmp/err.1" </dev/null
	st1=$?
	LD_PRELOAD=$preload timeout -k 5 "${limit:-120}" "$@" >"$tmp/out.2" 2>"$tmp/err.2" </dev/null
	st2=$?
	if [ $st1 != $st2 ]; then
		row_bad "$row" "exit $st2, without the preload $st1: $(tail -n 5 "$tmp/err.2")"
	elif ! cmp -s "$tmp/out.1" "$tmp/out.2"; then
		row_bad "$row" "output differs: $(diff "$tmp/out.1" "$tmp/out.2" | head -n 5)"
	elif ! cmp -s "$tmp/err.1" "$tmp/err.2"; then
		row_bad "$row" "messages differ: $(diff "$tmp/err.1" "$tmp/err.2" | head -n 5)"
	elif [ "${unserved:-0}" = 0 ] && ! served "$@"; then
		row_bad "$row" "our heap did not serve it"
	else
		row_ok "$row"
	fi
}

# passes NAME PROG ARGS…: exits with 0 under the preload. Where it does not,
# it may be the program's own fault: then it is skipped.
passes() {
	row=$1
	shift
	have "$1" || { row_skip "$row" "no $1"; return 0; }
	LD_PRELOAD=$preload timeout -k 5 "${limit:-120}" "$@" >"$tmp/out.2" 2>&1 </dev/null
	st2=$?
	if [ $st2 = 0 ]; then
		row_ok "$row"
	elif ! timeout -k 5 "${limit:-120}" "$@" >"$tmp/out.1" 2>&1 </dev/null; then
		row_skip "$row" "fails without the preload, too"
	else
		row_bad "$row" "exit $st2: $(tail -n 12 "$tmp/out.2")"
	fi
}

# a text of about 2 MB that is the same each time
text() { awk 'BEGIN { x = 1; for (i = 0; i < 50000; i++) { x = (x * 16807) % 2147483647; print i, x, x % 97, "line " x % 1000 } }'; }
