# SPDX-License-Identifier: MIT
"""Packets through queues between threads: each stage frees what the one
before it made. zlib and hashlib let the others run meanwhile."""
import hashlib
import queue
import threading
import zlib

PACKETS, DEPTH, BUNDLE = 32_000, 64, 32


def produce(out):
    state = 1234567
    for n in range(0, PACKETS, BUNDLE):
        bundle = []
        for k in range(BUNDLE):
            state = state * 16807 % 2147483647
            row = f"{n + k};{state};" + "abcdefgh"[state % 8] * (state % 90)
            bundle.append((row * (1 + state % 40)).encode())
        out.put(bundle)
    out.put(None)


def stage(work, source, out):
    while (bundle := source.get()) is not None:
        out.put([work(packet) for packet in bundle])
    out.put(None)


def unpack(packet):
    text = zlib.decompress(packet)
    return {"length": len(text), "fields": text.decode().split(";"),
            "hash": hashlib.sha256(text).hexdigest()}


def main():
    queues = [queue.Queue(DEPTH) for _ in range(3)]
    threads = [threading.Thread(target=produce, args=(queues[0],)),
               threading.Thread(target=stage, args=(
                   lambda packet: zlib.compress(packet, 1), queues[0], queues[1])),
               threading.Thread(target=stage, args=(unpack, queues[1], queues[2]))]
    for thread in threads:
        thread.start()
    check, fields = 0, 0
    while (bundle := queues[2].get()) is not None:
        for packet in bundle:
            check = zlib.crc32(packet["hash"].encode(), check)
            fields += len(packet["fields"])
    for thread in threads:
        thread.join()
    print(f"threads {check:08x} {fields}")


main()
