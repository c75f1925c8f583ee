# SPDX-License-Identifier: MIT
"""The statistics of the report. Nothing here knows what was measured.

What:  ratios between two things that were measured in the same rounds, with
       an interval, and geometric means of such ratios over many rows.
How:   three ways to a 95 % interval, none of which asks what the noise looks
       like; the narrowest is taken (tests/bench/stats.py shows that equals
       still tie). Signed ranks (Wilcoxon): each round gives one ratio; if
       both are equally fast its logarithm lies symmetrically around 0,
       however much the machine drifts from round to round. Order statistics
       of the same ratios: wider, but a few spoilt rounds do not matter. Each
       run against each (Mann-Whitney): where the machine does not drift, a
       spoilt run spoils least. With fewer than five rounds none of them
       reaches 90 %, and Student's t, which is very wide there, stands in.
Invariant: an interval is never narrower than `resolution`, which is how far
       two sessions on an idle machine differ when their rounds do not (memory
       lies elsewhere, caches collide differently). A tie is a ratio inside
       `band` or an interval that holds 1.
       Example: rounds 1.08 1.10 1.12 1.09 1.11, resolution 0.015, band 0.03:
       estimate 1.10, interval 1.064 to 1.137, no tie.
"""
import functools
import math
import statistics

CONFIDENCE = 0.95
# Two-sided 95 % of Student's t for 1, 2, 3 degrees of freedom.
STUDENT = (12.706, 4.303, 3.182)


class Ratio:
    """An estimate with its interval; a tie where 1 cannot be told from it."""

    def __init__(self, value, low, high, band):
        self.value, self.low, self.high, self.band = value, low, high, band

    @property
    def tie(self):
        inside = abs(math.log(self.value)) <= math.log1p(self.band)
        return inside or self.low <= 1 <= self.high

    def overlaps(self, other):
        return self.low <= other.high and other.low <= self.high

    def as_dict(self):
        """For JSON, which has no infinity: an open end is null."""
        high = self.high if math.isfinite(self.high) else None
        return {"ratio": round(self.value, 5), "low": round(self.low, 5),
                "high": high and round(high, 5), "tie": self.tie}


def walsh(values):
    """The means of all pairs, each value with itself too, in order."""
    n = len(values)
    return sorted((values[i] + values[j]) / 2
                  for i in range(n) for j in range(i, n))


@functools.lru_cache(maxsize=None)
def signed_rank_cut(n, confidence=CONFIDENCE):
    """How many Walsh means to cut at either end for n values.

    The number of subsets of 1 … n by their sum is the distribution of the
    rank sum of the positive ones: each sign is a fair coin if nothing
    differs. The largest k with P(sum < k) ≤ (1 - confidence) / 2; 0 keeps
    all, whose confidence is 1 - 2 ** (1 - n).
    """
    ways = [1]
    for rank in range(1, n + 1):
        longer = ways + [0] * rank
        for total, count in enumerate(ways):
            longer[total + rank] += count
        ways = longer
    tail, cut = 0, 0
    for count in ways:
        tail += count
        if tail / 2 ** n > (1 - confidence) / 2:
            break
        cut += 1
    return max(cut - 1, 0)


@functools.lru_cache(maxsize=None)
def rank_sum_cut(n, m, confidence=CONFIDENCE):
    """How many of the n * m differences to cut at either end.

    ways[u] counts the orders of n and m things in which u pairs stand the
    wrong way round (Mann and Whitney): multiply by 1 + … + q^(m + i - 1) and
    divide by 1 + … + q^(i - 1) for each i up to n.
    """
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            ways[u] -= ways[u - m - i]
        for u in range(i, n * m + 1):
            ways[u] += ways[u - i]
    total, tail, cut = math.comb(n + m, n), 0, 0
    for count in ways:
        tail += count
        if tail / total > (1 - confidence) / 2:
            break
        cut += 1
    return max(cut - 1, 0)


def centre(values):
    """The Hodges-Lehmann estimate."""
    return statistics.median(walsh(values))


