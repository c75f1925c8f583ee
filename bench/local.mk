# SPDX-License-Identifier: MIT
# The benchmarks: not part of a usual build. `make bench-rows` builds what runs
# one workload (bench/rows), `make bench-google` the same as Google Benchmark.
BENCH_CFLAGS = -std=gnu11 -O2 $(WARN_CFLAGS) -fno-builtin -pthread

# The harness and the workloads, a family a file.
EXTRA_LIBRARIES = bench/libbench.a
bench_libbench_a_SOURCES = bench/harness.c bench/harness.h \
	bench/bmt.c bench/bmt.h bench/bmt_load.h bench/bmt_rehearse.c \
	bench/work/age.c bench/work/api.c bench/work/blocks.c bench/work/exchange.c \
	bench/work/growth.c bench/work/lifetimes.c bench/work/micro.c \
	bench/work/micro.h bench/work/micro_threads.c bench/work/mix.c \
	bench/work/object.h bench/work/server.c bench/work/tides.c \
	bench/work/trace.c
bench_libbench_a_CPPFLAGS =
bench_libbench_a_CFLAGS = $(BENCH_CFLAGS)

# Against libc's malloc, so that any library can be preloaded.
if !REPLACE
EXTRA_PROGRAMS += bench/rows
endif
bench_rows_SOURCES = bench/rows.c
bench_rows_CPPFLAGS =
bench_rows_CFLAGS = $(BENCH_CFLAGS)
bench_rows_LDADD = bench/libbench.a
bench_rows_LDFLAGS = -pthread

# The same workloads behind Google Benchmark, where configure found it.
if HAVE_BENCHMARK
if REPLACE
check_PROGRAMS += bench/google
else
EXTRA_PROGRAMS += bench/google
endif
bench_google_SOURCES = bench/google.cc
bench_google_CPPFLAGS =
bench_google_CXXFLAGS = -O2 $(WARN_CFLAGS) -pthread
bench_google_LDADD = bench/libbench.a -lbenchmark
bench_google_LDFLAGS = -pthread
endif

.PHONY: bench-rows bench-google
bench-rows: bench/rows
if HAVE_BENCHMARK
bench-google: bench/google
else
bench-google:
	@echo 'configure found no Google Benchmark (Debian: libbenchmark-dev)' >&2; exit 1
endif

EXTRA_DIST += bench/README.md bench/RESULTS.md bench/instructions.sh
CLEANFILES += bench/google bench/rows bench/libbench.a

# ---- the comparison (bench/runner) -----------------------------------------
# Below the build tree's bench/ and below $(pkglibexecdir)/bench the parts lie
# alike: rows, spawn, runner/, programs/, traces/. What must be there at run
# time goes into nobase_dist_bench_DATA or nobase_dist_bench_SCRIPTS.
benchdir = $(pkglibexecdir)
BENCH_RUNNER = \
	bench/runner/agree.py \
	bench/runner/allocators.py \
	bench/runner/analyse.py \
	bench/runner/check.py \
	bench/runner/common.py \
	bench/runner/machine.py \
	bench/runner/main.py \
	bench/runner/measure.py \
	bench/runner/page.py \
	bench/runner/progress.py \
	bench/runner/session.py \
	bench/runner/stats.py \
	bench/runner/store.py \
	bench/runner/style.css \
	bench/runner/suite.py \
	bench/runner/svg.py \
	bench/runner/table.py

bench_spawn_SOURCES = bench/spawn.c
bench_spawn_CPPFLAGS =
bench_spawn_CFLAGS = $(BENCH_CFLAGS)
bench_spawn_LDADD =
bench_spawn_LDFLAGS =

if REPLACE
nobase_bench_PROGRAMS = bench/rows bench/spawn
nobase_dist_bench_DATA = $(BENCH_RUNNER)
nobase_dist_bench_SCRIPTS =
endif
EXTRA_DIST += $(BENCH_RUNNER)

# A build directory of its own sees the scripts of the source tree.
.PHONY: bench-links bench bench-long bench-check
bench-links:
	@for part in runner programs traces; do \
		test -e bench/$$part || test ! -d $(srcdir)/bench/$$part || \
			ln -s $(abs_srcdir)/bench/$$part bench/$$part; \
	done
all-local: bench-links
distclean-local:
	rm -rf bench-check guests
	for part in runner programs traces; do \
		test ! -h bench/$$part || rm -f bench/$$part; \
	done

# BENCH_ARGS: more options for the command (buddymalloc bench --help).
BENCH_ARGS =
bench: all
	tools/buddymalloc bench $(BENCH_ARGS)
bench-long: all
	tools/buddymalloc bench --long $(BENCH_ARGS)

# ---- real programs (bench/programs) ------------------------------------------
BENCH_REAL = \
	bench/programs/c.awk \
	bench/programs/dice.awk \
	bench/programs/lua-strings.lua \
	bench/programs/lua-trees.lua \
	bench/programs/node-buffers.js \
	bench/programs/node-json.js \
	bench/programs/perl.pl \
	bench/programs/python-dicts.py \
	bench/programs/python-json.py \
	bench/programs/python-objects.py \
	bench/programs/python-regex.py \
	bench/programs/python-threads.py \
	bench/programs/redis.awk \
	bench/programs/redis.sh \
	bench/programs/sql.awk \
	bench/programs/text.awk
if REPLACE
nobase_dist_bench_DATA += $(BENCH_REAL)
nobase_dist_bench_SCRIPTS += bench/programs/run
endif
EXTRA_DIST += $(BENCH_REAL) bench/programs/run

# AGAINST: a commit, or another build's libbuddymalloc-preload.so.
AGAINST = HEAD
bench-check: all
	@python3 -B bench/runner/check.py --new libbuddymalloc-preload.so \
		--source '$(abs_srcdir)' --work bench-check \
		--configure "CC='$(CC)' CFLAGS='$(CFLAGS)'" \
		$(BENCH_ARGS) '$(AGAINST)'

# ---- recorded traces (bench/traces) ------------------------------------------
BENCH_TRACES = \
	bench/traces/gcc.bmt \
	bench/traces/lua.bmt \
	bench/traces/perl.bmt \
	bench/traces/python.bmt \
	bench/traces/python-threads.bmt \
	bench/traces/redis.bmt \
	bench/traces/sqlite.bmt
if REPLACE
nobase_dist_bench_DATA += $(BENCH_TRACES) bench/bmt.py
nobase_dist_bench_SCRIPTS += bench/trace
endif
EXTRA_DIST += $(BENCH_TRACES) bench/traces/README.md bench/bmt.py bench/trace
