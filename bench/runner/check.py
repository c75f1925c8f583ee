# SPDX-License-Identifier: MIT
"""make bench-check: did a row move between two builds of buddymalloc?

Door:  check.py [OPTIONS] AGAINST   AGAINST is another build's preload library
       or a commit, which is built below --work. Exit 1: something got worse.
What:  instructions first: callgrind counts those of malloc, of free and of
       whole rows on rseq:fake, which is the same code as the real path and
       repeats to the instruction on any machine. Then time and peak memory as
       ratios of interleaved runs; rows that seem to have moved are measured
       once more, with twice the rounds, and count only if they move again:
       with dozens of rows one of them always looks strange once.
See:   bench/instructions.sh, bench/README.md
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import suite
from allocators import Allocator, clean_environment
from analyse import METRICS, Analysis
from common import Trouble, Usage, say
from main import guarded
from measure import Failed, Runner
from session import Session, in_use
from store import Store
from table import TITLE, interval_text

# Rows of one thread whose work is all fast path, and how many operations.
COUNTED = {"lifo8/1": 20000, "fifo10k/1": 40000, "rnd10k/1": 40000,
           "cal/1": 20000}
MOVED_PART, MOVED_INSTRUCTIONS = 0.01, 0.5
ROUNDS = 7


def options_of(argv):
    p = argparse.ArgumentParser(prog="bench-check", allow_abbrev=False)
    p.error = lambda message: (_ for _ in ()).throw(Usage(message))
    p.add_argument("against", metavar="COMMIT|PATH.so")
    p.add_argument("--new", required=True, metavar="PATH.so")
    p.add_argument("--source", required=True, metavar="DIR")
    p.add_argument("--work", required=True, metavar="DIR")
    p.add_argument("--configure", default="", metavar="ARGS")
    p.add_argument("--runs", type=int, default=ROUNDS)
    p.add_argument("--only", action="append", metavar="PATTERN")
    p.add_argument("--scale", type=float, default=suite.SHORT_SCALE)
    p.add_argument("--no-ratios", action="store_true")
    p.add_argument("--no-instructions", action="store_true")
    options = p.parse_args(argv)
    if not 2 <= options.runs <= 1000:
        raise Usage("--runs wants a number from 2 to 1000")
    options.only = [w for t in options.only or [] for w in t.split(",") if w]
    return options


# ---- the other build ----
def build(options):
    """The library of a commit, built once and kept."""
    asked = subprocess.run(
        ["git", "-C", options.source, "rev-parse", "--verify", "--quiet",
         options.against + "^{commit}"], capture_output=True, text=True,
        check=False)
    if asked.returncode:
        raise Usage(f"{options.against} is neither a file nor a commit")
    commit = asked.stdout.strip()[:12]
    tree = os.path.abspath(os.path.join(options.work, commit))
    library = os.path.join(tree, "libbuddymalloc-preload.so")
    if os.path.exists(library):
        return library, commit
    say(f"building {commit}")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    log = os.path.join(tree, "build.log")
    script = ('git -C "$1" archive "$2" | tar -x && ./bootstrap && '
              'eval "./configure -q $3" && '
              'make -s -j2 libbuddymalloc-preload.so')
    with open(log, "wb") as f:
        done = subprocess.run(
            ["sh", "-c", script, "sh", options.source, commit,
             options.configure], cwd=tree, stdout=f, stderr=f,
            stdin=subprocess.DEVNULL, check=False)
    if done.returncode or not os.path.exists(library):
        raise Trouble(f"{commit} does not build: see {log}")
    return library, commit


# ---- instructions ----
def pair_cost(place, library):
    """{'malloc of 32 bytes': n, 'free of 32 bytes': n} by instructions.sh."""
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(
        __file__))), "instructions.sh")
    done = subprocess.run(["sh", script, library, place.rows], text=True,
                          capture_output=True, env=clean_environment(),
                          timeout=300, check=False)
    found = re.match(r"malloc (\d+) free (\d+)", done.stdout)
    if not found:
        raise Failed((done.stderr.strip().splitlines() or ["no answer"])[-1])
    return {"malloc of 32 bytes": float(found.group(1)),
            "free of 32 bytes": float(found.group(2))}


def collected(place, library, row, operations):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         place.rows, "--ops", str(operations), row], text=True,
        capture_output=True, timeout=600, check=False,
        env={**clean_environment(), "LD_PRELOAD": library,
             "BUDDYMALLOC_CONF": "rseq:fake"})
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or not found:
        raise Failed(f"{row} failed under valgrind")
    return int(found.group(1))


def row_costs(place, library):
    """Instructions an operation: N and 2N, so that all else cancels."""
    costs = {}
    for row, n in COUNTED.items():
        costs[row] = (collected(place, library, row, 2 * n) -
                      collected(place, library, row, n)) / n
    return costs


def compare_instructions(place, old, new):
    """The names that got worse; prints all of them."""
    if not shutil.which("valgrind"):
        raise Trouble("valgrind is not installed")
    both = []
    for library in (old, new):
        both.append({**pair_cost(place, library), **row_costs(place, library)})
    worse = []
    for name, before in both[0].items():
        after = both[1][name]
        moved = abs(after - before) > max(MOVED_INSTRUCTIONS,
                                          MOVED_PART * before)
        word = "" if not moved else "  WORSE" if after > before else "  better"
        print(f"  {name:<20} {before:8.1f} → {after:8.1f}  "
              f"{100 * (after / before - 1):+5.1f} %{word}", flush=True)
        if moved and after > before:
            worse.append(f"{name} (instructions)")
    return worse


# ---- time and memory ----
def session(place, options, rows, allocators, runs, name):
    store = Store(os.path.join(options.work, name))
    runner = Runner(place.spawn, 300)
    for complaint in in_use(place, runner, allocators)[1]:
        raise Trouble(complaint)
    store.start({"machine": {}, "rows": [r.as_dict() for r in rows],
                 "allocators": [a.as_dict() for a in allocators],
                 "rounds": runs, "scale": options.scale})
    one = Session(place, runner, store, rows, allocators,
                  SimpleNamespace(runs=runs, scale=options.scale,
                                  syscalls=False))
    try:
        one.run()
    finally:
        store.close()
        shutil.rmtree(one.scratch, ignore_errors=True)
    return Analysis(store, "new")


def moved(analysis):
    """{(row, metric): Ratio of new to old} where that is no tie."""
    found = {}
    for row in analysis.measured:
        for metric in METRICS:
            ratio = row.pair(metric, "new", "old")
            if ratio and not ratio.tie:
                found[row.name, metric] = ratio
    return found


def compare_ratios(place, options, old, new):
    rows = suite.load(place, options.only, False)
    allocators = [Allocator("old", old), Allocator("new", new)]
    os.makedirs(options.work, exist_ok=True)
    kept = os.path.basename(tempfile.mkdtemp(
        prefix=time.strftime("run-%Y%m%d-%H%M%S-"), dir=options.work))
    analysis = session(place, options, rows, allocators, options.runs, kept)
    for versus in analysis.versus:
        for metric in METRICS:
            mean = versus.mean[metric]
            if mean:
                print(f"  {TITLE[metric]}, {len(analysis.measured)} rows: "
                      f"{mean.value:.3f} ({interval_text(mean)})"
                      f"{', a tie' if mean.tie else ''}", flush=True)
    worse = [f"{row}: {name} failed" for (row, name) in analysis.errors
             if name == "new" and (row, "old") not in analysis.errors]
    suspects = moved(analysis)
    if not suspects:
        print("  no row moved")
        return worse
    again = [r for r in rows if r.name in {name for name, _ in suspects}]
    print(f"  {len(again)} rows may have moved; measuring them again",
          flush=True)
    second = moved(session(place, options, again, allocators,
                           2 * options.runs, kept + "-again"))
    for key, first in suspects.items():
        ratio = second.get(key)
        if not ratio or (ratio.value > 1) != (first.value > 1):
            continue
        row, metric = key
        word = "WORSE" if ratio.value > 1 else "better"
        print(f"  {row:<20} {TITLE[metric]} {ratio.value:.2f} "
              f"({interval_text(ratio)})  {word}", flush=True)
        if ratio.value > 1:
            worse.append(f"{row} ({TITLE[metric]})")
    return worse


def run(argv):
    options = options_of(argv)
    place = suite.Place(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    if not os.path.isfile(options.new):
        raise Trouble(f"{options.new}: no such file")
    new = os.path.abspath(options.new)
    if os.path.isfile(options.against):
        old, name = os.path.abspath(options.against), options.against
    else:
        old, name = build(options)
    worse, incomplete = [], False
    if not options.no_instructions:
        print(f"instructions an operation, {name} → this build:", flush=True)
        try:
            worse += compare_instructions(place, old, new)
        except (Failed, Trouble, subprocess.TimeoutExpired) as why:
            say(f"instructions were not compared: {why}")
            incomplete = True
    if not options.no_ratios:
        print(f"this build / {name}:", flush=True)
        worse += compare_ratios(place, options, old, new)
    if worse:
        print("worse: " + ", ".join(worse))
        return 1
    print("nothing got worse")
    return 2 if incomplete else 0


if __name__ == "__main__":
    sys.exit(guarded(run))
