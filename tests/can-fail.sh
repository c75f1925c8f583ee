#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# timeout: 600
# A check that the tests can fail: each is run against a heap that is broken in
# one way (lib/broken.c in front of ours), or with the sabotage it offers
# (BM_SABOTAGE), and must go red. Then the same build without it must be green,
# which the other rows of make check show.
tests_dir=$(dirname "$0")
top_srcdir=${top_srcdir:-$(cd "$tests_dir/.." && pwd)}
# shellcheck disable=SC1091
. "$top_srcdir/tests/lib/lib.sh"
name=can-fail
ulimit -c 0
"${CC:-cc}" -std=gnu11 -O1 -fPIC -shared -w -fno-builtin "$tests/lib/broken.c" -o "$tmp/broken.so" ||
	fail "broken.c does not compile"
bad=0 n=0 absent=0

# red TEST WHY VAR=VALUE…: run it so; it must fail, and not be skipped
red() {
	test=$1
	shift
	case $test in
	*.sh) cmd="sh $tests/$test" ;;
	*) cmd=$built/$test; [ -x "$cmd" ] || { absent=$((absent + 1)); return 0; } ;;
	esac
	n=$((n + 1))
	# shellcheck disable=SC2086
	timeout -k 5 60 env "$@" $cmd >"$tmp/log" 2>&1 </dev/null &
	wait $!
	st=$?
	# Children that hang, which is what was to be seen: they are in its group.
	kill -9 -- -$! 2>/dev/null
	if [ $st = 0 ] || [ $st = 77 ]; then
		bad=$((bad + 1))
		echo "FAIL $test with $*: exit $st, it should have failed"
	else
		echo "ok   $test with $*: exit $st"
	fi
}

broken() { red "$1" BM_BROKEN="$2" LD_PRELOAD="$tmp/broken.so" BM_LIMIT=10; }
sabotaged() { red "$1" BM_SABOTAGE="$2" BM_LIMIT=20; }
script() { red "$1" BM_BROKEN="$2" BM_PRELOAD="$tmp/broken.so:$preload"; }

broken api/malloc align
broken api/malloc huge
broken api/malloc unique
broken api/malloc enomem
broken api/malloc errno
broken api/malloc usable
broken api/malloc twice
broken api/calloc calloc
broken api/calloc overflow
broken api/realloc realloc
broken api/realloc realloc0
broken api/realloc fails
broken api/aligned memalign
broken api/aligned einval
broken api/aligned leak
broken api/control leak
broken stress/model twice
broken stress/model calloc
broken stress/model realloc
sabotaged stress/model flip
broken stress/pipeline leak
sabotaged stress/pipeline skip-free
sabotaged stress/threads skip-free
sabotaged stress/sleepers grow
sabotaged stress/manycpus grow
sabotaged life/early quiet
broken life/forks lock
sabotaged life/forks flip
sabotaged life/vforks exit
broken life/signals lock
sabotaged life/exitrace exit
sabotaged life/vlimit lose
sabotaged life/rlimits map
sabotaged life/dlopened always
sabotaged life/everypoint exit
sabotaged life/refused exit
sabotaged life/sigfork exit
sabotaged stress/mappings grow
sabotaged stress/defrag pass
sabotaged stress/thin keep
sabotaged stress/counters pressure
sabotaged stress/hugetlb exit
sabotaged mmap/model tree
sabotaged mmap/threads tree
script programs/sqlite.sh die
script programs/git.sh realloc
script programs/scripting.sh die
script programs/compilers.sh die

# the misuse runner must notice a wrong line
mkdir -p "$tmp/src/tests/misuse" "$tmp/src/tests/lib"
cp "$tests/lib/lib.sh" "$tmp/src/tests/lib"
cp "$tests/misuse/misuse.h" "$tests/misuse/run.sh" "$tmp/src/tests/misuse"
sed 's/expect: .*size class 64/&0/' "$tests/misuse/double_free_small.c" >"$tmp/src/tests/misuse/wrong.c"
n=$((n + 1))
if (top_srcdir=$tmp/src sh "$tmp/src/tests/misuse/run.sh") >"$tmp/log" 2>&1; then
	bad=$((bad + 1))
	echo "FAIL misuse/run.sh with a wrong expectation"
else
	echo "ok   misuse/run.sh with a wrong expectation"
fi

echo "$name: $n tried, $bad did not fail, $absent not built"
[ $bad = 0 ]
