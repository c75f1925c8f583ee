# SPDX-License-Identifier: MIT
"""Graphs of objects: made, copied, pickled, dropped, collected."""
import copy
import gc
import heapq
import pickle
import zlib

NODES, ROUNDS = 14_000, 3


class Node:
    def __init__(self, number, text):
        self.number, self.text = number, text
        self.edges = []
        self.parent = None


class Point:
    __slots__ = ("x", "y", "names")

    def __init__(self, x, y):
        self.x, self.y, self.names = x, y, None

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)


def graph(seed):
    nodes, state = [], seed
    for n in range(NODES):
        state = state * 16807 % 2147483647
        node = Node(n, f"node {state % 1000}")
        for k in range(state % 4 if n else 0):
            other = nodes[(state // 7 + k * 31) % n]
            node.edges.append((other, state % 100 + k))
            other.parent = node            # cycles, for the collector
        nodes.append(node)
    return nodes


def shortest(nodes):
    best, heap = {}, [(0, len(nodes) - 1)]
    while heap:
        cost, n = heapq.heappop(heap)
        if n in best:
            continue
        best[n] = cost
        for other, weight in nodes[n].edges:
            heapq.heappush(heap, (cost + weight, other.number))
    return f"{len(best)} {sum(best.values())}"


def plain(nodes):
    return [{"n": node.number, "t": node.text, "e": [(o.number, w) for o, w in node.edges],
             "parent": node.parent.number if node.parent else None} for node in nodes]


def pickled(nodes):
    data = plain(nodes)
    out = 0
    for protocol in (2, 5):
        raw = pickle.dumps(data, protocol)
        if pickle.loads(raw) != data:
            raise SystemExit("objects: a pickle changed")
        out = zlib.crc32(raw, out)
    twin = copy.deepcopy(data)
    return f"{out} {twin == data}"


def points(seed):
    total, trail, state = Point(0, 0), [], seed
    for n in range(NODES * 14):
        state = state * 16807 % 2147483647
        total = total + Point(state % 100, n % 7)
        if state % 3 == 0:
            total.names = (str(state), [n])
            trail.append(total)
        if len(trail) > 5000:
            del trail[:2500]
    return f"{total.x} {total.y} {len(trail)}"


def tree(depth):
    return (tree(depth - 1), tree(depth - 1)) if depth else (None, None)


def size(node):
    return 1 if node[0] is None else 1 + size(node[0]) + size(node[1])


def main():
    check = 0
    for n in range(1, ROUNDS + 1):
        nodes = graph(n * 15485863 % 2147483647)
        for text in (shortest(nodes), pickled(nodes), points(n), str(size(tree(15)))):
            check = zlib.crc32(text.encode(), check)
        del nodes
        gc.collect()
    print(f"objects {check:08x}")


main()