def within_rounds(values):
    """(estimate, low, high) of the centre of the values."""
    n = len(values)
    if n == 1:
        return values[0], -math.inf, math.inf
    if n < 5:
        middle = statistics.fmean(values)
        reach = STUDENT[n - 2] * statistics.stdev(values) / math.sqrt(n)
        return middle, middle - reach, middle + reach
    means = walsh(values)
    cut = signed_rank_cut(n)
    return statistics.median(means), means[cut], means[-1 - cut]


@functools.lru_cache(maxsize=None)
def order_cut(n, confidence=CONFIDENCE):
    """How many of n values to cut at either end: each lies above the median
    by the toss of a coin."""
    tail, cut = 0, 0
    for k in range(n):
        tail += math.comb(n, k)
        if tail / 2 ** n > (1 - confidence) / 2:
            break
        cut += 1
    return max(cut - 1, 0)


def of_order(values):
    """(median, low, high) of the values."""
    cut = order_cut(len(values))
    values = sorted(values)
    return statistics.median(values), values[cut], values[-1 - cut]


def each_against_each(ones, others):
    """(estimate, low, high) of how far the ones lie above the others."""
    differences = sorted(a - b for a in ones for b in others)
    cut = rank_sum_cut(len(ones), len(others))
    return (statistics.median(differences), differences[cut],
            differences[-1 - cut])


def ratio(pairs, band, resolution):
    """The ratio of pairs (a, b), each pair measured in one round."""
    ones = [math.log(a) for a, _ in pairs]
    others = [math.log(b) for _, b in pairs]
    logs = [a - b for a, b in zip(ones, others)]
    found = within_rounds(logs)
    if len(pairs) >= 5:
        found = min(found, of_order(logs), each_against_each(ones, others),
                    key=lambda f: f[2] - f[1])
    middle, low, high = found
    margin = math.log1p(resolution)
    return Ratio(math.exp(middle), math.exp(low - margin),
                 math.exp(min(high + margin, 700)), band)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def mean_ratio(ratios, band):
    """The geometric mean of Ratios of different rows.

    Rows are measured apart, so their errors are added as independent ones;
    half of an interval counts as two standard errors, which is careful where
    the interval was widened.
    """
    logs, square = [], 0.0
    for one in ratios:
        logs.append(math.log(one.value))
        if not math.isfinite(one.high) or one.low <= 0:
            square = math.inf
        else:
            square += (math.log(one.high / one.low) / 4) ** 2
    middle = statistics.fmean(logs)
    reach = 1.96 * math.sqrt(square) / len(logs)
    low = math.exp(middle - reach) if math.isfinite(reach) else 0.0
    high = math.exp(middle + reach) if math.isfinite(reach) else math.inf
    return Ratio(math.exp(middle), low, high, band)


def quartiles(values):
    """(first, median, third)."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def spread(values):
    """How far the middle half reaches, as a part of the median."""
    first, middle, third = quartiles(values)
    return (third - first) / middle if middle else 0.0


def against_best(runs):
    """Pairs (this, the best) for each round of each name.

    runs: {name: {round: value}}. The best of a row is chosen anew for each
    round from the *other* rounds, so that the luck that makes somebody best
    is never part of the ratio: equals get 1.00 on the mean, not one of them
    1.00 and the others a little more.
    """
    rounds = sorted({r for values in runs.values() for r in values})
    base = {}           # the round's own level, against the drift
    for r in rounds:
        base[r] = geometric_mean(v[r] for v in runs.values() if r in v)
    pairs = {name: [] for name in runs}
    for r in rounds:
        level = {}
        for name, values in runs.items():
            others = [math.log(v / base[o]) for o, v in values.items()
                      if o != r]
            if r in values and (others or len(rounds) == 1):
                level[name] = centre(others) if others else \
                    math.log(values[r])
        if not level:
            continue
        best = min(level, key=lambda name: (level[name], name))
        for name, values in runs.items():
            if r in values:
                pairs[name].append((values[r], runs[best][r]))
    return pairs


def least(runs):
    """The name whose usual value is the smallest."""
    return min(runs, key=lambda name: (statistics.median(runs[name].values()),
                                       name))
