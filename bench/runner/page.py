# SPDX-License-Identifier: MIT
"""The report as one HTML page that loads nothing and needs no script.

What:  who is ahead on the whole, every row as a table of ratios, the base
       against each other one, scaling with threads, resident size over time,
       all single runs, and what was measured where.
Invariant: everything shown comes from the Analysis; a name or a text of the
       outside goes through escape().
"""
import os
from html import escape

import machine
from analyse import MEMORY, METRICS, TIME
from svg import RIGHT, Plot, Scale
from table import TEXT, interval_text, memory_text, notes, ratio_text, \
    time_text

PALETTE = 12
WIDE = 6             # more allocators: time and memory one below the other
CURVE_POINTS = 80
CURVE_LEAST_KIB = 6 << 10
TIE_SHOWN_BEST = 1.1
# Classes of cells by how far they are from the best.
STEPS = ((1.05, "near"), (1.25, "q1"), (1.6, "q2"), (2.5, "q3"))


def step_class(value, best):
    if best:
        return "best"
    return next((name for limit, name in STEPS if value < limit), "q4")


def cell_class(value, best):
    """A tie far from 1.00 is one because of noise: not as good as the best."""
    if best and value >= TIE_SHOWN_BEST:
        return "tie"
    return step_class(value, best)


class Page:
    """Makes the sections one after the other."""

    def __init__(self, analysis):
        self.a = analysis
        # The base has the first colour, the others keep their order.
        ordered = [analysis.base] + [n for n in analysis.names
                                     if n != analysis.base]
        self.colour = {n: i % PALETTE for i, n in enumerate(ordered)}
        self.order = ordered

    # ---- pieces ----
    def key(self):
        return '<div class="key">' + "".join(
            f'<span style="--k:var(--c{self.colour[n]})">{escape(n)}</span>'
            for n in self.order) + "</div>"

    def line_class(self, name):
        return f"s{self.colour[name]}" + \
            (" base" if name == self.a.base else "")

    # ---- 1: on the whole ----
    def overall(self):
        means = {n: m for n, m in self.a.means.items() if m}
        return ("<h2>On the whole</h2><p class=dim>Geometric means over "
                f"{len(self.a.measured)} rows of the ratio to each row’s "
                "best. 1.00 would be the best everywhere; nearer to the lower "
                "left corner is better.</p>"
                f'<div class="pair"><div>{self.scatter(means)}</div>'
                f'<div class="scroll">{self.ranking(means)}</div></div>')

    def scatter(self, means):
        plot = Plot(420, 330, "time and memory of each allocator")
        values = {n: (m[TIME].value, m[MEMORY].value)
                  for n, m in means.items()}
        across, up = zip(*values.values())
        x = plot.x_scale(max(0.96, min(across) * 0.85),
                         max(1.3, max(across)) * 1.25, log=True)
        y = plot.y_scale(max(0.96, min(up) * 0.85),
                         max(1.3, max(up)) * 1.15, log=True)
        plot.axes(x, y, x_name="time →", y_name="↑ peak memory")
        taken = []
        for name in self.order:
            if name not in means:
                continue
            t, m = means[name][TIME], means[name][MEMORY]
            at = x(t.value), y(m.value)
            kind = f"s{self.colour[name]} whisker"
            plot.line(x(max(t.low, x.low)), at[1], x(min(t.high, x.high)),
                      at[1], kind)
            plot.line(at[0], y(max(m.low, y.low)), at[0],
                      y(min(m.high, y.high)), kind)
            plot.dot(*at, f"f{self.colour[name]}",
                     f"{name}: time {t.value:.3f} ({interval_text(t)}), "
                     f"memory {m.value:.3f} ({interval_text(m)})", 5.5)
            height = next(
                (at[1] + d for d in (-9, 19, -22, 32, -35)
                 if not any(abs(at[1] + d - h) < 13 and abs(at[0] - w) < 90
                            for w, h in taken)), at[1] - 9)
            taken.append((at[0], height))
            right = at[0] > plot.width - 90
            plot.text(at[0] + (-8 if right else 8), height, name,
                      "end" if right else "start",
                      "base" if name == self.a.base else "label")
        return plot.svg()

    def ranking(self, means):
        rows = []
        leaders = {m: self.a.leaders(m) for m in METRICS}
        for name in sorted(means, key=lambda n: means[n][TIME].value *
                           means[n][MEMORY].value):
            cells = f'<td><b>{escape(name)}</b></td>'
            for metric in METRICS:
                mean = means[name][metric]
                kind = step_class(mean.value, name in leaders[metric])
                cells += (f'<td class="{kind}" title="interval '
                          f'{interval_text(mean)}">{mean.value:.2f}</td>')
            both = means[name][TIME].value * means[name][MEMORY].value
            cells += f"<td>{both:.2f}</td>"
            for metric in METRICS:
                alone, shared = self.a.wins(name, metric)
                cells += f"<td>{alone} <span class=dim>+ {shared}</span></td>"
            missing = len(self.a.measured) - len(self.a.rows_of(name))
            cells += f"<td class=bad>{missing} failed</td>" if missing else ""
            rows.append(f"<tr>{cells}</tr>")
        return ("<table><tr><th></th><th>time</th><th>memory</th>"
                "<th title='time × memory'>both</th>"
                "<th title='rows: the best alone + not told from the best'>"
                "fastest on</th><th>smallest on</th></tr>" + "".join(rows) +
                "</table><p class=dim style='font-size:12.5px'>fastest and "
                "smallest: rows alone + rows where the difference to the best "
                "is inside the noise</p>")

    # ---- 2: each row ----
    def table(self):
        boxes = (("best", "the best"), ("tie", "inside the noise of the best"),
                 ("near", "up to 1.05"), ("q1", "1.25"), ("q2", "1.6"),
                 ("q3", "2.5"), ("q4", "more"))
        legend = "".join(f'<span style="--k:var(--{k})">{t}</span>'
                         for k, t in boxes)
        tables = [METRICS] if len(self.order) <= WIDE else \
            [[m] for m in METRICS]
        return ("<h2>Each row</h2><p class=dim>Ratios to the best of the row: "
                "1.30 is 30 % more time or memory. <b>=</b> marks what the "
                "noise does not let us tell from the best. Point at a cell "
                "for its figures.</p>"
                f'<div class="key boxes">{legend}</div>' +
                "".join(self.one_table(m) for m in tables))

    def one_table(self, metrics):
        title = {TIME: "Time", MEMORY: "Peak memory"}
        over = "".join(f'<th></th><th class="over" colspan="'
                       f'{len(self.order)}">{title[m]}</th>' for m in metrics)
        head = "".join("<th>best</th>" + "".join(
            f"<th>{escape(n)}</th>" for n in self.order) for _ in metrics)
        body, group = [], None
        for row in self.a.measured:
            if row.group != group:      # the heads again: tables are long
                group = row.group
                body.append(f'<tr class="group"><th>{escape(group)}</th>'
                            f"{head}</tr>")
            body.append(f'<tr><td class="name" title="{escape(row.what)}">'
                        f'{escape(row.name)}</td>' + "".join(
                            self.row_cells(row, m) for m in metrics) +
                        "</tr>")
        body.append('<tr class="sum"><td>geometric mean</td>' + "".join(
            self.mean_cells(m) for m in metrics) + "</tr>")
        return (f'<div class="scroll"><table class="rows"><tr><th></th>{over}'
                f"</tr>{''.join(body)}</table></div>")

    def row_cells(self, row, metric):
        least = min(row.cells[n].median(metric) for n in row.good)
        winners = row.winners(metric)
        out = f'<td class="abs">{TEXT[metric](least)}</td>'
        for name in self.order:
            cell = row.cells[name]
            if name not in row.good:
                why = escape(cell.error or "no run", quote=True)
                out += f'<td class="bad" title="{why}">' \
                       f'{"failed" if cell.error else "–"}</td>'
                continue
            ratio, best = cell.best[metric], name in winners
            kind = cell_class(ratio.value, best)
            if best and len(winners) == 1:
                kind += " alone"
            mark = "=" if best and len(winners) > 1 else ""
            out += (f'<td class="{kind}" title="'
                    f'{escape(self.tip(row, name, metric), quote=True)}">'
                    f"{ratio_text(ratio.value)}<i>{mark}</i></td>")
        return out

    def tip(self, row, name, metric):
        cell = row.cells[name]
        ratio = cell.best[metric]
        parts = [f"{row.name}, {name}: {TEXT[metric](cell.median(metric))}",
                 f"ratio {ratio.value:.3f} ({interval_text(ratio)})",
                 f"{len(cell.records)} runs"]
        if metric == TIME:
            for key, label in (("user_us", "user"), ("sys_us", "system")):
                parts.append(f"{label} {time_text(cell.of(key) * 1e3)}")
        else:
            after = cell.of("after_kib")
            if after is not None:
                parts.append(f"{memory_text(after)} after all was freed")
            parts.append(f"{cell.of('minor_faults'):,.0f} page faults")
        if name in row.calls:
            parts.append(f"{row.calls[name]:,} system calls")
        return "\n".join(parts)

    def mean_cells(self, metric):
        leaders, out = self.a.leaders(metric), '<td class="abs"></td>'
        for name in self.order:
            mean = self.a.means[name]
            if not mean:
                out += "<td>–</td>"
                continue
            mark = "=" if name in leaders and len(leaders) > 1 else ""
            out += (f'<td class="'
                    f'{step_class(mean[metric].value, name in leaders)}" '
                    f'title="interval {interval_text(mean[metric])}">'
                    f"{mean[metric].value:.2f}<i>{mark}</i></td>")
        return out

    # ---- 3: the base against each other one ----
    def versus(self):
        if not self.a.versus:
            return ""
        rows = []
        for v in self.a.versus:
            cells = f"<td>{escape(v.other)}</td>"
            for metric in METRICS:
                mean = v.mean[metric]
                if not mean:
                    cells += "<td class=gap>–</td><td></td>"
                    continue
                cells += (f'<td class="gap"><b>{mean.value:.2f}</b> '
                          f'<span class=dim>({interval_text(mean)}'
                          f'{", tie" if mean.tie else ""})</span></td>'
                          f"<td>{self.bar(v, metric)}</td>")
            rows.append(f"<tr>{cells}</tr>")
        return (f"<h2>{escape(self.a.base)} against each other one</h2>"
                "<p class=dim>Direct ratios, geometric means over rows: below "
                f"1 {escape(self.a.base)} is better. The bars count rows: "
                "better, inside the noise, worse.</p>"
                '<div class="key boxes"><span style="--k:var(--best)">better'
                '</span><span style="--k:var(--line)">tie</span>'
                '<span style="--k:var(--q3)">worse</span></div>'
                '<div class="scroll"><table><tr><th></th>'
                '<th class="gap">time</th><th></th>'
                '<th class="gap">peak memory</th><th></th></tr>' +
                "".join(rows) + "</table></div>")

    @staticmethod
    def bar(versus, metric):
        parts = (("win", versus.ahead[metric]), ("even", versus.tied[metric]),
                 ("lose", versus.behind[metric]))
        return '<div class="bar">' + "".join(
            f'<b class="{kind}" style="flex:{len(names)}" title="'
            f'{escape(", ".join(names), quote=True)}">{len(names)}</b>'
            for kind, names in parts if names) + "</div>"

    # ---- 4: threads ----
    def scaling(self):
        families = {}
        for row in self.a.measured:
            if row.kind == "row":
                families.setdefault(row.family, []).append(row)
        pictures = [self.scaling_plot(name, rows)
                    for name, rows in families.items() if len(rows) > 1]
        if not pictures:
            return ""
        return ("<h2>Scaling with threads</h2><p class=dim>Million operations "
                "a second of all threads together, by the number of threads: "
                "higher is better.</p>" + self.key() +
                f'<div class="many">{"".join(pictures)}</div>')

    def scaling_plot(self, family, rows):
        rows = sorted(rows, key=lambda r: r.threads)
        lines = {n: [(r.threads, 1e3 / r.cells[n].median(TIME))
                     for r in rows if n in r.good] for n in self.order}
        rates = [v for line in lines.values() for _, v in line]
        plot = Plot(300, 180, f"{family}: rate by threads")
        x = plot.x_scale(rows[0].threads, rows[-1].threads, log=True)
        y = plot.y_scale(min(rates) * 0.85, max(rates) * 1.2, log=True)
        plot.axes(x, y, x_ticks=[r.threads for r in rows])
        for name in reversed(self.order):
            points = [(x(t), y(v)) for t, v in lines[name]]
            if len(points) > 1:
                plot.path(points, self.line_class(name), name)
            for at, (threads, rate) in zip(points, lines[name]):
                plot.dot(*at, f"f{self.colour[name]}",
                         f"{name}: {rate:.3g} M/s, {threads} threads", 2.6)
        return self.card(family, rows[0].what, plot)

    @staticmethod
    def card(title, what, plot):
        return (f"<div><h3>{escape(title)}</h3><p>{escape(what)}</p>"
                f"{plot.svg()}</div>")

    # ---- 5: memory over time ----
    def curves(self):
        rows = [r for r in self.a.measured
                if max((k for c in r.curves.values() for _, k in c),
                       default=0) > CURVE_LEAST_KIB and
                max(len(c) for c in r.curves.values()) >= 8]
        if not rows:
            return ""
        return ("<h2>Resident memory over time</h2><p class=dim>MiB over "
                "seconds, from the uncounted first run of each: lower is "
                "smaller, shorter is faster.</p>" + self.key() +
                '<div class="many">' +
                "".join(self.curve_plot(r) for r in rows) + "</div>")

    def curve_plot(self, row):
        curves = {n: thin(c) for n, c in row.curves.items() if c}
        plot = Plot(300, 180, f"{row.name}: resident memory over time")
        x = plot.x_scale(0, max(c[-1][0] for c in curves.values()))
        y = plot.y_scale(0, max(k for c in curves.values() for _, k in c)
                         / 1024 * 1.06)
        plot.axes(x, y)
        for name in reversed(self.order):
            if name in curves:
                plot.path([(x(t), y(k / 1024)) for t, k in curves[name]],
                          self.line_class(name), name)
        return self.card(row.name, row.what, plot)

    # ---- 6: all runs ----
    def distributions(self):
        return ("<details><summary>Every single run</summary><p class=dim>"
                "Each dot is a run’s time, each bar a median: how far the "
                "runs of one allocator lie apart, and whether there are two "
                "heaps of them.</p>" + self.key() + '<div class="many">' +
                "".join(self.strip_plot(r) for r in self.a.measured) +
                "</div></details>")

    def strip_plot(self, row):
        names = [n for n in self.order if n in row.good]
        runs = {n: list(row.cells[n].values(TIME).values()) for n in names}
        low = min(min(v) for v in runs.values())
        high = max(max(v) for v in runs.values())
        for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)):
            if low >= size:
                break
        plot = Plot(300, 34 + 17 * len(names), f"{row.name}: all runs", 82)
        x = Scale(low * 0.97 / size, high * 1.03 / size, plot.left,
                  plot.width - RIGHT, high > 4 * low)
        plot.axes(x, Scale(0, 1, 0, 1), y_ticks=[], x_name=unit)
        for lane, name in enumerate(names):
            y = 13 + 17 * lane
            plot.line(plot.left, y, plot.width - RIGHT, y, "grid")
            plot.text(plot.left - 6, y + 3.5, name, "end")
            for value in runs[name]:
                plot.dot(x(value / size), y, f"f{self.colour[name]} run",
                         f"{name}: {time_text(value)}", 3)
            at = x(row.cells[name].median(TIME) / size)
            plot.line(at, y - 6, at, y + 6, f"s{self.colour[name]} median")
        return self.card(row.name, "", plot)

    # ---- 7: facts ----
    def facts(self):
        head = self.a.head
        facts = [("machine", machine.sentence(head["machine"])),
                 ("commit", head["machine"]["commit"] or "unknown"),
                 ("rounds", f"{self.a.rounds_done}, and one to warm up"),
                 ("work", f"{head['scale']:g} of each row’s usual work")]
        for a in head["allocators"]:
            words = [a["version"], a["path"] or "no preload", *a["settings"]]
            facts.append((a["name"], ", ".join(w for w in words if w)))
        return ("<h2>What was measured, and how</h2><dl>" + "".join(
            f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>"
            for k, v in facts) + "</dl><p>In each round every allocator does "
            "every row once, in an order that changes; only runs of one round "
            "are compared. A ratio is the middle of the rounds’ ratios with "
            "its 95 % interval by ranks, widened by what sessions differ by "
            "on an idle machine. The best of a row is "
            "chosen from the other rounds, so luck makes nobody best: equals "
            "get about 1.00 each, sometimes a little less. A tie is a "
            "difference within 3 % (one thread), 10 % (several threads) or "
            "the interval; in memory 3 % (one thread), 5 % (several threads) "
            "or 256 KiB.</p>")

    def colours(self):
        return "".join(
            f".s{i}{{stroke:var(--c{i})}}.f{i}{{fill:var(--c{i})}}"
            for i in range(PALETTE)) + \
            ".whisker{stroke-width:1.3;opacity:.55}.run{opacity:.55}" \
            ".median{stroke-width:2}"

    def html(self):
        style = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "style.css")
        with open(style, encoding="utf-8") as f:
            css = f.read()
        m = self.a.head["machine"]
        warnings = "".join(f'<div class="warn">{escape(n)}</div>'
                           for n in notes(self.a))
        return ("<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
                '<meta name=viewport content="width=device-width">'
                "<title>Allocators compared</title>"
                f"<style>{css}{self.colours()}</style></head><body>"
                "<h1>Allocators compared</h1>"
                f'<div class="facts">{escape(m["date"])} · '
                f"{escape(machine.sentence(m))} · {len(self.a.measured)} "
                f"rows, {self.a.rounds_done} rounds</div>{warnings}"
                f"{self.overall()}{self.versus()}{self.table()}"
                f"{self.scaling()}{self.curves()}{self.distributions()}"
                f"{self.facts()}</body></html>\n")


def thin(curve):
    """At most so many points, the highest kept."""
    if len(curve) <= CURVE_POINTS:
        return curve
    size = -(-len(curve) // CURVE_POINTS)
    return [max(curve[i:i + size], key=lambda p: p[1])
            for i in range(0, len(curve), size)]


def html(analysis):
    return Page(analysis).html()
