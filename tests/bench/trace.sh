#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# timeout: 300
# Recorded traces: raw to packed to text and back without a byte of difference;
# played, they read back the same under libc's malloc and under ours; and a
# file that is cut, damaged or hostile is one line, in both readers.
# shellcheck disable=SC1091,SC2154 # lib.sh sets top_srcdir, tmp, preload, name
. "$(dirname "$0")/../lib/lib.sh"
trace=$top_srcdir/bench/trace
rows=$top_builddir/bench/rows
[ -x "$rows" ] || fail "no $rows"
have python3 || skip "no python3"
export PYTHONPATH="$top_srcdir/bench" PYTHONDONTWRITEBYTECODE=1 BENCH_TRACES="$tmp/traces"
mkdir "$tmp/traces"
cd "$tmp" || exit 99
tool() { python3 -W error "$trace" "$@"; }

# row FILE: the name of its row; alone in BENCH_TRACES
row() {
	rm -f traces/*
	cp "$1" traces/x.bmt
	"$rows" --list 2>err | cut -f 1 | grep '^trace-x/'
}
# sum LIBRARY ARGS of rows: the checksum, if it was that library's malloc
sum() {
	library=$1
	shift
	LD_PRELOAD=$library "$rows" "$@" >sum
	grep -q "\"owner\":\"${library:-.*libc}" sum || fail "not the malloc of ${library:-libc}: $(cat sum)"
	sed -n 's/.*"checksum":"\([0-9a-f]\{16\}\)".*/\1/p' sum
}

