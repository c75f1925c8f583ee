# SPDX-License-Identifier: MIT
"""What is measured: the rows of bench/rows and the real programs.

Door:  load(place, long) -> [Row]; each row knows how it is started and how
       its answer is read.
Invariant: `rows --list` and `programs/run --list` are the lists; here only
       stands which of them are short. A pattern of SHORT that names nothing
       is said, never skipped in silence.
"""
import fnmatch
import hashlib
import json
import os
import subprocess

from allocators import clean_environment
from common import Trouble, Usage, say
from measure import Failed, Unfit

# The short suite: each kind of work once, and what tells allocators apart.
SHORT = ("lifo/1", "la/8", "calls/1", "rnd-server-100k/1",
         "rnd-interpreter-100k/1", "rnd-compiler-100k/1", "calloc/1",
         "large/1", "huge/1", "strings/1", "vectors/1", "pipe/2", "fan-in/4",
         "relay/4", "bulk-away/2", "server/2", "server/8", "server/32",
         "fs-passive/2", "frag-scatter/1", "drift/1", "trace-redis/1",
         "lua-trees")
SHORT_SCALE = 0.25


class Row:
    """One workload at one number of threads."""
    kind = "row"

    def __init__(self, name, threads, group, what):
        self.name, self.threads = name, threads
        self.group, self.what = group, what

    @property
    def family(self):
        return self.name.rpartition("/")[0] or self.name

    def as_dict(self):
        return {"name": self.name, "threads": self.threads,
                "group": self.group, "what": self.what, "kind": self.kind}

    def prepare(self, scratch):
        """Makes what is made once; a line why it cannot run here, or None."""


class Loop(Row):
    """A row of bench/rows, which counts and times itself."""

    def __init__(self, fields, place):
        super().__init__(*fields)
        self.program = place.rows

    def start(self, allocator, _scratch, scale):
        return ([self.program, "--scale", f"{scale:g}", self.name],
                allocator.environment())

    def check_owner(self, allocator, outcome):
        owner = read_answer(outcome)["owner"]
        if not allocator.is_owner(owner):
            raise Failed(f"not in use: malloc was that of {owner}")

    def result(self, outcome):
        answer = read_answer(outcome)
        return {"time_ns": answer["ns"], "ops": answer["ops"],
                "rss_kib": answer["rss_peak_kib"],
                "after_kib": answer.get("rss_after_kib"),
                "checksum": str(answer["checksum"])}


def read_answer(outcome):
    try:
        answer = json.loads(outcome.out)
        if float(answer["ns"]) > 0 and float(answer["ops"]) > 0 and \
                float(answer["rss_peak_kib"]) > 0 and answer["owner"] and \
                answer["checksum"]:
            return answer
    except (ValueError, KeyError, TypeError):
        pass
    raise Failed(f"an answer that is none: {outcome.out.strip()[:120]!r}")


class Program(Row):
    """A real program, started by bench/programs/run."""
    kind = "program"

    def __init__(self, fields, place):
        super().__init__(*fields)
        self.program = place.programs

    def command(self, *words):
        try:
            return subprocess.run(
                [self.program, *words, self.name], check=False, text=True,
                env=clean_environment(), stdin=subprocess.DEVNULL,
                capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            raise Failed(f"run {words[0]}: more than 300 s") from None
        except OSError as why:
            raise Failed(f"{self.program}: {why.strerror}") from None

    def prepare(self, scratch):
        checked = self.command("--check")
        if checked.returncode:
            words = (checked.stdout + checked.stderr).strip().splitlines()
            return words[0] if words else f"exit {checked.returncode}"
        os.makedirs(scratch, exist_ok=True)
        try:
            done = subprocess.run(
                [self.program, "--prepare", self.name, scratch], text=True,
                env=clean_environment(), stdin=subprocess.DEVNULL,
                capture_output=True, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            raise Failed("run --prepare: more than 600 s") from None
        if done.returncode:
            words = (done.stderr + done.stdout).strip().splitlines()
            raise Failed(f"run --prepare: {words[-1] if words else 'failed'}")
        return None

    def start(self, allocator, scratch, _scale):
        return ([self.program, self.name, scratch],
                [f"BENCH_PRELOAD={allocator.path or ''}",
                 f"BENCH_ENV={' '.join(allocator.settings)}"])

    def check_owner(self, allocator, outcome):
        if not outcome.files:
            raise Failed("not in use? it ended before its maps could be read")
        faults = [allocator.fault_in_maps(f) for f in outcome.files]
        # Clients and helpers of a program run without a preload; but where
        # libc's malloc is measured nobody may have another.
        if not allocator.path and any(faults):
            raise Unfit("the program brings its own malloc: "
                        f"{next(f for f in faults if f)}")
        if all(faults):
            raise Failed(f"not in use: {faults[0]}")

    def result(self, outcome):
        metrics, lines = {}, []
        for line in outcome.out.splitlines():
            if line.startswith("#metric "):
                _, name, value = line.split(None, 2)
                try:
                    metrics[name] = float(value)
                except ValueError:
                    raise Failed(f"'{line}' is no metric") from None
            else:
                lines.append(line)
        text = "\n".join(lines).encode()
        used = outcome.used
        used.update((k, v) for k, v in metrics.items() if k in used)
        return {"time_ns": used["wall_ns"], "ops": 1,
                "rss_kib": metrics.get("rss_peak_kib", used["rss_kib"]),
                "after_kib": metrics.get("rss_after_kib"),
                "checksum": hashlib.sha256(text).hexdigest()[:16]}


class Place:
    """Where the parts of the suite lie: the same below the build tree's
    bench/ and below libexec."""

    def __init__(self, directory):
        self.directory = directory
        self.rows = os.path.join(directory, "rows")
        self.spawn = os.path.join(directory, "spawn")
        self.programs = os.path.join(directory, "programs", "run")
        for path in (self.rows, self.spawn):
            if not os.access(path, os.X_OK):
                raise Trouble(f"{path} is missing (make bench-programs "
                              "builds it)")


def listing(command, fields):
    """The lines of a --list, cut at the tabs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              env=clean_environment(), timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Trouble(f"{command[0]} --list: {why}") from None
    if done.returncode:
        raise Trouble(f"{command[0]} --list: exit {done.returncode}")
    lines = [line.split("\t") for line in done.stdout.splitlines() if line]
    for line in lines:
        if len(line) != fields or not line[1].isdigit():
            raise Trouble(f"{command[0]} --list: a line that is none: "
                          f"{line[0]}")
    return lines


def everything(place):
    rows = [Loop((name, int(threads), group, what), place)
            for name, threads, group, what in
            listing([place.rows, "--list"], 4)]
    if os.access(place.programs, os.X_OK):
        rows += [Program((name, int(threads), "programs", what), place)
                 for name, threads, what in
                 listing([place.programs, "--list"], 3)]
    return rows


def matches(row, pattern):
    return any(fnmatch.fnmatchcase(text, pattern)
               for text in (row.name, row.family, row.group))


def load(place, only, long):
    """The rows of a pattern, else of the short or the long suite."""
    rows = everything(place)
    if not only:
        if long:
            return rows
        for pattern in SHORT:
            if not any(matches(row, pattern) for row in rows):
                say(f"the short suite's '{pattern}' names no row")
        return [r for r in rows if any(matches(r, p) for p in SHORT)]
    for pattern in only:
        if not any(matches(row, pattern) for row in rows):
            raise Usage(f"--only {pattern}: no such row (--list names them)")
    return [r for r in rows if any(matches(r, p) for p in only)]
