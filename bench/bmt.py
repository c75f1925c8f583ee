# SPDX-License-Identifier: MIT
"""Recorded traces (.bmt): the format's writer and its other reader.

What:  a trace is a list of events in the order in which they were recorded,
       each (thread, kind, request, old, new): threads count from 0; request is
       (kind, size, log2 of the alignment) or None; old and new are numbers of
       objects, or, where a thread is started, old is that thread.
Door:  encode(events, epoch, unseen) -> bytes; decode(bytes) -> Trace;
       Damaged says in one line what is wrong with a file.
Invariant: decode(encode(events)) has the same threads with the same events in
       the same order, and encode() of that is the same file, byte by byte. The
       order between threads is kept from epoch to epoch only.
See:   bench/traces/README.md, the format; bench/bmt.c, the player's reader
"""
import collections
import zlib

MAGIC = b"bmtrace1"
EPOCH = 4096
MAX_THREADS, MAX_OPS, MAX_BYTES, MAX_PASSES = 1024, 1 << 25, 4 << 30, 1 << 20
WINDOW = 16384
MALLOC, CALLOC, ALIGNED, REALLOC = range(4)
MAKE, FREE, RENEW, SPAWN = range(4)

# The tokens: a word, and for some a second one.
RENEW_OWN, RENEW_SHARED, FREE_SHARED, START, NEXT_EPOCH, REPEAT = range(6)
WITH_MORE = (RENEW_OWN, RENEW_SHARED, REPEAT)

Event = collections.namedtuple("Event", "thread kind request old new")
Trace = collections.namedtuple(
    "Trace", "threads epoch unseen passes shared events")


class Damaged(Exception):
    """A file that is no trace; the text says why."""


