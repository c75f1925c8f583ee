# SPDX-License-Identifier: MIT
"""What machine this is: the facts without which no figure means anything."""
import os
import re
import subprocess
import time


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def processor():
    text = read("/proc/cpuinfo")
    for key in ("model name", "Model", "cpu model", "uarch"):
        found = re.search(rf"^{key}\s*: (.*)$", text, re.M)
        if found:
            return " ".join(found.group(1).split())
    return os.uname().machine


def bracketed(path):
    """The choice in a line such as "always [madvise] never"."""
    return read(path).partition("[")[2].partition("]")[0] or "?"


def steal_ticks():
    """(stolen, all) CPU ticks so far: what the host took from a guest."""
    fields = [int(n) for n in
              read("/proc/stat").partition("\n")[0].split()[1:9]]
    return (fields[7], sum(fields)) if len(fields) == 8 else (0, 0)


def mib(key):
    found = re.search(rf"^{key}:\s*(\d+)", read("/proc/meminfo"), re.M)
    return int(found.group(1)) // 1024 if found else 0


def system_name():
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"),
                      re.M)
    return found.group(1) if found else "Linux"


def commit_of(directory):
    """The commit that a source tree is at, -dirty if it was edited; or ''."""
    try:
        done = subprocess.run(
            ["git", "-C", directory, "describe", "--always", "--dirty",
             "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def describe(source):
    """source: a directory of the project's tree, for the commit."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": mib("MemTotal"),
        "virtual": "hypervisor" in read("/proc/cpuinfo"),
        "system": system_name(),
        "kernel": os.uname().release,
        "page_kib": os.sysconf("SC_PAGE_SIZE") // 1024,
        "huge_pages": bracketed("/sys/kernel/mm/transparent_hugepage/enabled"),
        "overcommit": read("/proc/sys/vm/overcommit_memory").strip() or "?",
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/"
                         "scaling_governor").strip(),
        "load": round(os.getloadavg()[0], 2),
        "commit": commit_of(source),
    }


def sentence(m):
    """The facts on one line."""
    parts = [f"{m['cpus']} CPUs ({m['processor']})"
             f"{', a virtual machine' if m['virtual'] else ''}",
             f"{m['memory_mib'] / 1024:.0f} GiB", m["system"],
             f"Linux {m['kernel']}", f"huge pages {m['huge_pages']}"]
    if m["page_kib"] != 4:
        parts.append(f"pages of {m['page_kib']} KiB")
    if m["overcommit"] not in ("0", "1"):
        parts.append("strict overcommit")
    if m["governor"] not in ("", "performance"):
        parts.append(f"CPU governor {m['governor']}")
    return ", ".join(parts)
