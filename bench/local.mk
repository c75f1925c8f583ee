# SPDX-License-Identifier: MIT
# The micro loops, by `make bench/loops`: not part of a usual build.
EXTRA_PROGRAMS += bench/loops
bench_loops_SOURCES = bench/loops.c
bench_loops_CPPFLAGS =
bench_loops_CFLAGS = -std=gnu11 -O2 $(WARN_CFLAGS) -fno-builtin -pthread
# Against libc's malloc, so that any library can be preloaded.
bench_loops_LDADD =
bench_loops_LDFLAGS =

EXTRA_DIST += bench/RESULTS.md bench/compare.py bench/instructions.sh
CLEANFILES += bench/loops
