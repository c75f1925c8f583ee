# SPDX-License-Identifier: MIT
"""Plots as SVG text: scales, axes, lines, points.

Invariant: no colours here but classes (c0, c1 … are allocators), so that the
       page's style decides for light and dark alike.
"""
import math
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 26


class Scale:
    """From values to places, straight or by logarithms."""

    def __init__(self, low, high, start, end, log=False):
        if log:
            low, high = max(low, 1e-12), max(high, low * 1.0001, 1e-12)
        elif high <= low:
            high = low + (abs(low) or 1)
        self.low, self.high, self.log = low, high, log
        self.start, self.end = start, end

    def __call__(self, value):
        if self.log:
            part = math.log(max(value, 1e-12) / self.low) / \
                math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self, wanted=4):
        """Round values within the scale."""
        if self.log:
            for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7),
                          (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.5, 3, 4, 5,
                           6, 7, 8, 9)):
                found = [s * 10.0 ** e for e in range(-9, 13) for s in steps
                         if self.low <= s * 10.0 ** e <= self.high * 1.0001]
                if len(found) >= wanted - 1:
                    return found if len(found) <= 8 else found[::2]
            return found or [self.low, self.high]
        step = 10 ** math.floor(math.log10((self.high - self.low) / wanted))
        for times in (1, 2, 5, 10):
            if (self.high - self.low) / (step * times) <= wanted:
                step *= times
                break
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


def number(value):
    """A tick's label."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Plot:
    """One picture: elements in drawing order, in a fixed view box that the
    page scales."""

    def __init__(self, width, height, label, left=LEFT):
        self.width, self.height, self.label = width, height, label
        self.left = left
        self.parts = []

    def x_scale(self, low, high, log=False):
        return Scale(low, high, self.left, self.width - RIGHT, log)

    def y_scale(self, low, high, log=False):
        return Scale(low, high, self.height - BOTTOM, TOP, log)

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, words, anchor="middle", kind=""):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
                 f'{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>'
                 f'{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
                 f'y2="{y2:.1f}" class="{kind}"/>')

    def dot(self, x, y, kind, tip="", radius=3.5):
        inner = f"<title>{escape(tip)}</title>" if tip else ""
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" '
                 f'class="{kind}">{inner}</circle>')

    def path(self, points, kind, tip=""):
        inner = f"<title>{escape(tip)}</title>" if tip else ""
        self.add(f'<polyline class="{kind}" points="' +
                 " ".join(f"{x:.1f},{y:.1f}" for x, y in points) +
                 f'">{inner}</polyline>')

    def axes(self, x, y, x_ticks=None, y_ticks=None, x_name="", y_name=""):
        bottom = self.height - BOTTOM
        for value in y.ticks() if y_ticks is None else y_ticks:
            self.line(self.left, y(value), self.width - RIGHT, y(value),
                      "grid")
            self.text(self.left - 5, y(value) + 3.5, number(value), "end")
        self.line(self.left, bottom, self.width - RIGHT, bottom, "axis")
        for value in x.ticks() if x_ticks is None else x_ticks:
            self.line(x(value), bottom, x(value), bottom + 3, "axis")
            self.text(x(value), bottom + 14, number(value))
        if x_name:
            self.text(self.width - RIGHT, self.height - 2, x_name, "end",
                      "name")
        if y_name:
            self.text(self.left + 4, TOP + 8, y_name, "start", "name")

    def svg(self):
        return (f'<svg viewBox="0 0 {self.width} {self.height}" role="img" '
                f'aria-label="{escape(self.label, quote=True)}">' +
                "".join(self.parts) + "</svg>")
