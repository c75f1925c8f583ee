#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/google: the rows as benchmarks of Google Benchmark, with its flags.
. "$(dirname "$0")/../lib/lib.sh"
google=$top_builddir/bench/google
[ -x "$google" ] || skip "built without Google Benchmark"
py=$(command -v python3) || skip "no python3"

under "$google" --scale=0.001 --benchmark_filter='^(calls|server|fork)/4/' \
	--benchmark_repetitions=2 --benchmark_min_time=0.001 \
	--benchmark_out="$tmp/json" --benchmark_out_format=json >"$tmp/out" 2>"$tmp/err" ||
	fail "exit $?: $(cat "$tmp/err")"
cat >"$tmp/check.py" <<'END'
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    d = json.load(f)
assert d["context"]["malloc"] == sys.argv[2], d["context"]
runs = [b for b in d["benchmarks"] if b["run_type"] == "iteration"]
assert sorted({b["name"].split("/process_time")[0] for b in runs}) == \
    ["calls/4", "fork/4", "server/4"], runs
assert len(runs) == 6, runs
for b in runs:
    for key in "real_time cpu_time items_per_second peak_MiB after_MiB".split():
        assert b[key] > 0, (key, b)
END
"$py" "$tmp/check.py" "$tmp/json" "$preload" || fail "the JSON: $(cat "$tmp/json")"

# The same rows as bench/rows has.
"$google" --benchmark_list_tests >"$tmp/out" || fail "--benchmark_list_tests: exit $?"
sed 's|/process_time.*||' "$tmp/out" >"$tmp/google"
"$top_builddir/bench/rows" --list | cut -f 1 | cmp - "$tmp/google" || fail "it has other rows"

wrong() { # STATUS ARGS...: one line on stderr
	want=$1
	shift
	"$google" "$@" >/dev/null 2>"$tmp/err"
	status=$?
	[ $status = "$want" ] || fail "google $*: exit $status"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail "google $*: $(cat "$tmp/err")"
}
wrong 2 --nosuch
wrong 2 --scale=x
wrong 2 --scale=0
wrong 1 --benchmark_filter=nosuch