def number(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return 2 * n if n >= 0 else -2 * n - 1


def signed(n):
    return -(n >> 1) - 1 if n & 1 else n >> 1


def special(what, rest, more=None):
    return (rest << 5 | what << 2 | 3, more)


# ---- writing -----------------------------------------------------------------
class Writer:
    """The tokens of one thread."""

    def __init__(self):
        self.tokens = []
        self.free, self.slots, self.last = [], 0, 0
        self.epoch, self.last_shared = 0, -1
        self.made_shared = 0

    def make(self, shared, slot_of, new):
        if shared:
            slot_of[new] = self.made_shared         # counted in this thread
            self.made_shared += 1
            return
        if self.free:
            self.last = self.free.pop()
        else:
            self.last = self.slots
            self.slots += 1
        slot_of[new] = self.last

    def drop(self, slot):
        self.free.append(slot)
        return zigzag(self.last - slot)

    def drop_shared(self, number_of_it):
        delta = zigzag(number_of_it - self.last_shared - 1)
        self.last_shared = number_of_it
        return delta


def shared_objects(events):
    """What one thread makes and another frees, and who makes it."""
    maker, shared = {}, set()
    for e in events:
        if e.kind in (FREE, RENEW) and maker[e.old] != e.thread:
            shared.add(e.old)
        if e.kind in (MAKE, RENEW):
            maker[e.new] = e.thread
    return shared, maker


def requests_of(events, shared):
    """The requests, the frequent ones first, so that their numbers are short."""
    count = collections.Counter(
        (e.request, e.new in shared) for e in events if e.request)
    return sorted(count, key=lambda r: (-count[r], r))


def passes_for(events):
    """How often a player plays it, to be busy for a third of a second or so:
    a call takes some 20 ns, a page some 30, a fresh page of a large block
    250 more, a pass and a thread's start some 30 us."""
    ns = 30_000
    for e in events:
        size = e.request[1] if e.request else 0
        ns += 30_000 * (e.kind == SPAWN)
        ns += 20 + min(size, 4096) // 64 + size // 4096 * 30
        if size >= 128 << 10:
            ns += size // 4096 * 250
    return max(1, min(350_000_000 // ns, MAX_PASSES))


def encode(events, epoch=EPOCH, unseen=0, passes=None):
    events = list(events)
    if not events:
        raise Damaged("no events")
    threads = 1 + max(e.thread for e in events)
    if threads > MAX_THREADS:
        raise Damaged(f"more than {MAX_THREADS} threads")
    if len(events) > MAX_OPS:
        raise Damaged(f"more than {MAX_OPS} operations")
    shared, maker = shared_objects(events)
    requests = requests_of(events, shared)
    number_of = {request: n for n, request in enumerate(requests)}
    made = collections.Counter(maker[o] for o in shared)
    before = [0]
    for t in range(threads):
        before.append(before[-1] + made[t])

    writers = [Writer() for _ in range(threads)]
    slot_of = {}
    for n, e in enumerate(events):
        w = writers[e.thread]
        if n // epoch != w.epoch:
            w.tokens.append(special(NEXT_EPOCH, n // epoch - w.epoch))
            w.epoch = n // epoch
        is_shared = e.new in shared
        if e.kind == SPAWN:
            w.tokens.append(special(START, e.old))
            continue
        if e.kind != MAKE:
            slot = slot_of.pop(e.old)
            delta = w.drop_shared(before[maker[e.old]] + slot) \
                if e.old in shared else w.drop(slot)
        if e.kind == FREE:
            w.tokens.append(special(FREE_SHARED, delta) if e.old in shared
                            else (delta << 2 | 1, None))
            continue
        name = number_of[e.request, is_shared]
        if e.kind == MAKE:
            w.tokens.append((name << 1, None))
        else:
            w.tokens.append(special(
                RENEW_SHARED if e.old in shared else RENEW_OWN, name, delta))
        w.make(is_shared, slot_of, e.new)

    streams = [squeeze(w.tokens) for w in writers]
    out = [MAGIC] + [number(n) for n in (
        threads, len(events), epoch, len(shared), unseen,
        passes or passes_for(events), len(requests))]
    for (kind, size, align), is_shared in requests:
        out += [number(align << 3 | is_shared << 2 | kind), number(size)]
    for w, stream in zip(writers, streams):
        out += [number(w.made_shared), number(len(stream))]
    body = b"".join(out + streams)
    return body + zlib.crc32(body).to_bytes(4, "little")


def token_bytes(token):
    return number(token[0]) + (b"" if token[1] is None else number(token[1]))


def squeeze(tokens):
    """Tokens as bytes; what came a short while ago is a reference to it."""
    out, seen, n = [], {}, 0
    least = 4                       # a repeat costs about four bytes
    while n < len(tokens):
        key = tuple(tokens[n:n + least])
        back = n - seen.get(key, n)
        length = 0
        if 0 < back <= WINDOW and len(key) == least:
            while n + length < len(tokens) and \
                    tokens[n + length] == tokens[n + length - back]:
                length += 1
        reference = token_bytes(special(REPEAT, back, length))
        plain = sum(len(token_bytes(t)) for t in tokens[n:n + min(length, 16)])
        if length < least or plain <= len(reference):
            out.append(token_bytes(tokens[n]))
            length = 1
        else:
            out.append(reference)
        for k in range(n, min(n + length, len(tokens) - least + 1)):
            seen[tuple(tokens[k:k + least])] = k
        n += length
    return b"".join(out)


# ---- reading -----------------------------------------------------------------
class Input:
    """Bytes that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, limit=1 << 63):
        n = shift = 0
        while self.at < len(self.data) and shift < 63:
            byte = self.data[self.at]
            self.at += 1
            n |= (byte & 127) << shift
            if byte < 128:
                if n >= limit:
                    break
                return n
            shift += 7
        raise Damaged("damaged (a number)")

    def bytes(self, count):
        self.at += count
        if self.at > len(self.data):
            raise Damaged("damaged (a stream too long)")
        return self.data[self.at - count:self.at]


def tokens_of(data, most):
    """The tokens of a stream, the repeats written out."""
    source, tokens = Input(data), []
    while source.at < len(data):
        word = source.number(1 << 32)
        what = word >> 2 & 7
        more = source.number(1 << 32) \
            if word & 3 == 3 and what in WITH_MORE else None
        if word & 3 != 3 or what != REPEAT:
            tokens.append((word, more))
        else:
            back = word >> 5
            if not 0 < back <= min(WINDOW, len(tokens)) or not more or \
                    len(tokens) + more > most:
                raise Damaged("damaged (a repeat of nothing)")
            for _ in range(more):
                tokens.append(tokens[-back])
        if len(tokens) > most:
            raise Damaged("damaged (more operations than its head says)")
    return tokens


class Reader:
    """One thread's operations: (epoch, event) with keys of objects for
    numbers: ("own", thread, n) or ("shared", n)."""

    def __init__(self, thread, requests, before):
        self.thread, self.requests = thread, requests
        self.slots, self.free, self.last = {}, [], 0
        self.next_slot = self.made = 0
        self.shared = before
        self.last_shared = -1

    def make(self, name, kinds):
        if name >= len(self.requests) or \
                (self.requests[name][0][0] == REALLOC) != (kinds == RENEW):
            raise Damaged("damaged (a request that is none)")
        request, shared = self.requests[name]
        if shared:
            key = ("shared", self.shared)
            self.shared += 1
            return request, key
        if self.free:
            self.last = self.free.pop()
        else:
            self.last = self.next_slot
            self.next_slot += 1
        self.made += 1
        key = self.slots[self.last] = ("own", self.thread, self.made)
        return request, key

    def drop(self, delta):
        slot = self.last - signed(delta)
        if slot not in self.slots:
            raise Damaged("damaged (it frees what is not there)")
        self.free.append(slot)
        return self.slots.pop(slot)

    def drop_shared(self, delta):
        self.last_shared += 1 + signed(delta)
        return ("shared", self.last_shared)

    def operations(self, tokens):
        epoch = 0
        for word, more in tokens:
            what, rest = word >> 2 & 7, word >> 5
            old = new = request = None
            if not word & 1:
                kind = MAKE
                request, new = self.make(word >> 1, MAKE)
            elif word & 3 == 1:
                kind, old = FREE, self.drop(word >> 2)
            elif what in (RENEW_OWN, RENEW_SHARED):
                kind = RENEW
                old = self.drop(more) if what == RENEW_OWN \
                    else self.drop_shared(more)
                request, new = self.make(rest, RENEW)
            elif what == FREE_SHARED:
                kind, old = FREE, self.drop_shared(rest)
            elif what == START:
                kind, old = SPAWN, rest
            elif what == NEXT_EPOCH and rest:
                epoch += rest
                continue
            else:
                raise Damaged("damaged (a token that is none)")
            yield epoch, Event(self.thread, kind, request, old, new)


def decode(data):
    if data[:8] != MAGIC:
        raise Damaged("not a trace (bench/trace makes them)")
    if len(data) < 12 or \
            zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
        raise Damaged("cut short or damaged (its checksum)")
    source = Input(data[:-4])
    source.at = 8
    threads = source.number(MAX_THREADS + 1)
    ops, epoch = source.number(MAX_OPS + 1), source.number(MAX_OPS + 1)
    shared, unseen = source.number(ops + 1), source.number()
    passes = source.number(MAX_PASSES + 1)
    if not threads or not ops or not passes or epoch < 16:
        raise Damaged("damaged (its head)")
    requests = []
    for _ in range(source.number(ops + 1)):
        word, size = source.number(31 << 3), source.number(MAX_BYTES + 1)
        if word >> 3 and word & 3 != ALIGNED:
            raise Damaged("damaged (its tables)")
        requests.append(((word & 3, size, word >> 3), bool(word & 4)))
    parts = [(source.number(shared + 1), source.number())
             for _ in range(threads)]
    readers, streams, before = [], [], 0
    for t, (made, length) in enumerate(parts):
        reader = Reader(t, requests, before)
        before += made
        readers.append(reader)
        streams.append(list(reader.operations(
            tokens_of(source.bytes(length), 2 * ops))))
        if reader.shared != before:
            raise Damaged("damaged (shared objects)")
    if source.at != len(data) - 4 or before != shared or \
            sum(map(len, streams)) != ops:
        raise Damaged("damaged (a count)")
    return Trace(threads, epoch, unseen, passes, shared,
                 interleave(streams, epoch, ops))


def interleave(streams, epoch_length, ops):
    """One order of all operations, epoch by epoch; numbers for objects."""
    numbers, freed, started, out = {}, set(), {0}, []
    position = [0] * len(streams)

    def can(epoch, t):
        if t not in started or position[t] == len(streams[t]):
            return False
        its, event = streams[t][position[t]]
        return its == epoch and (event.kind in (MAKE, SPAWN) or
                                 event.old in numbers)

    for epoch in range((ops - 1) // epoch_length + 1):
        moved = True
        while moved:
            moved = False
            for t, stream in enumerate(streams):
                while can(epoch, t):
                    _, e = stream[position[t]]
                    position[t] += 1
                    moved = True
                    old = e.old
                    if e.kind == SPAWN:
                        if old in started or old >= len(streams):
                            raise Damaged("damaged (a thread that cannot "
                                          "start)")
                        started.add(old)
                    elif old is not None:
                        if old in freed:
                            raise Damaged("damaged (it frees twice)")
                        freed.add(old)
                        old = numbers[old]
                    if e.new is not None:
                        numbers[e.new] = len(numbers) + 1
                    out.append(e._replace(old=old, new=numbers.get(e.new)))
        if len(out) != min((epoch + 1) * epoch_length, ops):
            raise Damaged("damaged (its threads wait for each other)")
    return out
