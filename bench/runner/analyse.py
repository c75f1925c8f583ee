# SPDX-License-Identifier: MIT
"""From runs to what the table and the page show.

What:  for each row and allocator the median, the ratio to the row's best and
       its interval, for time and peak memory; geometric means over rows; and
       the base (buddymalloc) against each other one, directly.
Invariant: a tie is decided here and nowhere else; the bounds below are what
       a difference must exceed even if its interval is narrow. Example: two
       builds 2 % apart on one thread tie, however many rounds were run.
"""
import math
import statistics

import stats

TIME, MEMORY = "time", "memory"
METRICS = (TIME, MEMORY)
BAND_ONE_THREAD, BAND_THREADS = 0.03, 0.10
FLOOR_ONE_THREAD, FLOOR_THREADS = 0.015, 0.05
MEMORY_ONE_THREAD, MEMORY_THREADS = (0.03, 0.01), (0.05, 0.025)
BAND_KIB, FLOOR_KIB = 256, 64
BAND_MEAN = 0.01


def per_operation(record):
    return record["time_ns"] / record["ops"]


def resident(record):
    return record["rss_kib"]


VALUE = {TIME: per_operation, MEMORY: resident}


def bounds(metric, threads, level):
    """(band of a tie, resolution of an interval) at a level of the metric."""
    if metric == MEMORY:
        band, floor = MEMORY_ONE_THREAD if threads == 1 else MEMORY_THREADS
        return max(band, BAND_KIB / level), max(floor, FLOOR_KIB / level)
    if threads == 1:
        return BAND_ONE_THREAD, FLOOR_ONE_THREAD
    return BAND_THREADS, FLOOR_THREADS


class Cell:
    """One row under one allocator."""

    def __init__(self, records, error):
        self.records, self.error = records, error
        self.best = {}                  # metric: Ratio to the row's best

    def values(self, metric):
        return {turn: VALUE[metric](r) for turn, r in self.records.items()}

    def median(self, metric):
        return statistics.median(self.values(metric).values())

    def of(self, key):
        """The median of another figure; None where it was not measured."""
        found = [r[key] for r in self.records.values()
                 if r.get(key) is not None]
        return statistics.median(found) if found else None


class RowResult:
    """One row under all allocators."""

    def __init__(self, info, names, store):
        self.name, self.threads = info["name"], info["threads"]
        self.group, self.what = info["group"], info["what"]
        self.kind = info["kind"]
        self.skipped = store.skipped.get(self.name)
        self.cells = {}
        for name in names:
            records = {turn: r for (a, turn), r in
                       store.by_row.get(self.name, {}).items()
                       if turn and a == name}
            self.cells[name] = Cell(records,
                                    store.errors.get((self.name, name)))
        self.good = [n for n in names if self.cells[n].records and
                     not self.cells[n].error]
        self.curves = {n: store.curves[self.name, n] for n in names
                       if (self.name, n) in store.curves}
        self.calls = {n: sum(store.calls[self.name, n].values())
                      for n in names if (self.name, n) in store.calls}
        for metric in METRICS:
            self._against_best(metric)

    @property
    def family(self):
        return self.name.rpartition("/")[0] or self.name

    def _against_best(self, metric):
        if not self.good:
            return
        runs = {n: self.cells[n].values(metric) for n in self.good}
        level = min(self.cells[n].median(metric) for n in self.good)
        for name, pairs in stats.against_best(runs).items():
            self.cells[name].best[metric] = stats.ratio(
                pairs, *bounds(metric, self.threads, level))

    def winners(self, metric):
        """All that tie with the best; more than one name is a shared win."""
        found = [n for n in self.good
                 if self.cells[n].best[metric].tie or
                 self.cells[n].best[metric].value < 1]
        return found or [stats.least({n: self.cells[n].values(metric)
                                      for n in self.good})]

    def pair(self, metric, one, other):
        """Ratio one/other, or None where they share no round."""
        if one not in self.good or other not in self.good:
            return None
        a, b = (self.cells[n].values(metric) for n in (one, other))
        pairs = [(a[turn], b[turn]) for turn in sorted(a) if turn in b]
        if not pairs:
            return None
        level = min(self.cells[one].median(metric),
                    self.cells[other].median(metric))
        return stats.ratio(pairs, *bounds(metric, self.threads, level))


class Versus:
    """The base against one other: means, and rows ahead, tied, behind."""

    def __init__(self, rows, base, other):
        self.other, self.mean = other, {}
        self.ahead, self.tied, self.behind = {}, {}, {}
        for metric in METRICS:
            pairs = [(row, row.pair(metric, base, other)) for row in rows]
            pairs = [(row, p) for row, p in pairs if p]
            self.mean[metric] = stats.mean_ratio(
                [p for _, p in pairs], BAND_MEAN) if pairs else None
            self.tied[metric] = [r.name for r, p in pairs if p.tie]
            self.ahead[metric] = [r.name for r, p in pairs
                                  if not p.tie and p.value < 1]
            self.behind[metric] = [r.name for r, p in pairs
                                   if not p.tie and p.value > 1]


