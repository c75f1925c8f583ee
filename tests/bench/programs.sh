#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# timeout: 600
# bench/programs/run: what a runner relies on. One program of each kind says
# the same with libc's malloc and with ours, and ours serves that one process.
# shellcheck disable=SC1091
. "$(dirname "$0")/../lib/lib.sh"
run=$top_srcdir/bench/programs/run
unset BENCH_PRELOAD BENCH_ENV REDIS_SERVER
good=0 skipped=0

# says STATUS WORDS COMMAND…: it ends so, with one line that has the words
says() {
	status=$1 words=$2
	shift 2
	"$@" >"$tmp/says" 2>&1
	st=$?
	[ $st = "$status" ] || fail "$*: exit $st, not $status: $(head -n 3 "$tmp/says")"
	[ "$(wc -l <"$tmp/says")" = 1 ] || fail "$*: not one line: $(head -n 5 "$tmp/says")"
	grep -q -- "$words" "$tmp/says" || fail "$*: no '$words' in: $(cat "$tmp/says")"
}

"$run" --list >"$tmp/list" || fail "--list: exit $?"
awk -F '\t' 'NF != 3 || $1 !~ /^[a-zA-Z0-9-]+$/ || $2 !~ /^[1-9][0-9]*$/ || $3 == "" || seen[$1]++ {
	print; bad = 1 } END { exit bad || NR < 20 }' "$tmp/list" || fail "--list is no list"
cut -f 1 "$tmp/list" | while read -r program; do
	why=$("$run" --check "$program")
	case $? in
	0) [ -z "$why" ] || fail "--check $program is silent where all is well: $why" ;;
	77) [ "$(echo "$why" | grep -c .)" = 1 ] || fail "--check $program: one line, please: $why" ;;
	*) fail "--check $program: exit $?" ;;
	esac
done || exit 1

mkdir "$tmp/dir"
says 2 'no program .nothing' "$run" nothing "$tmp/dir"
says 2 usage "$run" sqlite
says 2 usage "$run" --lists
says 1 'no directory' "$run" sqlite "$tmp/none"
says 1 'cannot read' env BENCH_PRELOAD="$tmp/none.so" "$run" lua-trees "$tmp/dir"
says 1 'no such path' env BENCH_PRELOAD="none.so" "$run" lua-trees "$tmp/dir"
says 77 'is no program' env REDIS_SERVER="$tmp/none" "$run" --check redis-get

export REDIS_AGED=3000
for program in sqlite python-objects-malloc lua-strings perl node-buffers gcc-O0 zstd redis-debian-get \
	redis-debian-refilled; do
	if ! why=$("$run" --check $program); then
		echo "skip $why"
		skipped=$((skipped + 1))
		continue
	fi
	dir=$tmp/$program
	mkdir "$dir"
	"$run" --prepare $program "$dir" || fail "--prepare $program: exit $?"
	"$run" $program "$dir" >"$tmp/libc" 2>"$tmp/libc.err" || fail "$program: $(tail -n 3 "$tmp/libc.err")"
	[ ! -s "$tmp/libc.err" ] || fail "$program: $(head -n 3 "$tmp/libc.err")"
	BENCH_PRELOAD=$preload BENCH_ENV="BUDDYMALLOC_CONF=debug:boot A=b" \
		"$run" $program "$dir" >"$tmp/ours" 2>"$tmp/ours.err" ||
		fail "$program under the preload: $(tail -n 3 "$tmp/ours.err")"
	for said in libc ours; do
		grep -v '^#metric [a-z_]* [0-9.]*$' "$tmp/$said" >"$tmp/$said.result"
	done
	[ -s "$tmp/libc.result" ] || fail "$program has no result"
	cmp -s "$tmp/libc.result" "$tmp/ours.result" ||
		fail "$program: results differ: $(diff "$tmp/libc.result" "$tmp/ours.result" | head -n 5)"
	[ ! -e "$dir/server.log" ] || cat "$dir/server.log" >>"$tmp/ours.err"
	served=$(grep -c '^buddymalloc: boot: percpu' "$tmp/ours.err")
	[ "$served" = 1 ] || fail "$program: our heap served $served processes, not 1"
	case $program in
	redis*) for metric in wall_ns rss_peak_kib rss_after_kib; do
		grep -q "^#metric $metric [1-9]" "$tmp/ours" || fail "$program: no $metric"
	done ;;
	esac
	echo "ok $program"
	good=$((good + 1))
done
echo "$name: $good programs ok, $skipped skipped"
[ $good -gt 0 ] || skip "none of the programs is here"
