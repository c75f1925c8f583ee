# SPDX-License-Identifier: MIT
"""Where results are kept: results.jsonl, to which lines are only added.

What:  the first line says what was asked for and on which machine; then one
       line for each run, failure, curve or count of system calls, written
       out before the next run begins. A crash, an interrupt or a full disk
       can cost one line at most, and --resume goes on behind the last whole
       one. results.json and results.csv are made from it at the end.
Invariant: what decides whether results may be mixed (suite, scale,
       allocators' files) is in the first line and compared on --resume.
"""
import csv
import io
import json
import os
import tempfile

from common import Trouble, reason

LINES, VERSION = "results.jsonl", 1


class Store:
    """The lines of one directory."""

    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, LINES)
        self.head, self.runs = None, {}     # (row, allocator, round): record
        self.by_row = {}                    # row: {(allocator, round): record}
        self.errors, self.unfit = {}, {}    # (row, allocator): why
        self.curves, self.calls = {}, {}
        self.skipped = {}                   # row: why it cannot run here
        self.file = None

    # ---- reading ----
    def load(self):
        """Reads what is there and cuts off a last line that is not whole."""
        try:
            with open(self.path, "rb") as f:
                data = f.read()
        except OSError as why:
            raise Trouble(reason(why)) from None
        whole = data[:data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise Trouble(f"{self.path}: line {number} is none of "
                              "ours") from None
        if self.head is None:
            raise Trouble(f"{self.path}: holds no session")
        return len(whole) != len(data)

    def _take(self, record):
        kind = record["kind"]
        if kind == "session":
            if record["version"] != VERSION:
                raise Trouble(f"{self.path}: made by another version")
            if self.head is None:
                self.head = record
            else:                   # a session that went on
                self.head["resumed"] = self.head.get("resumed", 0) + 1
                self.head["rounds"] = record["rounds"]
            return
        row, name = record["row"], record.get("allocator")
        if kind == "run":
            self.runs[row, name, record["round"]] = record
            self.by_row.setdefault(row, {})[name, record["round"]] = record
            self.errors.pop((row, name), None)
        elif kind == "error":
            self.errors[row, name] = record["why"]
        elif kind == "unfit":
            self.unfit[row, name] = record["why"]
        elif kind == "curve":
            self.curves[row, name] = record["samples"]
        elif kind == "calls":
            self.calls[row, name] = record["calls"]
        elif kind == "skipped":
            self.skipped[row] = record["why"]

    # ---- writing ----
    def start(self, head):
        """Makes the directory, or goes on in it, and writes the first line."""
        try:
            os.makedirs(self.directory, exist_ok=True)
            if self.head is not None:
                with open(self.path, "rb+") as f:   # a broken last line
                    f.truncate(f.read().rfind(b"\n") + 1)
            elif os.path.exists(self.path):
                raise Trouble(f"{self.directory} has results already: "
                              "--resume goes on with them")
            # No buffer: what is written is with the kernel.
            self.file = open(self.path, "ab", buffering=0)
        except OSError as why:
            raise Trouble(reason(why)) from None
        self.add({"kind": "session", "version": VERSION, **head})

    def add(self, record):
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            written = self.file.write(line)
            if written != len(line):    # the next write says why
                self.file.write(line[written:])
        except OSError as why:
            raise Trouble(f"{self.path}: {why.strerror}; what was recorded "
                          "until now is kept, --resume goes on") from None
        self._take(record)

    def close(self):
        if self.file:
            self.file.close()
            self.file = None

    def write_whole(self, name, text):
        """A file is there as a whole or as it was."""
        path = os.path.join(self.directory, name)
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(
                    "w", encoding="utf-8", dir=self.directory, newline="",
                    prefix=f".{name}.", delete=False) as f:
                temporary = f.name
                f.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
            temporary = None
        except OSError as why:
            raise Trouble(f"{path}: {why.strerror}") from None
        finally:
            if temporary:
                try:
                    os.unlink(temporary)
                except OSError:
                    pass
        return path

    def same_question(self, head):
        """Why the results of another command must not be mixed with these."""
        for key, what in (("scale", "another --scale"),
                          ("suite", "other bench programs"),
                          ("rows", "other rows"),
                          ("allocators", "other allocators")):
            if key == "rows":
                differ = [r["name"] for r in self.head[key]] != \
                    [r["name"] for r in head[key]]
            else:
                differ = self.head[key] != head[key]
            if differ:
                raise Trouble(f"{self.directory} was measured with {what}: "
                              "name a new --out")


def csv_text(table):
    """One line for each row and allocator."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(table[0]) if table else [],
                            lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()
