# SPDX-License-Identifier: MIT
"""The progress bar: how far, what is running, how long it will still take.

Invariant: it is drawn on stderr and only if that is a terminal; elsewhere
       each round leaves one line. Nothing of it ever reaches stdout.
"""
import shutil
import sys
import time

BAR = 24


def clock(seconds):
    seconds = int(seconds + 0.5)
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}"


class Progress:
    """Counts steps of different lengths, each of which comes again."""

    def __init__(self, counts, stream=None):
        """counts: {step: how many times it will still be done}."""
        self.left = dict(counts)
        self.took = {}                  # step: seconds, the last time
        self.total = sum(self.left.values())
        self.done = 0
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.since = time.monotonic()

    def seconds_left(self):
        if not self.took:
            return None
        usual = sum(self.took.values()) / len(self.took)
        return sum(n * self.took.get(step, usual)
                   for step, n in self.left.items())

    def show(self, words):
        if not self.terminal:
            return
        part = self.done / self.total if self.total else 1
        bar = "█" * round(part * BAR)
        left = self.seconds_left()
        text = (f"{bar:░<{BAR}} {100 * part:3.0f} %  "
                f"{clock(left) + ' left' if left is not None else '':>13}"
                f"  {words}")
        columns = shutil.get_terminal_size().columns
        self._write(f"\r\033[K{text[:columns - 1]}")

    def step(self, step, seconds):
        self.took[step] = seconds
        self.left[step] = max(self.left.get(step, 0) - 1, 0)
        self.done += 1

    def drop(self, step):
        """It will not come again."""
        self.total -= self.left.pop(step, 0)

    def line(self, text):
        """A line for those who have no bar."""
        if not self.terminal:
            self._write(f"bench: {text}, {clock(time.monotonic() - self.since)}"
                        "\n")

    def clear(self):
        if self.terminal:
            self._write("\r\033[K")

    def _write(self, text):
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, UnicodeError):
            self.terminal = False
