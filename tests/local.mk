# SPDX-License-Identifier: MIT
# The tests. Included by Makefile.am; paths are from the top of the tree.
#
# How to add one
#   unit test      tests/unit/foo.c: add tests/unit/foo to UNIT_TESTS (in the
#                  `if`, where cmocka is needed), and
#                      tests_unit_foo_LDADD = $(UNIT_LIBS)
#                      tests_unit_foo_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_CPPFLAGS)
#                  It is linked with cmocka and with all of src/ built with
#                  CONFIG_DEBUG=1, CONFIG_REPLACE=0: it can call internal
#                  functions, and its own malloc is libc's.
#   other program  tests/api/foo.c: add tests/api/foo to API_TESTS (or another
#                  list below). It is linked with libbuddymalloc.so.0, so
#                  malloc is ours. Where the tree is configured with
#                  --disable-replace (ASan), -DPREFIXED is set and the lists
#                  in `if REPLACE` are not built.
#   script         tests/.../foo.sh, POSIX sh: add it to SCRIPT_TESTS.
# One .c file is the default source of a program; headers go to TEST_FILES.
#
# How they run
#   tests/driver runs each test twice, as it is and with rseq:off added to
#   BUDDYMALLOC_CONF, and counts two results ($BM_MODE is `auto` or `locked`).
#   A script with a line "# modes: once" runs once. Exit 0 passes, 77 skips
#   (say why on stderr), all else fails. A run may take $TEST_TIMEOUT seconds
#   (300); a script may say "# timeout: 900".
#   The environment has top_srcdir, top_builddir (absolute), CC, NM, and
#   REPLACE, SANITIZE, CROSS as yes or no. The preload is
#   $top_builddir/libbuddymalloc-preload.so, the command
#   $top_builddir/tools/buddymalloc.
#   check-valgrind and check-arm64 run programs under $TEST_WRAPPER (scripts
#   are not wrapped) with BM_SLOW set: a factor for time limits.

UNIT_TESTS =
if HAVE_CMOCKA
UNIT_TESTS +=
endif
API_TESTS =
SCRIPT_TESTS =
TEST_FILES =

# What the targets check-asan (bm_ names only), check-clang, check-valgrind and
# check-arm64 run.
ASAN_TESTS = $(UNIT_TESTS) $(API_TESTS)
CLANG_TESTS = $(UNIT_TESTS) $(API_TESTS)
VALGRIND_TESTS = $(UNIT_TESTS) $(API_TESTS)
ARM64_TESTS = $(UNIT_TESTS) $(API_TESTS)

check_PROGRAMS += $(UNIT_TESTS) $(API_TESTS)
TESTS += $(UNIT_TESTS) $(API_TESTS)
if REPLACE
TESTS += $(SCRIPT_TESTS)
endif
EXTRA_DIST += $(SCRIPT_TESTS) $(TEST_FILES)
