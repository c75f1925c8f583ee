# SPDX-License-Identifier: MIT
# The benchmarks: not part of a usual build. `make bench-rows` builds what runs
# one workload (bench/rows).
BENCH_CFLAGS = -std=gnu11 -O2 $(WARN_CFLAGS) -fno-builtin -pthread

# The harness and the workloads, a family a file.
EXTRA_LIBRARIES = bench/libbench.a
bench_libbench_a_SOURCES = bench/harness.c bench/harness.h \
	bench/work/micro.c bench/work/micro.h bench/work/micro_threads.c
bench_libbench_a_CPPFLAGS =
bench_libbench_a_CFLAGS = $(BENCH_CFLAGS)

# Against libc's malloc, so that any library can be preloaded.
EXTRA_PROGRAMS += bench/rows
bench_rows_SOURCES = bench/rows.c
bench_rows_CPPFLAGS =
bench_rows_CFLAGS = $(BENCH_CFLAGS)
bench_rows_LDADD = bench/libbench.a
bench_rows_LDFLAGS = -pthread

.PHONY: bench-rows
bench-rows: bench/rows

# The loops that came before.
EXTRA_PROGRAMS += bench/loops
bench_loops_SOURCES = bench/loops.c
bench_loops_CPPFLAGS =
bench_loops_CFLAGS = -std=gnu11 -O2 $(WARN_CFLAGS) -fno-builtin -pthread
# Against libc's malloc, so that any library can be preloaded.
bench_loops_LDADD =
bench_loops_LDFLAGS =

EXTRA_DIST += bench/RESULTS.md bench/compare.py bench/instructions.sh
CLEANFILES += bench/loops bench/rows bench/libbench.a
