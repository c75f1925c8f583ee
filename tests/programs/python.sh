#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 600
# python3 and its own test modules: the system's, and the one on the path
# (of that one two modules only, but for BM_LONG=1).
. "$(dirname "$0")/programs.sh"
seen=
quick='test_json test_dict test_threading test_subprocess'
for py in /usr/bin/python3 python3; do
	have $py || continue
	real=$($py -c 'import os, sys; print(os.path.realpath(sys.executable))') || continue
	case " $seen " in *" $real "*) continue ;; esac
	seen="$seen $real"
	cat >"$tmp/work.py" <<'END'
import collections, hashlib, json, re, sys, threading, zlib
d = {str(i): [i, {"k": "v" * (i % 50)}] for i in range(20000)}
s = json.dumps(d, sort_keys=True)
assert json.loads(s) == d
print(len(s), hashlib.sha256(s.encode()).hexdigest())
print(zlib.crc32(zlib.decompress(zlib.compress(s.encode()))))
print(len(re.findall(r"v{10,}", s)))
out = []
def work(n):
    out.append((n, sum(len(str(i) * n) for i in range(20000))))
ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sorted(out))
big = bytearray()
for i in range(300):
    big += bytes([i % 256]) * 100000
print(len(big), hashlib.md5(big).hexdigest())
c = collections.Counter(w for w in s.split('"'))
print(c.most_common(3))
END
	same "python ($real)" "$real" "$tmp/work.py"
	PYTHONMALLOC=malloc same "python, PYTHONMALLOC=malloc ($real)" env PYTHONMALLOC=malloc "$real" "$tmp/work.py"
	tests_of=$quick
	quick='test_json test_dict'
	[ "${BM_LONG-}" = 1 ] && quick=$tests_of
	for t in $tests_of; do
		if "$real" -c "import test.$t" >/dev/null 2>&1; then
			limit=240 passes "python -m test $t ($real)" "$real" -m test -q "$t"
		else
			row_skip "python -m test $t ($real)" "not installed"
		fi
	done
done
finish
