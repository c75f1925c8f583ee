# SPDX-License-Identifier: MIT
"""The statistics of the runner against made-up data whose truth is known."""
import itertools
import math
import os
import random
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "bench", "runner"))
import stats    # noqa: E402


class Exact(unittest.TestCase):
    """Small cases that can be counted by hand."""

    def test_walsh(self):
        self.assertEqual(stats.walsh([1, 3]), [1, 2, 3])
        self.assertEqual(len(stats.walsh(list(range(10)))), 55)

    def test_cut_is_what_counting_gives(self):
        for n in range(5, 13):
            sums = [sum(r for r, s in zip(range(1, n + 1), signs) if s)
                    for signs in itertools.product((0, 1), repeat=n)]
            cut = stats.signed_rank_cut(n)
            tail = 2 * sum(s <= cut for s in sums) / len(sums)
            self.assertLessEqual(tail, 0.05 if cut else 0.07)
            wider = 2 * sum(s <= cut + 1 for s in sums) / len(sums)
            self.assertGreater(wider, 0.05)

    def test_one_round_knows_nothing(self):
        found = stats.ratio([(2.0, 1.0)], 0.03, 0.01)
        self.assertTrue(found.tie)
        self.assertEqual(found.value, 2.0)

    def test_example_of_the_head(self):
        found = stats.ratio([(x, 1) for x in (1.08, 1.10, 1.12, 1.09, 1.11)],
                            0.03, 0.015)
        self.assertAlmostEqual(found.value, 1.10, 3)
        self.assertAlmostEqual(found.low, 1.064, 3)
        self.assertAlmostEqual(found.high, 1.1368, 3)
        self.assertFalse(found.tie)

    def test_band(self):
        same = [(1.02, 1)] * 10
        self.assertTrue(stats.ratio(same, 0.03, 0.001).tie)
        self.assertFalse(stats.ratio(same, 0.01, 0.001).tie)

    def test_outlier_does_not_move_the_estimate(self):
        pairs = [(1.0, 1.0)] * 9 + [(50.0, 1.0)]
        self.assertAlmostEqual(stats.ratio(pairs, 0.03, 0.01).value, 1.0)

    def test_mean(self):
        one = stats.Ratio(2.0, 1.9, 2.1, 0.03)
        two = stats.Ratio(0.5, 0.45, 0.55, 0.03)
        mean = stats.mean_ratio([one, two], 0.01)
        self.assertAlmostEqual(mean.value, 1.0)
        self.assertTrue(mean.tie)
        self.assertFalse(stats.mean_ratio([one], 0.01).tie)

    def test_mean_of_open_intervals(self):
        mean = stats.mean_ratio([stats.ratio([(2.0, 1.0)], 0.03, 0.01)], 0.01)
        self.assertTrue(mean.tie)
        self.assertIsNone(mean.as_dict()["high"])

    def test_best_is_not_chosen_by_its_own_round(self):
        runs = {"a": {1: 1.0, 2: 3.0}, "b": {1: 2.0, 2: 2.0}}
        # round 1: the other round says b; round 2: the other says a
        self.assertEqual(stats.against_best(runs),
                         {"a": [(1.0, 2.0), (3.0, 3.0)],
                          "b": [(2.0, 2.0), (2.0, 3.0)]})


def noise(kind, dice):
    """Logarithms of what machines do to a run."""
    if kind == "quiet":
        return dice.gauss(0, 0.01)
    if kind == "tail":
        return abs(dice.gauss(0, 0.02)) + (dice.random() < 0.1) * 0.5
    if kind == "modes":
        return dice.choice((0.0, 0.7)) + dice.gauss(0, 0.03)
    return dice.gauss(0, 0.10)


class Simulated(unittest.TestCase):
    """Many rows of known truth, with all kinds of noise."""
    drift = 0.05

    def rows(self, kind, factor, rounds, count=400):
        dice = random.Random(f"{kind} {factor} {rounds}")
        for _ in range(count):
            drift = [dice.gauss(0, self.drift) for _ in range(rounds)]
            yield [(factor * math.exp(d + noise(kind, dice)),
                    math.exp(d + noise(kind, dice))) for d in drift]

    def ties(self, kind, factor, rounds, band, floor):
        found = [stats.ratio(pairs, band, floor).tie
                 for pairs in self.rows(kind, factor, rounds)]
        return sum(found) / len(found)

    def test_equals_tie(self):
        for rounds in (3, 5, 7, 10):
            for kind in ("quiet", "tail", "modes", "loud"):
                self.assertGreaterEqual(
                    self.ties(kind, 1.0, rounds, 0.03, 0.015), 0.95,
                    (rounds, kind))

    def test_ten_percent_are_found_on_one_thread(self):
        for rounds in (5, 10):
            self.assertLessEqual(
                self.ties("quiet", 1.1, rounds, 0.03, 0.015), 0.05)
        self.assertLessEqual(self.ties("tail", 1.1, 10, 0.03, 0.015), 0.35)

    def test_twenty_percent_are_found_on_several(self):
        self.assertLessEqual(self.ties("quiet", 1.2, 5, 0.10, 0.05), 0.01)
        self.assertLessEqual(self.ties("tail", 1.2, 10, 0.10, 0.05), 0.35)

    def test_means_of_equals_tie_and_of_slowed_do_not(self):
        for kind in ("quiet", "tail", "modes", "loud"):
            for factor in (1.0, 1.2):
                ties = 0
                for _ in range(20):
                    rows = [stats.ratio(p, 0.1, 0.05) for p in
                            self.rows(kind, factor, 7, 40)]
                    ties += stats.mean_ratio(rows, 0.01).tie
                if factor == 1.0:
                    self.assertGreaterEqual(ties, 19, kind)
                elif kind != "modes":
                    self.assertEqual(ties, 0, kind)

    def test_equals_share_the_first_place(self):
        dice = random.Random(7)
        totals = {name: 0.0 for name in "abcde"}
        for _ in range(300):
            runs = {n: {r: math.exp(dice.gauss(0, 0.05)) for r in range(7)}
                    for n in totals}
            for name, pairs in stats.against_best(runs).items():
                totals[name] += stats.centre([math.log(a / b)
                                              for a, b in pairs])
        for name, total in totals.items():
            self.assertLess(abs(total / 300), 0.006, name)

    def test_two_sessions_agree(self):
        for kind in ("quiet", "tail", "modes", "loud"):
            agree = 0
            for pairs in self.rows(kind, 1.3, 20):
                one = stats.ratio(pairs[:10], 0.03, 0.015)
                two = stats.ratio(pairs[10:], 0.03, 0.015)
                agree += one.overlaps(two)
            self.assertGreaterEqual(agree / 400, 0.95, kind)

    def test_order_cut(self):
        self.assertEqual([stats.order_cut(n) for n in (5, 7, 9, 10)],
                         [0, 0, 1, 1])

    def test_rank_sum_cut(self):
        # what the tables of Mann and Whitney say for 2.5 % on one side
        self.assertEqual([stats.rank_sum_cut(n, n) for n in (5, 7, 10)],
                         [2, 8, 23])


class Drifting(Simulated):
    """The same on a machine that changes much from round to round."""
    drift = 0.2


if __name__ == "__main__":
    unittest.main()
