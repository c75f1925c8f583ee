# SPDX-License-Identifier: MIT
"""Runs one program under one allocator and says what it used.

What:  bench/spawn starts the program and waits for it (wait4: wall clock,
       user, system, peak RSS, faults). Here its output is collected, the
       time limit is kept, and while it runs its mapped files are looked at
       (is the allocator really there?) or its resident size is sampled.
Door:  run(...) -> Outcome; raises Failed with one line.
Invariant: one measured program at a time; it runs in a session of its own,
       so that ^C reaches the runner alone, which then ends it.
"""
import json
import math
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

from allocators import clean_environment
from common import Trouble

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
MAX_SAMPLES = 400
MAX_LOOKS = 14
# Processes that stand around the measured one.
WRAPPERS = {"spawn", "sh", "dash", "bash", "env", "strace", "timeout"}


class Failed(Exception):
    """One run that cannot be counted; its text says why."""


class Unfit(Failed):
    """A row that cannot be had with this allocator, through nobody's fault."""


class Outcome:
    """What one run printed and used."""

    def __init__(self, used, out, samples, files):
        self.used, self.out = used, out
        self.samples = samples          # [(seconds, KiB)], if asked for
        self.files = files              # [set of mapped files], if asked for


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]
    except (OSError, ValueError):
        return []


def descendants(pid):
    found, waiting = [], children(pid)
    while waiting:
        child = waiting.pop()
        found.append(child)
        waiting += children(child)
    return found


def resident_kib(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", encoding="ascii") as f:
                total += int(f.read().split()[1]) * PAGE_KIB
        except (OSError, ValueError, IndexError):
            pass                        # it has ended
    return total


def mapped_files(pid):
    """The files a process maps; None for one that only leads to others."""
    try:
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) in WRAPPERS:
            return None
        with open(f"/proc/{pid}/maps", encoding="utf-8",
                  errors="replace") as f:
            files = {line.split(None, 5)[5].rstrip("\n").removesuffix(
                " (deleted)") for line in f if "/" in line}
    except (OSError, IndexError):
        return None
    # Before ld.so has mapped libc nothing is decided yet.
    return files if any(re.search(r"/libc[.-][^/]*$", f) for f in files) \
        else None


class Watcher:
    """Looks at the running processes from time to time.

    A look at the mapped files costs a program a little, so there are few,
    each after a longer pause than the one before.
    """

    def __init__(self, root, sample, watch):
        self.root = root
        self.start = time.monotonic()
        self.pause = 0.002              # between two samples
        self.next_sample = self.start if sample else math.inf
        self.next_look = self.start + 0.005 if watch else math.inf
        self.samples, self.files = [], {}
        self.looks = 0

    def wait(self):
        """How long until there is something to do; None: nothing is."""
        until = min(self.next_sample, self.next_look)
        return None if until == math.inf else \
            max(until - time.monotonic(), 0)

    def look(self):
        now = time.monotonic()
        if now < min(self.next_sample, self.next_look):
            return
        pids = descendants(self.root)
        if now >= self.next_sample:
            self.take_sample(now, pids)
        if now >= self.next_look:
            self.looks += 1
            self.next_look = now + 0.005 * 1.5 ** self.looks \
                if self.looks < MAX_LOOKS else math.inf
            for pid in pids:
                files = mapped_files(pid)
                if files is not None:
                    self.files[pid] = files

    def take_sample(self, now, pids):
        kib = resident_kib(pids)
        if kib:
            self.samples.append((now - self.start, kib))
        if len(self.samples) >= MAX_SAMPLES:
            self.samples = self.samples[::2]
            self.pause *= 2
        self.next_sample = now + self.pause


def text_of(file):
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def first_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "no word"


def why_it_failed(used, err):
    if used["signal"]:
        try:
            name = signal.Signals(used["signal"]).name
        except ValueError:
            name = f"signal {used['signal']}"
        return f"killed by {name}: {first_line(err)}"
    return f"exit {used['exit']}: {first_line(err)}"


class Runner:
    """Starts programs by bench/spawn."""

    def __init__(self, spawn, limit):
        self.spawn, self.limit = spawn, limit

    def run(self, argv, settings=(), sample=False, watch=False):
        """Runs argv with the settings added to a clean environment."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            used, watcher = self._run(argv, settings, sample, watch, out, err)
            if used is None:
                raise Failed(f"more than {self.limit:.0f} s")
            if used["exit"]:
                raise Failed(why_it_failed(used, text_of(err)))
            return Outcome(used, text_of(out), watcher.samples,
                           list(watcher.files.values()))

    def _run(self, argv, settings, sample, watch, out, err):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as report:
            try:
                child = subprocess.Popen(
                    [self.spawn, str(writer), *settings, "--", *argv],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    env=clean_environment(), pass_fds=[writer],
                    start_new_session=True)
            except OSError as why:
                raise Trouble(f"{self.spawn}: {why.strerror}") from None
            finally:
                os.close(writer)
            watcher = Watcher(child.pid, sample, watch)
            try:
                line = self._await(report, watcher)
            finally:
                end(child)
        if line is None:
            return None, watcher
        if not line.strip():
            raise Failed(f"spawn: {first_line(text_of(err))}")
        return json.loads(line), watcher

    def _await(self, report, watcher):
        limit = watcher.start + self.limit
        while True:
            left = limit - time.monotonic()
            if left <= 0:
                return None
            pause = watcher.wait()
            ready, _, _ = select.select(
                [report], [], [], left if pause is None else min(pause, left))
            if ready:
                return report.readline()
            if pause is not None:
                watcher.look()

    def count_calls(self, argv, settings):
        """{system call: count} of a run under strace; not a timed one."""
        strace = shutil.which("strace")
        if not strace:
            raise Failed("strace is not installed")
        with tempfile.NamedTemporaryFile(mode="r") as table:
            words = [w for s in settings for w in ("-E", s)]
            self.run([strace, "-f", "-c", "-o", table.name, *words, "--",
                      *argv])
            return parse_calls(table.read())


def end(child):
    """Ends the whole session of a child, if it has not ended yet."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.wait()


def parse_calls(text):
    calls = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0][0].isdigit() and \
                fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    return calls
