# SPDX-License-Identifier: MIT
"""The report on a terminal.

Invariant: colours only on a terminal (and not where NO_COLOR is set); without
       them nothing is lost: the best of a row and what ties with it are
       marked with '='.
"""
import os

from analyse import MEMORY, METRICS, TIME

TITLE = {TIME: "time", MEMORY: "peak memory"}
GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"


def time_text(ns):
    for limit, unit, size in ((1e3, "ns", 1), (1e6, "µs", 1e3),
                              (1e9, "ms", 1e6)):
        if ns < limit:
            return f"{three(ns / size)} {unit}"
    return f"{three(ns / 1e9)} s"


def memory_text(kib):
    if kib < 1024:
        return f"{kib:.0f} KiB"
    return f"{three(kib / 1024)} MiB" if kib < 1 << 20 else \
        f"{three(kib / (1 << 20))} GiB"


def three(value):
    """Three figures, none of them after the point beyond 99."""
    return f"{value:.2f}" if value < 10 else \
        f"{value:.1f}" if value < 100 else f"{value:.0f}"


TEXT = {TIME: time_text, MEMORY: memory_text}


def ratio_text(value):
    return f"{value:.2f}" if value < 99.5 else f"{value:.0f}"


def interval_text(ratio):
    high = f"{ratio.high:.2f}" if ratio.high < 1000 else "…"
    return f"{ratio.low:.2f} to {high}"


class Table:
    """Text for one analysis."""

    def __init__(self, analysis, terminal, columns):
        self.a = analysis
        self.colours = terminal and not os.environ.get("NO_COLOR") and \
            os.environ.get("TERM") != "dumb"
        self.first = max([len(r.name) for r in analysis.measured] +
                         [len("geometric mean")]) + 1
        self.widths = [max(len(n), 6) + 2 for n in analysis.names]
        self.side_by_side = self.first + 2 * (sum(self.widths) + 11) <= columns

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colours else text

    def text(self):
        parts = [self.block(METRICS)] if self.side_by_side else \
            [self.block([m]) for m in METRICS]
        return "\n\n".join(parts + [self.versus()])

    def block(self, metrics):
        lines = [" " * self.first + "".join(
            self.paint(BOLD, f"  {TITLE[m] + ', ratio to the best':<{self.wide()}}")
            for m in metrics).rstrip()]
        head = "".join(f"{'best':>11}" + "".join(
            f"{n:>{w - 1}} " for n, w in zip(self.a.names, self.widths))
            for _ in metrics)
        lines.append(self.paint(DIM, f"{'row':<{self.first}}{head}".rstrip()))
        group = None
        for row in self.a.measured:
            if row.group != group and group is not None:
                lines.append("")
            group = row.group
            lines.append((f"{row.name:<{self.first}}" + "".join(
                self.row_part(row, m) for m in metrics)).rstrip())
        lines.append("")
        lines.append(self.mean_line(metrics))
        lines.append(self.wins_line(metrics))
        return "\n".join(lines)

    def wide(self):
        return 9 + sum(self.widths)

    def row_part(self, row, metric):
        least = min(row.cells[n].median(metric) for n in row.good)
        winners = row.winners(metric)
        out = self.paint(DIM, f"{TEXT[metric](least):>11}")
        for name, width in zip(self.a.names, self.widths):
            if name not in row.good:
                text = "failed" if row.cells[name].error else "–"
                out += self.paint(RED, f"{text:>{width - 1}} ")
                continue
            ratio = row.cells[name].best[metric]
            mark = "=" if name in winners and len(winners) > 1 else " "
            out += self.paint(
                self.colour(ratio.value, name in winners),
                f"{ratio_text(ratio.value):>{width - 1}}{mark}")
        return out

    @staticmethod
    def colour(value, best):
        return GREEN if best else "0" if value < 1.25 else \
            YELLOW if value < 2 else RED

    def mean_line(self, metrics):
        out = self.paint(BOLD, f"{'geometric mean':<{self.first}}")
        for metric in metrics:
            out += " " * 11
            leaders = self.a.leaders(metric)
            for name, width in zip(self.a.names, self.widths):
                mean = self.a.means[name]
                if not mean:
                    out += f"{'–':>{width - 1}} "
                    continue
                value = mean[metric].value
                mark = "=" if name in leaders and len(leaders) > 1 else " "
                out += self.paint(
                    BOLD + ";" + self.colour(value, name in leaders),
                    f"{value:>{width - 1}.3f}{mark}")
        return out.rstrip()

    def wins_line(self, metrics):
        out = self.paint(DIM, f"{'best (shared)':<{self.first}}")
        for metric in metrics:
            out += " " * 11
            for name, width in zip(self.a.names, self.widths):
                alone, shared = self.a.wins(name, metric)
                out += f"{f'{alone} ({shared})':>{width - 1}} "
        return out.rstrip()

    def versus(self):
        lines = []
        for v in self.a.versus:
            for metric in METRICS:
                mean = v.mean[metric]
                if not mean:
                    continue
                better, worse = ("faster", "slower") if metric == TIME else \
                    ("smaller", "bigger")
                tie = ", a tie" if mean.tie else ""
                lines.append(
                    f"{self.a.base} / {v.other}: {TITLE[metric]} "
                    f"{mean.value:.3f} ({interval_text(mean)}{tie}); "
                    f"{better} on {len(v.ahead[metric])} rows, "
                    f"{worse} on {len(v.behind[metric])}, "
                    f"ties on {len(v.tied[metric])}")
        return "\n".join(lines)


def notes(analysis):
    """What went wrong, and how to read it; a list of lines."""
    lines = [f"{row}: {name}: {why}"
             for (row, name), why in analysis.errors.items()]
    lines += [f"{r.name}: not measured: {r.skipped}"
              for r in analysis.rows if r.skipped]
    lines += [f"{row}: {name}: {why}"
              for (row, name), why in analysis.unfit.items()]
    asked, done = analysis.head["rounds"], analysis.rounds_done
    if done < asked:
        lines.append(f"only {done} of {asked} rounds were run")
    if done < 5:
        lines.append("fewer than five rounds tell little apart: intervals "
                     "are wide, and most rows tie")
    return lines
