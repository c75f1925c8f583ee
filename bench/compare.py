#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares allocators on the micro loops, as ratios to one of them.

    bench/compare.py --loops bench/loops --runs 5 \\
        --lib mi=/path/libmimalloc.so --lib ours=libbuddymalloc-preload.so \\
        --lib tc=/path/libtcmalloc.so,GLIBC_TUNABLES=glibc.pthread.rseq=0 \\
        [--base mi] [--only 'la*,mp*']

A library without a path ("libc=") is libc's own malloc. Never more than one
measured process runs at a time. In each round every allocator runs once, in
an order that moves on by one each round, so that slow drifts of the machine
meet all alike. Before each run as much memory is touched as the row is known
to need: on a virtual machine the host may have to find it first.

A run counts only if its malloc was the library's, which the loops tell from
inside. A cell is the median over the rounds of (this run / the baseline's run
of the same round), in brackets the ratio of the minima, then the peak RSS. `=`
marks a tie: the ratio lies inside the noise, that is, within 3 % (one thread)
or 10 % (several), or 1 lies within the interval of the rounds' ratios (the
order statistics that hold the median with 90 % confidence where there are
enough rounds, else all of them). RSS ties within 3 % or 256 KiB.
"""
import argparse
import fnmatch
import math
import os
import statistics
import subprocess
import sys

RUN_LIMIT_SECONDS = 300
TIE_ONE_THREAD, TIE_THREADS, TIE_RSS = 0.03, 0.10, 0.03
TIE_RSS_KIB = 256
# What may change an allocator; only --lib sets it, and for its library only.
CLEAN = ("LD_PRELOAD", "GLIBC_TUNABLES", "BUDDYMALLOC_CONF")
CLEAN_PREFIX = ("MALLOC_", "MIMALLOC_", "TCMALLOC_", "_RJEM_", "SNMALLOC_")


class Failed(Exception):
    """One run that cannot be counted."""


class Library:
    """A name, a file to preload (None: libc's) and its environment."""

    def __init__(self, text):
        self.name, _, rest = text.partition("=")
        path, *settings = rest.split(",")
        self.path = os.path.realpath(path) if path else None
        self.settings = dict(s.partition("=")[::2] for s in settings)
        if not self.name:
            raise ValueError(f"--lib {text}: no name")
        if self.path and not os.path.isfile(self.path):
            raise ValueError(f"--lib {text}: no such file")

    def environment(self):
        env = {k: v for k, v in os.environ.items()
               if k not in CLEAN and not k.startswith(CLEAN_PREFIX)}
        env.update(self.settings)
        if self.path:
            env["LD_PRELOAD"] = self.path
        return env


def run(loops, lib, row):
    """One run: (nanoseconds a pair, peak KiB)."""
    try:
        child = subprocess.run([loops, row], env=lib.environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=RUN_LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"more than {RUN_LIMIT_SECONDS} s") from None
    if child.returncode:
        first = child.stderr.strip().splitlines()[:1] or ["no word"]
        raise Failed(f"exit {child.returncode}: {first[0]}")
    nanoseconds, kib, owner = child.stdout.rstrip("\n").split(" ", 2)
    if lib.path and os.path.realpath(owner) != lib.path:
        raise Failed(f"malloc was that of {owner}")
    return float(nanoseconds), float(kib)


def touch(loops, kib):
    env = Library("libc=").environment()
    subprocess.run([loops, "--touch", str(int(kib * 1.1) // 1024 + 16)],
                   env=env, check=False, stderr=subprocess.DEVNULL)


def rows_of(loops, only):
    text = subprocess.run([loops, "--list"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    rows = [(line.split()[0], int(line.split()[1]))
            for line in text.splitlines()]
    return [row for row in rows if not only or
            any(fnmatch.fnmatch(row[0], p) for p in only.split(","))]


def interval(values):
    """Order statistics that hold the median with 90 %, or all values."""
    values = sorted(values)
    n, cut, tail = len(values), 0, 0.0
    # P(fewer than cut + 1 of n fair coins are heads), twice, stays <= 10 %
    while cut < (n - 1) // 2:
        tail += math.comb(n, cut) / 2 ** n
        if 2 * tail > 0.10:
            break
        cut += 1
    cut = max(cut - 1, 0)
    return values[cut], values[n - 1 - cut]


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


class Row:
    """All that was measured of one loop."""

    def __init__(self, name, threads, libs):
        self.name, self.threads = name, threads
        self.runs = {lib.name: [] for lib in libs}      # (ns, KiB) or None
        self.errors = {}

    def measure(self, loops, libs, rounds):
        peak = 0
        for n in range(rounds):
            turn = n % len(libs)
            for lib in libs[turn:] + libs[:turn]:
                touch(loops, peak)
                try:
                    result = run(loops, lib, self.name)
                    if not peak:        # now the need is known: once more
                        touch(loops, result[1])
                        result = run(loops, lib, self.name)
                    peak = max(peak, result[1])
                except Failed as why:
                    result = None
                    self.errors[lib.name] = str(why)
                self.runs[lib.name].append(result)

    def good(self, name, what):
        return [r[what] for r in self.runs[name] if r]

    def pairs(self, name, base, what):
        return [a[what] / b[what]
                for a, b in zip(self.runs[name], self.runs[base]) if a and b]

    def time_ratio(self, name, base):
        return statistics.median(self.pairs(name, base, 0))

    def rss_ratio(self, name, base):
        return statistics.median(self.pairs(name, base, 1))

    def time_tie(self, name, base):
        band = TIE_ONE_THREAD if self.threads == 1 else TIE_THREADS
        low, high = interval(self.pairs(name, base, 0))
        return abs(math.log(self.time_ratio(name, base))) <= \
            math.log(1 + band) or low <= 1 <= high

    def rss_tie(self, name, base):
        kib = [statistics.median(self.good(n, 1)) for n in (name, base)]
        return abs(kib[0] - kib[1]) <= TIE_RSS_KIB or \
            abs(math.log(self.rss_ratio(name, base))) <= math.log(1 + TIE_RSS)

    def usable(self, name, base):
        return name not in self.errors and base not in self.errors


def cell(row, name, base):
    if not row.usable(name, base):
        return "failed"
    least = min(row.good(name, 0)) / min(row.good(base, 0))
    return (f"{row.time_ratio(name, base):.2f}"
            f"{'=' if row.time_tie(name, base) else ' '}"
            f"({least:.2f}) "
            f"{row.rss_ratio(name, base):.2f}"
            f"{'=' if row.rss_tie(name, base) else ' '}")


def spread(row, name):
    """How far the middle half of the runs reaches, in percent."""
    times = row.good(name, 0)
    if len(times) < 3:
        return 100 * (max(times) / min(times) - 1)
    quarter = statistics.quantiles(times, n=4, method="inclusive")
    return 100 * (quarter[2] / quarter[0] - 1)


def report(rows, libs, base, out):
    others = [lib.name for lib in libs if lib.name != base]
    print(f"| row | {base}: ns, KiB, spread | " +
          " | ".join(f"{n}: time (min) RSS" for n in others) + " |", file=out)
    print("|---" * (len(others) + 2) + "|", file=out)
    for row in rows:
        if base in row.errors:
            head = "failed"
        else:
            head = (f"{statistics.median(row.good(base, 0)):.2f}, "
                    f"{statistics.median(row.good(base, 1)):.0f}, "
                    f"{spread(row, base):.0f} %")
        print(f"| {row.name} | {head} | " +
              " | ".join(cell(row, n, base) for n in others) + " |", file=out)
    means = []
    for name in others:
        good = [r for r in rows if r.usable(name, base)]
        if not good:
            means.append("no row")
            continue
        ties = sum(r.time_tie(name, base) for r in good)
        means.append(
            f"{geometric_mean(r.time_ratio(name, base) for r in good):.3f} "
            f"RSS {geometric_mean(r.rss_ratio(name, base) for r in good):.3f}"
            f" ({ties} of {len(good)} tie)")
    print("| **geometric mean** | 1 | " + " | ".join(means) + " |", file=out)
    for row in rows:
        for name, why in row.errors.items():
            print(f"{row.name}: {name}: {why}", file=out)


def machine():
    huge = "?"
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled",
                  encoding="ascii") as f:
            huge = f.read().partition("[")[2].partition("]")[0]
    except OSError:
        pass
    return (f"{os.cpu_count()} CPUs, Linux {os.uname().release}, "
            f"huge pages: {huge}, load {os.getloadavg()[0]:.2f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", required=True, metavar="BIN")
    parser.add_argument("--lib", action="append", required=True,
                        metavar="NAME=PATH.so[,ENV=VALUE]")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--only", default="", metavar="PATTERN[,PATTERN]")
    parser.add_argument("--base", metavar="NAME", help="default: the first")
    args = parser.parse_args()
    try:
        libs = [Library(text) for text in args.lib]
        rows = rows_of(args.loops, args.only)
    except (ValueError, OSError, subprocess.CalledProcessError) as why:
        parser.error(str(why))
    names = [lib.name for lib in libs]
    base = args.base or names[0]
    if len(set(names)) != len(names) or base not in names:
        parser.error("--lib: a name twice, or --base names none of them")
    if args.runs < 1 or not rows:
        parser.error("nothing to run")
    print(f"{machine()}; {args.runs} rounds", flush=True)
    done = []
    for name, threads in rows:
        print(f"\r{name:10}", end="", file=sys.stderr, flush=True)
        row = Row(name, threads, libs)
        row.measure(args.loops, libs, args.runs)
        done.append(row)
    print(f"\r{'':10}\r", end="", file=sys.stderr, flush=True)
    report(done, libs, base, sys.stdout)
    return 1 if any(row.errors for row in done) else 0


if __name__ == "__main__":
    sys.exit(main())
