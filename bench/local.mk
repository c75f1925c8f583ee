# SPDX-License-Identifier: MIT
# The benchmarks. Included by Makefile.am; paths are from the top of the tree.
# Programs here are not part of `make all`: list them in EXTRA_PROGRAMS (with
# bench_foo_LDADD = ... where they need libraries; default: libbuddymalloc.so.0),
# other files in EXTRA_DIST, and give `make bench` what it must build.
