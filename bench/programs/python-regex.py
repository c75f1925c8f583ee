# SPDX-License-Identifier: MIT
"""A log of text through regular expressions: parse, replace, split."""
import re
import zlib

LINES, ROUNDS = 22_000, 3

LINE = re.compile(r'(?P<host>[\d.]+) (?P<user>\S+) \[(?P<time>[^\]]+)\] '
                  r'"(?P<verb>[A-Z]+) (?P<path>[^ "?]+)(?:\?(?P<query>[^ "]*))?" '
                  r'(?P<code>\d{3}) (?P<size>\d+)')
TOKEN = re.compile(r"(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-z_]+)|(?P<op>[-+*/=<>]+)"
                   r"|(?P<blank>\s+)|(?P<other>.)", re.IGNORECASE)


def log(seed):
    state, out = seed, []
    for n in range(LINES):
        state = state * 16807 % 2147483647
        out.append(f'10.{state % 256}.{state % 199}.{n % 256} u{state % 500} '
                   f'[{n // 60:04}:{n % 60:02}] '
                   f'"{("GET", "POST", "PUT")[state % 3]} /p{state % 90}/item_{n}'
                   f'{"?a=%d&b=x%dy" % (n, state % 77) if state % 2 else ""}" '
                   f'{200 + state % 5 * 100} {state % 70000}')
    return out


def parse(lines):
    totals = {}
    for line in lines:
        fields = LINE.match(line).groupdict()
        key = fields["host"].rpartition(".")[0], fields["code"]
        totals.setdefault(key, []).append(int(fields["size"]))
        if fields["query"]:
            totals.setdefault(("q", ""), []).extend(
                len(part) for part in re.split(r"[&=]", fields["query"]))
    return str(sorted((k, sum(v), len(v)) for k, v in totals.items()))


def rewrite(lines):
    text = "\n".join(lines)
    text = re.sub(r"\b(\d+)\.(\d+)\.(\d+)\.(\d+)\b", r"\4-\3-\2-\1", text)
    text = re.sub(r"item_(\d+)", lambda m: f"<{int(m[1]) * 3:x}>", text)
    found = re.findall(r"(?m)^(\S+) .*?/p(\d)\d?/.* (\d+)$", text)
    return text + str(found[::100])


def tokens(lines):
    counts = {}
    for line in lines[:LINES // 4]:
        for match in TOKEN.finditer(line):
            key = match.lastgroup, match.group()
            counts[key] = counts.get(key, 0) + 1
    return str(sorted(counts.items())[::50])


def main():
    check = 0
    for n in range(1, ROUNDS + 1):
        lines = log(n * 104729)
        for work in (parse, rewrite, tokens):
            check = zlib.crc32(work(lines).encode(), check)
    print(f"regex {check:08x}")


main()