# plays FILE SCALE: the same bytes are read back under both
plays() {
	name_of_row=$(row "$1")
	[ -n "$name_of_row" ] || fail "$1 is no row: $(cat err)"
	libc=$(sum '' --scale "$2" "$name_of_row") || exit 1
	ours=$(sum "$preload" --scale "$2" "$name_of_row") || exit 1
	again=$(sum '' --scale "$2" "$name_of_row") || exit 1
	{ [ ${#libc} = 16 ] && [ "$libc" = "$ours" ] && [ "$libc" = "$again" ]; } ||
		fail "$1 ($name_of_row): checksums $libc, $again, ours $ours"
}

# there_and_back FILE: as text and packed again it is the same file
there_and_back() {
	tool text "$1" >back.txt || fail "text $1: exit $?"
	tool build back.txt back.bmt || fail "build from $1: exit $?"
	cmp -s "$1" back.bmt || fail "$1 is another file after text and build"
}

# ---- a record made by hand: each case of the converter -----------------------
python3 - <<'END'
import struct
def record(op, thread, size=0, address=0, align=0):
    return struct.pack("<BBHIQQQ", op, align, 0, thread, size, address, 0)
with open("hand.raw", "wb") as f:
    f.write(b"bmrawtrace 1\n".ljust(64, b"\0"))
    for r in [
            (1, 7, 100, 0x1000), (2, 7, 64, 0x2000), (3, 7, 4096, 0x3000, 12),
            (4, 7, 0, 0x9000),                          # older than the record
            (1, 9, 8, 0x4000), (4, 9, 0, 0x1000),       # thread 2 frees 1
            (5, 9, 0, 0x2000), (1, 7, 16, 0x2000),      # its place is taken
            (6, 9, 1000, 0x5000),
            (5, 7, 0, 0), (6, 7, 40, 0x6000),           # realloc(NULL)
            (5, 7, 0, 0x6000), (6, 7, 1 << 40, 0),      # fails, the old lives
            (5, 7, 0, 0x6000), (6, 7, 0, 0),            # realloc(p, 0)
            (1, 7, 1 << 50, 0), (1, 3, 1 << 33, 0x7000),  # failed; too large
            (4, 3, 0, 0x7000), (5, 7, 0, 0x8888), (6, 7, 9, 0x8000),
            (4, 7, 0, 0x8000), (7, 9)]:
        f.write(record(*r))
    f.write(b"cut")
END
tool pack hand.raw hand.bmt >info 2>err || fail "pack: $(cat err)"
[ "$(cat err)" = "trace: hand.raw: 1 too large
trace: hand.raw: its last record is cut, left out" ] || fail "pack says: $(cat err)"
tool text hand.bmt | grep -v '^passes ' >hand.txt
cat >want.txt <<'END'
bmtrace 1
epoch 4096
unseen 3
1 malloc 100 = 1
1 calloc 64 = 2
1 aligned 4096 4096 = 3
1 spawn 2
1 malloc 16 = 4
1 malloc 40 = 5
1 free 5
1 malloc 9 = 6
1 free 6
2 malloc 8 = 7
2 free 1
2 realloc 2 1000 = 8
END
cmp -s want.txt hand.txt || fail "text: $(diff want.txt hand.txt)"
there_and_back hand.bmt
plays hand.bmt 1

# ---- recorded here -------------------------------------------------------------
BUDDYMALLOC_CONF=$(conf "trace:$tmp/python") LD_PRELOAD=$preload PYTHONMALLOC=malloc \
	python3 -c 'import json; json.dumps([{str(i): [i]} for i in range(3000)])'
# python3 may be a script that starts others: the longest record is the one
recorded=$(wc -c "$tmp"/python.* | grep -v ' total$' | sort -rn | awk 'NR == 1 { print $2 }')
[ -n "$recorded" ] || fail "nothing was recorded"
tool pack "$recorded" real.bmt >info || fail "pack of a real record: exit $?"
there_and_back real.bmt
plays real.bmt 0.2
tool pack "$recorded" part.bmt --skip 5000 --ops 3000 >info || fail "pack of a part: exit $?"
grep -q '^part.bmt: 3000 operations' info || fail "pack --ops: $(cat info)"
there_and_back part.bmt

# Many threads that hand objects on, with epochs that matter.
python3 - <<'END'
import random
import bmt
dice, live, events = random.Random(5), [], []
E = bmt.Event
for n in range(9):
    events.append(E(n // 3, bmt.SPAWN, None, n + 1, None))
for n in range(1, 40000):
    t = dice.randrange(10)
    what = dice.random()
    if live and what < 0.44:
        events.append(E(t, bmt.FREE, None, live.pop(dice.randrange(len(live))), None))
    elif live and what < 0.5:
        events.append(E(t, bmt.RENEW, (bmt.REALLOC, dice.randrange(5000), 0),
                        live.pop(dice.randrange(len(live))), n))
        live.append(n)
    else:
        events.append(E(t, bmt.MAKE, (dice.randrange(3), dice.randrange(300), 0), None, n))
        live.append(n)
for length in (16, 500, 4096):
    with open(f"threads{length}.bmt", "wb") as f:
        f.write(bmt.encode(events, length, passes=3))
END
for length in 16 500 4096; do
	there_and_back threads$length.bmt
	plays threads$length.bmt 1
	plays threads$length.bmt 0.4
done

# ---- the ones that are kept -----------------------------------------------------
kept=0
for file in "$top_srcdir"/bench/traces/*.bmt; do
	there_and_back "$file"
	plays "$file" 0.03
	kept=$((kept + 1))
done
[ $kept -ge 5 ] || fail "$kept traces in bench/traces"

# A realloc that loses bytes and a calloc that does not clear are noticed.
cat >bad.c <<'END'
#include <stdlib.h>
#include <string.h>
extern void *__libc_realloc(void *p, size_t n), *__libc_calloc(size_t n, size_t m);
void *realloc(void *p, size_t n)
{
	char *q = __libc_realloc(p, n);

	if (getenv("LOSES"))
		memset(q + n / 2, 0, n - n / 2);
	return q;
}
void *calloc(size_t n, size_t m)
{
	char *p = __libc_calloc(n, m);

	if (getenv("DIRTY") && n * m)
		*p = 1;
	return p;
}
END
"${CC:-cc}" -w -O1 -fno-builtin -shared -fPIC -o bad.so bad.c || fail "no bad.so"
name_of_row=$(row "$top_srcdir/bench/traces/gcc.bmt")
bad() { LD_PRELOAD=$tmp/bad.so "$rows" --scale 0.01 "$name_of_row" | sed 's/.*"checksum":"\([^"]*\).*/\1/'; }
good=$(bad)
[ "$good" = "$(sum '' --scale 0.01 "$name_of_row")" ] || fail "other checksums where nothing is wrong"
[ "$good" != "$(export LOSES=1; bad)" ] || fail "a realloc that loses bytes is not noticed"
[ "$good" != "$(export DIRTY=1; bad)" ] || fail "a calloc that does not clear is not noticed"

# ---- damage ---------------------------------------------------------------------
# broken FILE [WORDS]: each reader has one line for it
broken() {
	name_of_row=$(row "$1")
	if [ -n "$name_of_row" ]; then
		timeout 20 "$rows" "$name_of_row" >out 2>err
		st=$?
		[ $st = 1 ] || fail "rows with $1: exit $st: $(cat err)"
	fi
	[ "$(wc -l <err)" = 1 ] || fail "rows with $1: not one line: $(cat err)"
	grep -q -- "${2-}" err || fail "rows with $1: no '$2' in: $(cat err)"
	tool text "$1" >out 2>err
	st=$?
	[ $st = 1 ] || [ -n "${3-}" ] || fail "text $1: exit $st"
	[ $st = 0 ] || [ "$(wc -l <err)" = 1 ] || fail "text $1: not one line: $(cat err)"
}
: >empty.bmt
broken empty.bmt 'not a trace'
broken hand.txt 'not a trace'
for bytes in 8 9 11 20 40 60; do
	head -c $bytes part.bmt >cut.bmt
	broken cut.bmt 'cut\|damaged'
done
python3 - <<'END'
import zlib
from bmt import MAGIC, NEXT_EPOCH, START, FREE_SHARED, REPEAT, number, special, token_bytes
def write(name, head, requests, streams):
    body = MAGIC + b"".join(map(number, [*head, len(requests)]))
    body += b"".join(number(n) for r in requests for n in r)
    body += b"".join(number(made) + number(sum(map(len, map(token_bytes, s))))
                     for made, s in streams)
    body += b"".join(token_bytes(t) for _, s in streams for t in s)
    with open(name, "wb") as f:
        f.write(body + zlib.crc32(body).to_bytes(4, "little"))
make, free = (0, None), (1, None)
# head: threads, operations, epoch, shared, unseen, passes
write("wait.bmt", (2, 5, 16, 2, 0, 1), [(4, 10)], [
    (1, [special(START, 1), special(FREE_SHARED, 2), make]),
    (1, [special(FREE_SHARED, 0), make])])
write("bomb.bmt", (1, 20, 16, 0, 0, 1), [(0, 10)], [
    (0, [make, special(REPEAT, 1, 1 << 31)])])
write("twice.bmt", (1, 3, 16, 0, 0, 1), [(0, 10)], [(0, [make, free, free])])
write("memory.bmt", (1, 4, 16, 0, 0, 1), [(0, 3 << 30)], [(0, [make] * 4)])
write("epochs.bmt", (1, 20, 16, 0, 0, 1), [(0, 10)], [
    (0, [make] * 3 + [special(NEXT_EPOCH, 1)] + [make] * 17)])
write("asleep.bmt", (2, 1, 16, 0, 0, 1), [(0, 10)], [(0, [make]), (0, [])])
write("self.bmt", (2, 2, 16, 0, 0, 1), [(0, 10)], [(0, [special(START, 0)]), (0, [make])])
write("request.bmt", (1, 1, 16, 0, 0, 1), [(0, 10)], [(0, [(2, None)])])
END
broken wait.bmt 'wait for each other'
broken bomb.bmt 'more operations'
broken twice.bmt 'not there'
broken memory.bmt 'would need' python-does-not-play
broken epochs.bmt 'epoch'
broken asleep.bmt 'wait for each other' python-does-not-play
broken self.bmt 'cannot start'
broken request.bmt 'request'

# Bytes at random, with a checksum that fits: played, or one line.
cat >fuzz.py <<'END'
import os, random, subprocess, sys, zlib
import bmt
rows, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
sources = [open(f, "rb").read() for f in sys.argv[4:]]
played = refused = 0
for n in range(rounds):
    data = bytearray(dice.choice(sources)[:-4])
    for _ in range(dice.choice((1, 1, 2, 5))):
        at = dice.randrange(8, len(data)) if dice.random() < .5 \
            else dice.randrange(8, min(80, len(data)))
        way = dice.randrange(4)
        if way == 0:
            data[at] = dice.randrange(256)
        elif way == 1:
            data[at] ^= 1 << dice.randrange(8)
        elif way == 2:
            del data[at:at + dice.randrange(1, 9)]
        else:
            data[at:at] = bytes(dice.choice((0, 1, 127, 128, 255))
                                for _ in range(dice.randrange(1, 6)))
    data += zlib.crc32(data).to_bytes(4, "little")
    with open("traces/x.bmt", "wb") as f:
        f.write(data)
    def run(*args):
        r = subprocess.run([rows, *args], capture_output=True, text=True, timeout=60)
        if r.returncode not in (0, 1) or r.stderr.count("\n") > 1 or \
                (r.returncode == 1) != bool(r.stderr) and "left out" not in r.stderr:
            os.replace("traces/x.bmt", "bad.bmt")
            sys.exit(f"seed {seed}, round {n}: rows {args}: exit {r.returncode}: {r.stderr}")
        return r
    names = [line.split("\t")[0] for line in run("--list").stdout.splitlines()]
    its = [name for name in names if name.startswith("trace-x/")]
    if its and run("--ops", "1", its[0]).returncode == 0:
        played += 1
    else:
        refused += 1
    try:
        bmt.decode(bytes(data))
    except bmt.Damaged:
        pass
print(f"fuzz: {played} played, {refused} refused")
END
rm -f traces/*
python3 fuzz.py "$rows" "${SEED:-1}" "${ROUNDS:-250}" hand.bmt threads16.bmt part.bmt || fail "fuzz"

# ---- wrong input -------------------------------------------------------------------
# wrong WORDS ARGS…: one line
wrong() {
	words=$1
	shift
	tool "$@" >out 2>err && fail "trace $*: exit 0"
	{ [ "$(wc -l <err)" = 1 ] && grep -q -- "$words" err; } || fail "trace $*: $(cat err)"
}
wrong 'No such file' text none.bmt
wrong 'not a record' pack hand.bmt x.bmt
wrong 'No such file' pack hand.raw none/x.bmt
head -c 64 hand.raw >nothing.raw
wrong 'nothing is in it' pack nothing.raw x.bmt
head -c 1064 /dev/zero | tr '\0' '\377' | cat nothing.raw - >noise.raw
wrong 'record 1 is damaged' pack noise.raw x.bmt
[ ! -e x.bmt ] || fail "a failed pack leaves a file"
for line in '1 free 9' '1 malloc x = 2' '2 malloc 8 = 3' '1 malloc 8 = 1' '1 aligned 3 8 = 2' \
	'1 malloc 99999999999999 = 2' '1 spawn 1' 'epoch 1' 'malloc'; do
	printf 'bmtrace 1\n1 malloc 8 = 1\n%s\n' "$line" >wrong.txt
	wrong 'wrong.txt' build wrong.txt x.bmt
done
wrong 'no text' build hand.raw x.bmt
wrong 'first line' build info x.bmt
[ ! -w /dev/full ] || {
	tool text hand.bmt >/dev/full 2>err && fail "a full disk is not noticed"
	[ "$(wc -l <err)" = 1 ] || fail "a full disk: $(cat err)"
}
echo "$name: ok, $kept traces"
