#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# What: `buddymalloc bench` against rows whose truth is known (fake_rows):
#       equals tie, slowed ones are found, two measurements agree; what
#       crashes, hangs, lies or is not in use is said and the rest goes on; an
#       interrupt, a broken line and a full disk lose nothing.
# shellcheck disable=SC1091,SC2154 # lib.sh gives tmp and the directories
. "$(dirname "$0")/../lib/lib.sh"
[ "$REPLACE" = yes ] || skip "--disable-replace builds no command"
[ "$CROSS" = no ] || skip "cross-built"
have python3 || skip "no python3"
unset BUDDYMALLOC_CONF BUDDYMALLOC_PRELOAD LD_PRELOAD MALLOC_ARENA_MAX NO_COLOR
cd "$tmp" || exit 1

top_srcdir=$top_srcdir python3 -W error "$tests/bench/stats.py" >stats.log 2>&1 ||
	{ cat stats.log >&2; fail "stats.py"; }

# ---- a place with a fake rows, and libraries that do nothing ----
mkdir -p bench/programs
ln -s "$top_srcdir/bench/runner" bench/runner
ln -s "$top_builddir/bench/spawn" bench/spawn
ln -s "$tests/bench/fake_rows" bench/rows
export FAKE="$tmp" BUDDYMALLOC_PRELOAD="$tmp/ours.so"
echo 'int bench_nothing;' >empty.c
$CC -shared -fPIC -o ours.so empty.c || fail "cannot build a library"
for copy in same slow peer ghost; do cp ours.so $copy.so; done

facts() { # one fact an argument
	: >facts
	for line; do echo "$line" >>facts; done
}
rows() { # "NAME THREADS" an argument
	: >list
	for line; do
		printf '%s/%s\t%s\tmade-up\ta row\n' "${line% *}" "${line#* }" "${line#* }" >>list
	done
}
bench() { : >log; python3 -B -W error bench/runner/main.py "$@" >out 2>err; }
# wants STATUS WORDS-OF-BENCH...: runs it; no traceback, ever
wants() {
	status=$1
	shift
	bench "$@"
	found=$?
	grep -q Traceback out err && { cat err >&2; fail "$*: a traceback"; }
	[ "$found" = "$status" ] || { cat out err >&2; fail "$*: exit $found, not $status"; }
}
says() { grep -qF -- "$1" out err || { cat out err >&2; fail "does not say: $1"; }; }
one_line() { [ "$(wc -l <err)" = 1 ] || { cat err >&2; fail "more than one line"; }; }
json() { # DIR EXPRESSION over d: the results
	python3 -c "import json, sys
d = json.load(open(sys.argv[1] + '/results.json'))
v = d['base_against']
print($2)" "$1" || fail "$1/results.json"
}
is() { [ "$1" = "$2" ] || { cat out err >&2; fail "$3: $1, not $2"; }; }

# ---- what the command line says wrong is one line ----
rows "a 1" "b 1"
facts "- - 1"
wants 2 --no-such-option; one_line
wants 2 --runs 0; one_line
wants 2 --runs many; one_line
wants 2 --scale 0; one_line
wants 2 --resume; one_line
wants 2 --only nothing; one_line; says "no such row"
wants 2 --only a --against "=x"; one_line
wants 2 --only a --against jemallok; one_line; says "none of"
wants 2 --only a --against "same=$tmp/same.so" --against "same=$tmp/peer.so"; one_line; says "twice"
wants 2 --only a --against "same=$tmp/same.so,novalue"; one_line
wants 1 --report "$tmp/nowhere"; one_line
wants 0 --list; says "a/1"

# ---- equals tie, the slowed are found (DECISIONS of the project: 95 %) ----
many='' n=0
while [ $n -lt 10 ]; do
	many="$many|one$n 1|two$n 2" n=$((n + 1))
