# SPDX-License-Identifier: MIT
"""The measuring itself: rounds over rows over allocators.

What:  round 0 warms up: files come into the page cache, the memory that each
       row needs becomes known, RSS curves are sampled and the mapped files of
       programs are read; it is recorded and never counted. Then in each round
       each allocator runs each row once, in an order that differs from round
       to round (it moves on by one, and every other round is backwards, so
       nobody always follows the same one).
Invariant: rounds are the outer loop: what the machine does for a minute then
       meets a few runs of every row, not all of one. Before a run as much
       memory is touched as the row needs, since on a virtual machine the
       host may have to find it first.
"""
import os
import subprocess
import time

import machine
from allocators import clean_environment
from common import Trouble, say
from measure import Failed, Unfit
from progress import Progress

KEPT = ("wall_ns", "user_us", "sys_us", "minor_faults", "major_faults",
        "switches", "preempted")


def order_of(things, turn):
    """The order of one round."""
    if not things:
        return []
    at = turn % len(things)
    turned = things[at:] + things[:at]
    return turned[::-1] if turn // len(things) % 2 else turned


class Session:
    """What is to be measured, and where it goes."""

    def __init__(self, place, runner, store, rows, allocators, options):
        self.place, self.runner, self.store = place, runner, store
        self.rows, self.allocators = rows, allocators
        self.rounds, self.scale = options.runs, options.scale
        self.count_calls = options.syscalls
        self.scratch = os.path.join(store.directory, "scratch")
        self.prepared = set()
        self.given_up = set()           # (row, allocator)
        self.progress = None

    # ---- what is known of a row ----
    def need_kib(self, row):
        known = self.store.by_row.get(row.name, {})
        return max((r["rss_kib"] for r in known.values()), default=0)

    def known_checksum(self, row):
        for (name, _), record in self.store.by_row.get(row.name, {}).items():
            return record["checksum"], name
        return None

    # ---- one run ----
    def touch(self, kib):
        mib = min(int(kib * 1.1) // 1024 + 16,
                  machine.mib("MemAvailable") // 2 or 16)
        try:
            subprocess.run([self.place.rows, "--touch", str(mib)], check=False,
                           env=clean_environment(), timeout=120,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            pass                        # a warm-up less

    def measure(self, row, allocator, turn, place_in_round):
        argv, settings = row.start(allocator, self.scratch_of(row),
                                   self.scale)
        self.touch(self.need_kib(row))
        outcome = self.runner.run(argv, settings, sample=turn == 0,
                                  watch=row.kind == "program")
        row.check_owner(allocator, outcome)
        record = {"kind": "run", "row": row.name, "allocator": allocator.name,
                  "round": turn, "place": place_in_round}
        record.update(row.result(outcome))
        record.update((key, outcome.used[key]) for key in KEPT)
        known = self.known_checksum(row)
        if known and known[0] != record["checksum"]:
            raise Failed(f"another result: {record['checksum']}, where "
                         f"{known[1]} had {known[0]}")
        self.store.add(record)
        if turn == 0:
            samples = [[round(t, 4), k] for t, k in outcome.samples]
            self.store.add({"kind": "curve", "row": row.name,
                            "allocator": allocator.name, "samples": samples})

    def scratch_of(self, row):
        return os.path.join(self.scratch, row.name.replace("/", "_"))

    # ---- one step of the plan ----
    def fail(self, row, allocator, why, kind="error"):
        self.progress.clear()
        say(f"{row.name}: {allocator.name}: {why}")
        self.store.add({"kind": kind, "row": row.name,
                        "allocator": allocator.name, "why": why})
        self.given_up.add((row.name, allocator.name))
        self.progress.drop((row.name, allocator.name))

    def prepare(self, row):
        """False where the row cannot run here."""
        if row.name in self.prepared:
            return True
        try:
            why = row.prepare(self.scratch_of(row))
        except (Failed, OSError) as error:
            for allocator in self.allocators:
                self.fail(row, allocator, str(error))
            return False
        if why:
            self.progress.clear()
            say(f"{row.name}: not measured: {why}")
            self.store.add({"kind": "skipped", "row": row.name, "why": why})
            for allocator in self.allocators:
                self.given_up.add((row.name, allocator.name))
                self.progress.drop((row.name, allocator.name))
            return False
        self.prepared.add(row.name)
        return True

    def todo(self):
        """(turn, place in the round, row, allocator), in order."""
        for turn in range(self.rounds + 1):
            for index, row in enumerate(self.rows):
                # each row begins with another one, too
                turned = order_of(self.allocators, turn + index)
                for place, allocator in enumerate(turned):
                    if (row.name, allocator.name, turn) not in \
                            self.store.runs:
                        yield turn, place, row, allocator

    def run(self):
        counts = {}
        for _, _, row, allocator in self.todo():
            key = row.name, allocator.name
            counts[key] = counts.get(key, 0) + 1
        self.progress = Progress(counts)
        before, last = machine.steal_ticks(), None
        try:
            for turn, place, row, allocator in self.todo():
                if last not in (None, turn):
                    self.progress.line(self.round_name(last) + " done")
                last = turn
                self.one(turn, place, row, allocator)
            if last is not None:
                self.progress.line(self.round_name(last) + " done")
            if self.count_calls:
                self.all_calls()
        finally:
            self.progress.clear()
            after = machine.steal_ticks()
            if after[1] > before[1]:
                self.steal = (after[0] - before[0]) / (after[1] - before[1])
                if self.steal > 0.01:
                    say(f"the host took {100 * self.steal:.0f} % of the CPU "
                        "time away: expect wide intervals")

    def round_name(self, turn):
        return f"round {turn} of {self.rounds}" if turn else "warm-up"

    def one(self, turn, place, row, allocator):
        key = row.name, allocator.name
        if key in self.given_up or not self.prepare(row):
            return
        self.progress.show(f"{self.round_name(turn)}: {row.name} "
                           f"{allocator.name}")
        start = time.monotonic()
        try:
            self.measure(row, allocator, turn, place)
        except Unfit as why:
            self.fail(row, allocator, str(why), "unfit")
        except Failed as why:
            self.fail(row, allocator, str(why))
        else:
            self.progress.step(key, time.monotonic() - start)

    def all_calls(self):
        """System calls of one more run each, which is not timed."""
        for row in self.rows:
            for allocator in self.allocators:
                key = row.name, allocator.name
                if key in self.given_up or key in self.store.calls or \
                        row.kind == "program":
                    continue
                self.progress.show(f"system calls: {row.name} "
                                   f"{allocator.name}")
                argv, settings = row.start(allocator, "", self.scale)
                try:
                    calls = self.runner.count_calls(argv, settings)
                except Failed as why:
                    self.progress.clear()
                    say(f"{row.name}: {allocator.name}: system calls: {why}")
                    return
                self.store.add({"kind": "calls", "row": row.name,
                                "allocator": allocator.name, "calls": calls})


def in_use(place, runner, allocators):
    """(those that really serve a program's malloc, complaints)."""
    good, complaints = [], []
    for allocator in allocators:
        try:
            outcome = runner.run([place.rows, "--owner"],
                                 allocator.environment())
            owner = outcome.out.partition(" malloc ")[0].strip()
            if not allocator.is_owner(owner):
                raise Failed(f"not in use: malloc is that of {owner}")
        except Failed as why:
            complaints.append(f"{allocator.name}: {why}")
        else:
            good.append(allocator)
    if not good:
        for line in complaints:
            say(line)
        raise Trouble("no allocator is left")
    return good, complaints
