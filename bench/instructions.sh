#!/bin/sh
# SPDX-License-Identifier: MIT
# instructions.sh [LIBRARY [ROWS]]: the instructions of one malloc and of one
# free of 32 bytes in a library (default ./libbuddymalloc-preload.so; ROWS:
# ./bench/rows), from its first instruction to the return.
#
# callgrind counts them, for N pairs and for 2N, so that start-up and the first
# slow paths cancel. valgrind gives no rseq, hence rseq:fake, the same code on
# a private area; BUDDYMALLOC_CONF=rseq:off counts the locked path instead.
# Where MAX is set (in the environment), a sum above it is exit 1.
set -eu
lib=${1:-./libbuddymalloc-preload.so}
rows=${2:-./bench/rows}
pairs=${PAIRS:-10000}
conf=${BUDDYMALLOC_CONF:-rseq:fake}

fail() { echo "instructions.sh: $1" >&2; exit 2; }
[ -r "$lib" ] || fail "no $lib"
[ -x "$rows" ] || fail "no $rows (make bench-rows)"
command -v valgrind >/dev/null || fail "valgrind is not installed"
lib=$(realpath "$lib")
out=$(mktemp)
trap 'rm -f "$out"' EXIT
trap 'exit 2' INT TERM

# Runs rows under callgrind; its standard output is ours.
under_callgrind() {
	LD_PRELOAD="$lib" BUDDYMALLOC_CONF="$conf" valgrind -q --tool=callgrind \
		--dump-instr=yes --compress-pos=no --compress-strings=no \
		--callgrind-out-file="$out" "$rows" "$@" ||
		fail "rows $* failed under valgrind"
}

# The instructions spent in the function at an address, over the whole run.
# A call is two lines: "calls=COUNT TARGET ..." and "CALLER ... COST". callgrind
# writes some addresses relative to the file's start, so only the place in the
# page is compared; what else lies there cancels with the start-up.
spent_at() {
	awk -v at="$1" '
		function place(address) {
			return substr(address, length(address) - 2)
		}
		/^calls=/ {
			target = $2
			getline
			if (place(target) == place(at))
				n += $NF
		}
		END { printf "%d\n", n }' "$out"
}

owner=$(under_callgrind --owner)
case $owner in
"$lib malloc "*) ;;
*) fail "malloc is not the library's: $owner" ;;
esac
malloc_at=${owner#*" malloc "} malloc_at=${malloc_at%% *}
free_at=${owner#*" free "}

under_callgrind --ops "$pairs" lifo/1 >/dev/null
malloc=$(spent_at "$malloc_at") free=$(spent_at "$free_at")
under_callgrind --ops $((2 * pairs)) lifo/1 >/dev/null
malloc=$((($(spent_at "$malloc_at") - malloc) / pairs))
free=$((($(spent_at "$free_at") - free) / pairs))
[ "$malloc" -gt 0 ] && [ "$free" -gt 0 ] || fail "no call was counted"

echo "malloc $malloc free $free sum $((malloc + free)) instructions ($conf)"
if [ $((malloc + free)) -gt "${MAX:-1000}" ]; then
	echo "instructions.sh: more than $MAX" >&2
	exit 1
fi