class Analysis:
    """All of a directory's results."""

    def __init__(self, store, base=None):
        self.head = store.head
        self.names = [a["name"] for a in self.head["allocators"]]
        self.rows = [RowResult(info, self.names, store)
                     for info in self.head["rows"]]
        self.errors, self.unfit = dict(store.errors), dict(store.unfit)
        self.measured = [r for r in self.rows if r.good]
        turns = {turn for _, _, turn in store.runs if turn}
        self.rounds_done = len(turns)
        self.base = base if base in self.names else self.names[0]
        self.means = {name: self._mean(name) for name in self.names}
        self.versus = [Versus(self.measured, self.base, other)
                       for other in self.names if other != self.base]

    def rows_of(self, name):
        return [r for r in self.measured if name in r.good]

    def _mean(self, name):
        rows = self.rows_of(name)
        return {m: stats.mean_ratio([r.cells[name].best[m] for r in rows],
                                    BAND_MEAN) for m in METRICS} \
            if rows else None

    def leaders(self, metric):
        """Those whose mean is the best or cannot be told from it."""
        means = {n: m[metric] for n, m in self.means.items() if m}
        if not means:
            return []
        first = min(means, key=lambda n: means[n].value)
        return [n for n in means if n == first or
                math.log(means[n].value / means[first].value) <=
                math.log1p(BAND_MEAN)]

    def wins(self, name, metric):
        """(alone, shared) rows."""
        won = [r.winners(metric) for r in self.measured]
        return (sum(w == [name] for w in won),
                sum(name in w and len(w) > 1 for w in won))

    # ---- for files ----
    def as_dict(self):
        rows = []
        for row in self.rows:
            cells = {}
            for name, cell in row.cells.items():
                if name not in row.good:
                    cells[name] = {"error": cell.error} if cell.error else {}
                    continue
                cells[name] = {m: cell.best[m].as_dict() for m in METRICS}
                cells[name].update(self._figures(row, name))
            rows.append({"name": row.name, "threads": row.threads,
                         "group": row.group, "what": row.what,
                         "kind": row.kind, "skipped": row.skipped,
                         "winners": {m: row.winners(m) for m in METRICS}
                         if row.good else {}, "cells": cells})
        means = {n: {m: r.as_dict() for m, r in mean.items()}
                 for n, mean in self.means.items() if mean}
        versus = {v.other: {m: {**v.mean[m].as_dict(), "ahead": v.ahead[m],
                                "tied": v.tied[m], "behind": v.behind[m]}
                            for m in METRICS if v.mean[m]}
                  for v in self.versus}
        unfit = [{"row": row, "allocator": name, "why": why}
                 for (row, name), why in self.unfit.items()]
        return {"session": self.head, "rounds_done": self.rounds_done,
                "unfit": unfit,
                "rows": rows, "geometric_means": means, "base": self.base,
                "base_against": versus}

    @staticmethod
    def _figures(row, name):
        cell = row.cells[name]
        times = list(cell.values(TIME).values())
        return {"runs": len(times), "ns_per_op": cell.median(TIME),
                "ns_per_op_least": min(times),
                "spread": round(stats.spread(times), 4),
                "rss_kib": cell.median(MEMORY),
                "rss_after_kib": cell.of("after_kib"),
                "user_us": cell.of("user_us"), "sys_us": cell.of("sys_us"),
                "minor_faults": cell.of("minor_faults"),
                "major_faults": cell.of("major_faults"),
                "switches": cell.of("switches"),
                "system_calls": row.calls.get(name)}

    def as_table(self):
        """A list of flat dictionaries, for CSV."""
        lines = []
        for row in self.rows:
            for name, cell in row.cells.items():
                line = {"row": row.name, "threads": row.threads,
                        "group": row.group, "allocator": name,
                        "error": row.skipped or cell.error or ""}
                good = name in row.good
                for metric in METRICS:
                    found = cell.best[metric].as_dict() if good else {}
                    for key in ("ratio", "low", "high", "tie"):
                        line[f"{metric}_{key}"] = found.get(key, "")
                figures = self._figures(row, name) if good else {}
                for key in ("runs", "ns_per_op", "ns_per_op_least", "spread",
                            "rss_kib", "rss_after_kib", "user_us", "sys_us",
                            "minor_faults", "major_faults", "switches",
                            "system_calls"):
                    line[key] = figures.get(key, "")
                lines.append(line)
        return lines
