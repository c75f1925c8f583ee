# SPDX-License-Identifier: MIT
"""buddymalloc bench: measures allocators against each other, fairly.

Door:  python3 main.py [OPTIONS], by `buddymalloc bench`, which names the
       library to measure in BUDDYMALLOC_PRELOAD.
See:   bench/README.md, buddymalloc(1).
"""
import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import time

import allocators
import machine
import page
import suite
from analyse import Analysis
from common import Trouble, Usage, reason, say
from measure import Runner
from session import Session, in_use
from store import Store, csv_text
from table import Table, notes

SHORT_RUNS, LONG_RUNS = 7, 10
RUN_LIMIT_SECONDS = 300


class Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message):
        raise Usage(f"{message} (see buddymalloc bench --help)")


def parser():
    p = Parser(
        prog="buddymalloc bench", allow_abbrev=False,
        description="Measures buddymalloc and other allocators on the same "
        "work and reports time and memory as ratios to the best of each row. "
        "Without options: every allocator found, the short suite.")
    p.add_argument("--against", action="append", metavar="NAME[=PATH.so[,ENV=VALUE...]]",
                   help="measure this one: all, glibc, jemalloc, mimalloc, "
                   "gperftools, or any other by its path, with its own "
                   "environment; may be repeated")
    p.add_argument("--only", action="append", metavar="PATTERN",
                   help="rows, families or groups with these names "
                   "(as 'la/*,micro'); may be repeated")
    p.add_argument("--runs", type=int, metavar="N",
                   help=f"rounds ({SHORT_RUNS}, with --long {LONG_RUNS})")
    p.add_argument("--long", action="store_true",
                   help="all rows with all of their work")
    p.add_argument("--scale", type=float, metavar="F",
                   help="do F times the work of a row "
                   f"({suite.SHORT_SCALE}, with --long 1)")
    p.add_argument("--out", metavar="DIR",
                   help="where results go (bench-DATE-TIME)")
    p.add_argument("--resume", action="store_true",
                   help="go on with what is in DIR")
    p.add_argument("--syscalls", action="store_true",
                   help="count system calls too, by strace, in extra runs")
    p.add_argument("--limit", type=float, metavar="SECONDS",
                   default=RUN_LIMIT_SECONDS,
                   help=f"for one run ({RUN_LIMIT_SECONDS})")
    p.add_argument("--base", metavar="NAME",
                   help="whom to compare with each other one (buddymalloc)")
    p.add_argument("--report", metavar="DIR",
                   help="measure nothing; make the report of DIR again")
    p.add_argument("--list", action="store_true",
                   help="name the rows and stop")
    return p


def check(options):
    if options.runs is None:
        options.runs = LONG_RUNS if options.long else SHORT_RUNS
    if options.scale is None:
        options.scale = 1.0 if options.long else suite.SHORT_SCALE
    if not 1 <= options.runs <= 1000:
        raise Usage("--runs wants a number from 1 to 1000")
    if not 0 < options.scale <= 1000:
        raise Usage("--scale wants a number above 0")
    if not options.limit > 0:
        raise Usage("--limit wants a number of seconds")
    if options.resume and not options.out:
        raise Usage("--resume needs --out DIR")
    options.only = [p for text in options.only or [] for p in text.split(",")
                    if p]
    options.out = options.out or time.strftime("bench-%Y%m%d-%H%M%S")


def suite_digest(place):
    with open(place.rows, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:16]


def own_preload():
    path = os.environ.get("BUDDYMALLOC_PRELOAD")
    return path if path and os.path.isfile(path) else None


def measure(options, place):
    """Returns (store, whether something went wrong, whether it was ended)."""
    store = Store(options.out)
    if os.path.exists(store.path) and not options.resume:
        raise Trouble(f"{options.out} has results already: --resume goes on "
                      "with them")
    rows = suite.load(place, options.only, options.long)
    chosen, complaints = allocators.choose(options.against, own_preload())
    runner = Runner(place.spawn, options.limit)
    chosen, more = in_use(place, runner, chosen)
    for line in complaints + more:
        say(f"{line}; left out")
    here = machine.describe(os.path.dirname(os.path.realpath(__file__)))
    head = {"machine": here, "rows": [r.as_dict() for r in rows],
            "allocators": [a.as_dict() for a in chosen],
            "rounds": options.runs, "scale": options.scale,
            "long": options.long, "suite": suite_digest(place),
            "left_out": complaints + more}
    if options.resume and os.path.exists(store.path):
        if store.load():
            say(f"{store.path}: the last line was not whole and is dropped")
        store.same_question(head)
    if here["load"] > 0.5 * here["cpus"]:
        say(f"the machine is busy (load {here['load']}): expect wide intervals")
    store.start(head)
    session = Session(place, runner, store, rows, chosen, options)
    stopped = False
    try:
        session.run()
    except KeyboardInterrupt:
        stopped = True
        say(f"stopped; {len(store.runs)} runs are recorded in {store.path}, "
            f"--resume --out {options.out} goes on")
    finally:
        store.close()
        shutil.rmtree(session.scratch, ignore_errors=True)
    return store, bool(complaints or more or store.errors), stopped


def write_files(store, analysis):
    """The path of the page."""
    data = analysis.as_dict()
    store.write_whole("results.json", json.dumps(data, indent=1) + "\n")
    store.write_whole("results.csv", csv_text(analysis.as_table()))
    return store.write_whole("report.html", page.html(analysis))


def report(store, base):
    """Files first, since whoever reads the table may stop reading; but the
    table is shown even where they cannot be written."""
    analysis = Analysis(store, base)
    if not analysis.measured:
        raise Trouble("nothing was measured in full: there is no report")
    trouble = path = None
    try:
        path = write_files(store, analysis)
    except Trouble as why:
        trouble = why
    terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size((100, 24)).columns if terminal else 160
    here = analysis.head["machine"]
    print(machine.sentence(here) +
          (f", commit {here['commit']}" if here["commit"] else ""))
    print(f"{analysis.rounds_done} rounds; the ratios are medians over "
          "rounds, = marks the best and what ties with it\n")
    print(Table(analysis, terminal, columns).text())
    for line in notes(analysis):
        print(f"note: {line}")
    if trouble:
        sys.stdout.flush()
        raise trouble
    print(f"\nreport: {path}", flush=True)


def run(argv):
    options = parser().parse_args(argv)
    check(options)
    if options.report:
        store = Store(options.report)
        store.load()
        report(store, options.base)
        return 0
    place = suite.Place(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    if options.list:
        for row in suite.load(place, options.only, options.long or
                              not options.only):
            print(f"{row.name:<24} {row.what}")
        return 0
    store, bad, stopped = measure(options, place)
    if stopped and not any(turn for _, _, turn in store.runs):
        return 130
    report(store, options.base)
    return 130 if stopped else 1 if bad else 0


def stop(_signal, _frame):
    raise KeyboardInterrupt


def guarded(what):
    """Runs what(arguments) and turns all trouble into a line and a status."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    try:
        status = what(sys.argv[1:])
        sys.stdout.flush()
        return status
    except Usage as why:
        say(str(why))
        return 2
    except Trouble as why:
        say(str(why))
        return 1
    except OSError as why:
        # What is left in the buffer would only fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(why, BrokenPipeError):
            say(reason(why))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(guarded(run))