done
IFS='|'
# shellcheck disable=SC2086
rows ${many#|}
unset IFS
facts "slow - 1.25" "$(n=0; while [ $n -lt 10 ]; do echo "slow one$n/1 1.10"; n=$((n + 1)); done)"
wants 0 --against "same=$tmp/same.so" --against "slow=$tmp/slow.so" --only made-up --runs 9 --out first
says "report: first/report.html"
is "$(json first "len(v['same']['time']['tied']) >= 19")" True "equals that tie in time"
is "$(json first "len(v['same']['memory']['tied'])")" 20 "equals that tie in memory"
is "$(json first "v['same']['time']['tie'] and v['same']['memory']['tie']")" True "means of equals tie"
is "$(json first "len(v['slow']['time']['ahead']) >= 16")" True "slowed rows that are found"
is "$(json first "v['slow']['time']['tie']")" False "the mean of the slowed"
is "$(json first "len(v['slow']['memory']['tied'])")" 20 "memory of the slowed"
grep -q "$(printf '\033')" out && fail "colours where there is no terminal"
grep -qE '(src|href)=|@import|url\(' first/report.html && fail "the page loads something"
[ "$(wc -l <first/results.csv)" = 61 ] || fail "results.csv"
FAKE_SEED=2 bench --against "same=$tmp/same.so" --against "slow=$tmp/slow.so" --only made-up --runs 9 --out second
python3 -B bench/runner/agree.py first second >agree || { cat agree >&2; fail "two measurements"; }
# each allocator had each place in the order about as often
is "$(python3 -c "
import collections, json
n = collections.Counter((r['allocator'], r['place']) for r in map(json.loads, open('first/results.jsonl'))
	if r['kind'] == 'run' and r['round'])
print(len(n) == 9 and min(n.values()) >= 50)")" True "places in the order"
bench --report first
says "one0/1"

python3 -B -W error bench/runner/main.py --report first >/dev/full 2>err
is $? 1 "the status where stdout is full"; one_line; says "No space left"
python3 -B -W error bench/runner/main.py --report first 2>err | head -n 1 >out
[ ! -s err ] || { cat err >&2; fail "a closed pipe"; }
wants 1 --only made-up --runs 1 --against "same=$tmp/same.so" --out "$tmp/list/x"; says "Not a directory"

# ---- nobody inherits anything ----
export MALLOC_ARENA_MAX=1
rows "a 1"
wants 0 --against "peer=$tmp/peer.so,FAKE_SETTING=x,y" --only a --runs 1 --out env
unset MALLOC_ARENA_MAX
is "$(grep -c 'peer unset x,y' log)" 2 "the environment of peer"
is "$(grep -c 'ours unset unset' log)" 2 "the environment of ours"

# ---- what fails is said, and the rest goes on ----
rows "a 1" "b 1" "c 1" "d 1" "e 1" "f 1"
facts "- - 1" "peer a/1 crash" "peer b/1 garbage" "peer c/1 hang" "peer d/1 liar" "peer e/1 ghost"
wants 1 --against "peer=$tmp/peer.so" --only made-up --runs 2 --limit 3 --out failing
says "a/1: peer: killed by SIGSEGV"
says "b/1: peer: an answer that is none"
says "c/1: peer: more than 3 s"
says "d/1: peer: another result"
says "e/1: peer: not in use: malloc was that of /lib/libc.so.6"
is "$(json failing "[r['cells']['peer'].get('runs') for r in d['rows']]")" \
	"[None, None, None, None, None, 2]" "what was measured beside failures"
is "$(json failing "{r['cells']['buddymalloc'].get('runs') for r in d['rows']}")" "{2}" "the others"
facts "- - 1" "ghost - ghost"
wants 1 --against "ghost=$tmp/ghost.so" --against "peer=$tmp/peer.so" --against "lost=$tmp/lost.so" \
	--only a --runs 1 --out ghost
says "ghost: not in use: malloc is that of /lib/libc.so.6; left out"
says "lost: $tmp/lost.so: No such file or directory; left out"
is "$(json ghost "sorted(d['geometric_means'])")" "['buddymalloc', 'peer']" "who is left"

# ---- programs are looked at from outside ----
cat >bench/programs/run <<'END'
#!/bin/sh
case $1 in
--list) printf 'good\t1\ta program\nstatic\t1\tignores the preload\nabsent\t1\tis not here\n' ;;
--check) [ "$2" != absent ] || { echo "absent: no such program"; exit 77; } ;;
--prepare) [ -d "$3" ] && echo made >"$3/input" ;;
good)
	cat "$2/input"
	echo "#metric rss_peak_kib 4321"
	exec env ${BENCH_PRELOAD:+"LD_PRELOAD=$BENCH_PRELOAD"} sleep 0.3
	;;
