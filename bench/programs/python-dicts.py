# SPDX-License-Identifier: MIT
"""Dictionaries, sets and strings that come and go."""
import collections
import zlib

WORDS, ROUNDS, CACHE = 190_000, 1, 20_000


def words(count, seed):
    vowels, consonants = "aeiou", "bdfgklmnprstvz"
    state = seed
    for _ in range(count):
        state = state * 16807 % 2147483647
        n = state
        word = ""
        for _ in range(2 + n % 3):
            word += consonants[n % 14] + vowels[n // 14 % 5]
            n //= 70
        yield word


def count_words(seed):
    counts = {}
    followers = collections.defaultdict(set)
    last = ""
    for word in words(WORDS, seed):
        counts[word] = counts.get(word, 0) + 1
        followers[last[:2]].add(word)
        last = word
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:50]
    return f"{top}{len(counts)}{sum(map(len, followers.values()))}"


def lru(seed):
    cache, hits, state = collections.OrderedDict(), 0, seed
    for n in range(WORDS):
        state = state * 16807 % 2147483647
        key = f"key:{state % 40_000}"
        if key in cache:
            cache.move_to_end(key)
            hits += 1
        else:
            cache[key] = (key * 3, [n] * (state % 9), {"n": n})
            if len(cache) > CACHE:
                cache.popitem(last=False)
    return f"{hits}{sum(len(v[1]) for v in cache.values())}"


def lines(seed):
    text = "\n".join(" ".join((w, str(n), w.upper())) for n, w in
                     enumerate(words(WORDS // 2, seed)))
    columns = [line.split(" ") for line in text.split("\n")]
    columns.sort(key=lambda c: (c[2], int(c[1])))
    joined = ",".join("-".join(c) for c in columns)
    return joined.replace("A", "aa").title()[:1_000_000]


def main():
    check = 0
    for n in range(1, ROUNDS + 1):
        for work in (count_words, lru, lines):
            check = zlib.crc32(work(n * 7919).encode(), check)
    print(f"dicts {check:08x}")


main()
