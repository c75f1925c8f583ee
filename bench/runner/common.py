# SPDX-License-Identifier: MIT
"""What every part of the runner uses: errors and messages.

Invariant: whatever goes wrong is one line on stderr that begins with
"bench: ", and never a traceback.
"""
import sys


class Trouble(Exception):
    """Something that the user should read; its text is the whole line."""


class Usage(Trouble):
    """The command line is wrong (exit 2)."""


def say(text):
    try:
        print(f"bench: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass                    # nobody listens


def reason(why):
    """An OSError as people say it: the file, then what is wrong."""
    name = f"{why.filename}: " if getattr(why, "filename", None) else ""
    return f"{name}{why.strerror or why}"
