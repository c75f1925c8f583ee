#!/bin/sh
# SPDX-License-Identifier: MIT
# The JSON that bm_stats_print() and stats:json write is JSON, has every field
# of struct bm_stats, and its figures make sense; malloc_info's XML parses.
. "$(dirname "$0")/../lib/lib.sh"
py=
for p in /usr/bin/python3 python3; do
	have $p && py=$p && break
done
[ -n "$py" ] || skip "no python3"

cat >"$tmp/show.c" <<'END'
#include "buddymalloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *keep[100];
int main(int argc, char **argv)
{
	for (int i = 0; i < 100; i++)
		keep[i] = memset(malloc(1000 * i + 1), 1, 1000 * i + 1);
	if (argc > 1 && !strcmp(argv[1], "xml"))
		return malloc_info(0, stdout) | fflush(stdout);
	return argc > 1 ? bm_stats_print(1, atoi(argv[1])) : 0;
}
END
"${CC:-cc}" -w -include malloc.h -I"$top_srcdir/include" "$tmp/show.c" -o "$tmp/show" "$lib" \
	-Wl,-rpath,"$(dirname "$lib")" || fail "does not compile"

fields=$(sed -n '/^struct bm_stats {/,/^};/p' "$top_srcdir/include/buddymalloc.h" |
	sed -e 's,/\*.*,,' -e '/[{}]/d' -e 's/.*uint64_t//;s/.*size_t//;s/.*int //' | tr -d ' \t;' | tr ',' '\n')
[ "$(echo "$fields" | wc -w)" -ge 20 ] || fail "cannot read the fields of struct bm_stats"

cat >"$tmp/check.py" <<'END'
import json, sys
d = json.load(sys.stdin)
least = int(sys.argv.pop(1))
assert isinstance(d, dict), "not an object"
missing = [f for f in sys.argv[1:] if f not in d]
assert not missing, "missing: %s" % missing
assert d["live_bytes"] >= least, d["live_bytes"]
assert d["present_bytes"] >= d["slab_bytes"] + d["large_bytes"], "present"
assert d["reserved_bytes"] >= d["present_bytes"], "reserved"
assert d["page_size"] in (4096, 16384, 65536)
END
# shellcheck disable=SC2086
"$tmp/show" 1 >"$tmp/json" || fail "bm_stats_print: exit $?"
# shellcheck disable=SC2086
"$py" "$tmp/check.py" 4950000 $fields <"$tmp/json" || fail "bm_stats_print's JSON: $(cat "$tmp/json")"

BUDDYMALLOC_CONF=$(conf stats:json) "$tmp/show" 2>"$tmp/json" || fail "stats:json: exit $?"
# shellcheck disable=SC2086
"$py" "$tmp/check.py" 4950000 $fields <"$tmp/json" || fail "stats:json: $(cat "$tmp/json")"

BUDDYMALLOC_CONF=$(conf stats:exit) "$tmp/show" 2>"$tmp/text" || fail "stats:exit: exit $?"
grep -q . "$tmp/text" || fail "stats:exit prints nothing"
want=$([ "$BM_MODE" = locked ] && echo off || echo 'on\|off')
grep -qi "rseq.*\($want\)" "$tmp/text" || fail "stats:exit does not say which way runs: $(cat "$tmp/text")"

"$tmp/show" xml >"$tmp/xml" || fail "malloc_info: exit $?"
"$py" -c 'import sys, xml.dom.minidom as m
d = m.parse(sys.argv[1]).documentElement
assert d.tagName == "malloc", d.tagName' "$tmp/xml" || fail "malloc_info: $(cat "$tmp/xml")"

# the kernel's columns
"$tmp/show" 2 >"$tmp/buddyinfo" || fail "buddyinfo"
awk '{ if ($1 != "Node" || $3 != "zone" || NF < 4 + 11) exit 1 }' "$tmp/buddyinfo" ||
	fail "buddyinfo: $(cat "$tmp/buddyinfo")"
"$tmp/show" 3 >"$tmp/zoneinfo" || fail "zoneinfo"
for w in 'pages free' min low high spanned present managed; do
	grep -q "^ *$w  *[0-9]" "$tmp/zoneinfo" || fail "zoneinfo has no '$w': $(cat "$tmp/zoneinfo")"
done
"$tmp/show" 4 >"$tmp/slabinfo" || fail "slabinfo"
awk 'NR == 1 { if ($0 != "slabinfo - version: 2.1") exit 1; next }
NR == 2 { if ($0 !~ /^# name +<active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>$/) exit 2; next }
{ if (NF != 16 || $7 != ":" || $8 != "tunables" || $12 != ":" || $13 != "slabdata" || $2 > $3 || $14 > $15) exit 3; n++ }
END { if (n < 10) exit 4 }' "$tmp/slabinfo" || fail "slabinfo ($?): $(cat "$tmp/slabinfo")"
