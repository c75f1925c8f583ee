# SPDX-License-Identifier: MIT
"""The allocators: where their files are and what environment they need.

What:  buddymalloc is this build's own; glibc is no preload at all; jemalloc,
       mimalloc and gperftools are looked for under the names that Debian and
       others give their files; everything else comes by its path.
Door:  choose(wanted, preload): what --against said, or all that is here.
Invariant: an allocator's settings reach the measured program alone, and no
       setting of the user's environment reaches any (clean_environment).
"""
import glob
import hashlib
import os
import re
import subprocess

from common import Trouble, Usage, say

OURS, LIBC = "buddymalloc", "glibc"
# name: (files, the Debian package that has one)
KNOWN = {
    "jemalloc": (("libjemalloc.so.2", "libjemalloc.so"), "libjemalloc2"),
    "mimalloc": (("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"),
                 "libmimalloc2.0"),
    "gperftools": (("libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so"),
                   "libtcmalloc-minimal4"),
}
PLACES = ("/usr/local/lib", "/usr/local/lib64", "/usr/lib/*-linux-gnu",
          "/usr/lib64", "/usr/lib", "/lib/*-linux-gnu", "/lib64", "/lib")
# What may change an allocator; only --against sets it.
DIRTY = re.compile(r"LD_PRELOAD$|LD_LIBRARY_PATH$|GLIBC_TUNABLES$|"
                   r"BUDDYMALLOC_|MALLOC_|MIMALLOC_|TCMALLOC_|JE_MALLOC_|"
                   r"_RJEM_|SNMALLOC_|RPMALLOC_|BENCH_|LD_BIND_NOW$")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*$")
SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Files whose mapping says that another malloc than libc's is there.
STRANGERS = re.compile(r"/lib(jemalloc|mimalloc|tcmalloc|buddymalloc|"
                       r"snmalloc|rpmalloc|hoard)[^/]*\.so")


def clean_environment():
    return {k: v for k, v in os.environ.items() if not DIRTY.match(k)}


class Allocator:
    """A name, a file to preload (None: libc's) and its environment."""

    def __init__(self, name, path, settings=()):
        self.name, self.path, self.settings = name, path, list(settings)
        self.version = self.digest = ""
        if path:
            with open(path, "rb") as f:
                self.digest = hashlib.sha256(f.read()).hexdigest()[:16]

    def environment(self):
        """NAME=VALUE words for a program that runs under it."""
        preload = [f"LD_PRELOAD={self.path}"] if self.path else []
        return preload + self.settings

    def is_owner(self, owner):
        """Is this the file that malloc came from?"""
        if self.path:
            return os.path.realpath(owner) == os.path.realpath(self.path)
        return re.match(r"libc[.-]", os.path.basename(owner)) is not None

    def fault_in_maps(self, files):
        """What is wrong with a process that maps these files; None if none."""
        if self.path:
            real = os.path.realpath(self.path)
            return None if real in files else f"{real} is not mapped"
        other = sorted(f for f in files if STRANGERS.search(f))
        return f"{other[0]} is mapped" if other else None

    def as_dict(self):
        return {"name": self.name, "path": self.path or "",
                "settings": self.settings, "version": self.version,
                "digest": self.digest}


def find_known(name):
    files, _ = KNOWN[name]
    for file in files:
        for place in PLACES:
            for path in sorted(glob.glob(os.path.join(place, file))):
                if os.path.isfile(path):
                    return path
    return None


def debian_version(path):
    """The package that a file belongs to, with its version; or ''."""
    real = os.path.realpath(path)
    for file in dict.fromkeys((path, real, real.removeprefix("/usr"))):
        try:
            found = subprocess.run(
                ["dpkg-query", "-S", file], capture_output=True, text=True,
                timeout=20, check=False).stdout.partition(": ")[0]
            if not found:
                continue
            return subprocess.run(
                ["dpkg-query", "-W", "-f", "${Package} ${Version}",
                 found.split(",")[0]], capture_output=True, text=True,
                timeout=20, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            break
    return ""


def libc_version():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        return ""


def split_settings(text, words):
    """NAME=VALUE,NAME=VALUE: a piece without = belongs to the one before."""
    settings = []
    for word in words:
        if SETTING.match(word):
            settings.append(word)
        elif settings:
            settings[-1] += "," + word
        else:
            raise Usage(f"--against {text}: '{word}' is no NAME=VALUE")
    for setting in settings:
        if setting.startswith("LD_PRELOAD="):
            raise Usage(f"--against {text}: LD_PRELOAD is the path's place")
        if any(c.isspace() for c in setting):
            raise Usage(f"--against {text}: no spaces in '{setting}'")
    return settings


def parse(text, preload):
    """NAME[=PATH or known name][,ENV=VALUE...] -> Allocator.

    Usage where the text is wrong, Trouble where the file is.
    """
    head, *rest = text.split(",")
    name, equals, place = head.partition("=")
    if not NAME.match(name):
        raise Usage(f"--against {text}: '{name}' is no name")
    settings = split_settings(text, rest)
    known = place if equals else name
    if known == LIBC:
        return Allocator(name, None, settings)
    if known == OURS:
        if not preload:
            raise Trouble(f"{name}: no libbuddymalloc-preload.so")
        return Allocator(name, preload, settings)
    if known in KNOWN:
        path = find_known(known)
        if not path:
            raise Trouble(f"{name}: not found (Debian: {KNOWN[known][1]})")
        return Allocator(name, path, settings)
    if not equals:
        raise Usage(f"--against {text}: '{name}' is none of {OURS}, {LIBC}, "
                    f"{', '.join(KNOWN)}; others need NAME=PATH.so")
    if not place:
        raise Usage(f"--against {text}: no path after '='")
    path = os.path.abspath(place)
    if any(c in path for c in ": \t\n"):
        raise Trouble(f"{name}: {path}: LD_PRELOAD takes no path with a "
                      "colon or a space")
    try:
        return Allocator(name, path, settings)
    except OSError as why:
        raise Trouble(f"{name}: {place}: {why.strerror}") from None


def everything(preload):
    """buddymalloc, glibc and each known one that is here."""
    missing = [f"{n} (Debian: {KNOWN[n][1]})"
               for n in KNOWN if not find_known(n)]
    if missing:
        say(f"not here, so not measured: {', '.join(missing)}")
    here = [n for n in KNOWN if find_known(n)]
    return [parse(n, preload) for n in [OURS, LIBC, *here]]


def choose(wanted, preload):
    """(allocators, complaints) for the values of --against.

    buddymalloc always takes part unless one of the names says what stands in
    for it; `all` stands for everything found.
    """
    chosen, complaints = [], []
    for text in wanted or ["all"]:
        try:
            chosen += everything(preload) if text == "all" else \
                [parse(text, preload)]
        except Usage:
            raise
        except Trouble as why:
            complaints.append(str(why))
    if wanted and OURS not in [a.name for a in chosen]:
        try:
            chosen.insert(0, parse(OURS, preload))
        except Trouble as why:
            complaints.append(str(why))
    names = [a.name for a in chosen]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise Usage(f"--against: the name {twice[0]} is there twice")
    for one in chosen:
        one.version = libc_version() if not one.path else \
            debian_version(one.path) if one.name != OURS else ""
    return chosen, complaints
