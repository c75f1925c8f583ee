# SPDX-License-Identifier: MIT
"""Documents to JSON and back, as a web service does."""
import json
import zlib

ROUNDS, DOCUMENTS = 26, 700


def dice(state):
    while True:
        state = state * 16807 % 2147483647
        yield state


def document(n, roll):
    return {
        "id": n,
        "name": f"user-{next(roll) % 10000}",
        "tags": [f"t{next(roll) % 100}" for _ in range(next(roll) % 8)],
        "score": next(roll) % 1000 / 8,
        "address": {"street": "s" * (next(roll) % 60), "zip": None,
                    "geo": [next(roll) % 180, next(roll) % 90 / 4]},
        "orders": [{"item": next(roll) % 5000, "count": k, "paid": k % 2 == 0,
                    "text": "caf\u00e9 \"quoted\" \n" * (next(roll) % 4)}
                   for k in range(next(roll) % 6)],
    }


def main():
    roll = dice(42)
    check, stored = 0, []
    for n in range(ROUNDS):
        batch = [document(n * DOCUMENTS + k, roll) for k in range(DOCUMENTS)]
        text = json.dumps(batch)
        check = zlib.crc32(text.encode(), check)
        lines = [json.dumps(d, sort_keys=True, indent=1) for d in batch]
        back = [json.loads(line) for line in lines]
        if back != json.loads(text) or back != batch:
            raise SystemExit("json: a document changed")
        # A cache of a few thousand answers, the oldest go.
        stored.extend(lines)
        del stored[:-3000]
        check = zlib.crc32("".join(stored[::7]).encode(), check)
    print(f"json {check:08x} {len(stored)}")


main()