static) exec sleep 0.3 ;;
esac
END
chmod +x bench/programs/run
wants 1 --against "peer=$tmp/peer.so" --against glibc --only programs --runs 1 --out programs
says "static: peer: not in use: $tmp/peer.so is not mapped"
says "absent: not measured: absent: no such program"
is "$(json programs "sorted(d['rows'][0]['cells']) and d['rows'][0]['cells']['peer']['rss_kib']")" 4321.0 "metrics"
is "$(json programs "sorted(n for n, c in d['rows'][1]['cells'].items() if c.get('runs'))")" "['glibc']" "static"
[ ! -e programs/scratch ] || fail "scratch files were left"

# ---- an interrupt loses nothing ----
rm bench/programs/run
rows "a 1" "b 1" "c 1"
facts "- - slow"
python3 -B bench/runner/main.py --against "peer=$tmp/peer.so" --only made-up --runs 3 --out stopped >out 2>err &
pid=$!
tries=0
until [ "$(grep -c '"kind":"run"' stopped/results.jsonl 2>/dev/null)" -ge 8 ] 2>/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || fail "it does not get going"
	sleep 0.05
done
kill -TERM $pid
wait $pid
is $? 130 "the status of what was stopped"
says "--resume --out stopped goes on"
before=$(grep -c '"kind":"run"' stopped/results.jsonl)
head -n 3 stopped/results.jsonl >kept
printf '{"kind":"run","row":"a/1","alloc' >>stopped/results.jsonl
wants 1 --against "peer=$tmp/peer.so" --only made-up --runs 3 --out stopped; one_line
says "has results already"
wants 1 --against "peer=$tmp/peer.so" --only a --runs 3 --out stopped --resume
says "was measured with other rows"
facts "- - 1"
wants 0 --against "peer=$tmp/peer.so" --only made-up --runs 3 --out stopped --resume
says "the last line was not whole"
is "$(grep -c '"kind":"run"' stopped/results.jsonl)" 24 "runs after going on"
is "$(wc -l <log | tr -d ' ')" $((24 - before)) "runs that were missing"
head -n 3 stopped/results.jsonl | cmp -s - kept || fail "what was recorded changed"

# ---- a full disk ----
(ulimit -f 3; wants 1 --against "peer=$tmp/peer.so" --only made-up --runs 9 --out full; cat err >full.err) || exit 1
wants 0 --against "peer=$tmp/peer.so" --only made-up --runs 9 --out full --resume
is "$(grep -c '"kind":"run"' full/results.jsonl)" 60 "runs after a full disk"
mkdir shut && chmod 555 shut
[ -w shut ] || { wants 1 --only a --out shut/x; says "Permission denied"; }

# ---- two builds ----
check() { FAKE_NOISE=0.1 python3 -B -W error bench/runner/check.py --source . --work check --no-instructions "$@" >out 2>err; }
rows "a 1" "b 1" "c 2"
facts "- - 1" "slow b/1 1.2"
check --new "$tmp/slow.so" --only made-up "$tmp/ours.so"
is $? 1 "a build that got worse"; says "worse: b/1 (time)"
check --new "$tmp/ours.so" --only made-up "$tmp/slow.so"
is $? 0 "a build that got better"; says "better"
check --new "$tmp/same.so" --only made-up "$tmp/ours.so"
is $? 0 "the same build"
check --new "$tmp/same.so" no-such-commit
is $? 2 "what is no commit"; one_line

# ---- parts that are missing ----
rm bench/spawn
wants 1 --only a; one_line; says "spawn is missing"
echo "all as it should be"
