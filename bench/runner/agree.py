# SPDX-License-Identifier: MIT
"""Do two measurements of the same things agree?

Door:  agree.py DIR DIR   the results of two `buddymalloc bench`; exit 1 where
       fewer than 95 % of the intervals overlap.
What:  for each row, metric and allocator: does the interval of one measurement
       overlap that of the other? If they do not, the intervals promise more
       than the machine keeps.
"""
import sys

from analyse import METRICS, Analysis
from common import Usage
from main import guarded
from store import Store
from table import TITLE, interval_text

WANTED = 0.95


def load(directory):
    store = Store(directory)
    store.load()
    return Analysis(store)


def run(argv):
    if len(argv) != 2:
        raise Usage("agree.py wants two directories of results")
    one, two = (load(d) for d in argv)
    others = {row.name: row for row in two.measured}
    bad = False
    for metric in METRICS:
        agree = total = 0
        for row in one.measured:
            for name in row.good:
                if row.name not in others or \
                        name not in others[row.name].good:
                    continue
                a = row.cells[name].best[metric]
                b = others[row.name].cells[name].best[metric]
                total += 1
                agree += a.overlaps(b)
                if not a.overlaps(b):
                    print(f"  {row.name} {name} {TITLE[metric]}: "
                          f"{interval_text(a)}, then {interval_text(b)}")
        if not total:
            raise Usage("the two have no row in common")
        print(f"{TITLE[metric]}: {agree} of {total} intervals overlap "
              f"({100 * agree / total:.1f} %)")
        bad |= agree < WANTED * total
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(guarded(run))
