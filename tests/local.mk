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
WINDOW_TESTS =
WHOLE_TESTS =
CMOCKA_TESTS = tests/api/malloc tests/api/calloc tests/api/realloc tests/api/middle \
	tests/api/aligned tests/api/control \
	tests/api/pages tests/api/cache tests/api/classes tests/api/pool tests/api/vmalloc \
	tests/api/kmalloc tests/api/heap tests/api/hooks tests/api/events
STRESS_TESTS = tests/stress/model tests/stress/pipeline tests/stress/threads \
	tests/stress/stops
# The whole process runs on our heap.
PROCESS_TESTS = tests/stress/sleepers tests/stress/manycpus \
	tests/life/early tests/life/forks tests/life/signals \
	tests/life/exitrace tests/life/vforks tests/life/vlimit \
	tests/life/rlimits tests/life/dlopened tests/life/everypoint \
	tests/life/refused tests/life/sigfork tests/stress/mappings \
	tests/stress/sparse tests/stress/idle tests/stress/limit \
	tests/stress/defrag tests/stress/thin tests/stress/counters tests/stress/hugetlb \
	tests/api/thisnode \
	tests/mmap/conform
# Of several nodes: built here, run in guests (make check-numa); not linked with
# the library, so that they measure other allocators too.
NUMA_TESTS = tests/numa/placement tests/numa/fallback tests/numa/hotplug \
	tests/numa/policy tests/numa/late tests/numa/maps
NUMA_FILES = tests/numa/cc tests/numa/check tests/numa/fetch tests/numa/guest \
	tests/numa/guests.list tests/numa/image.py tests/numa/init \
	tests/numa/leave.c tests/numa/numa.h tests/numa/red.sh tests/numa/shares tests/numa/suite
SCRIPT_TESTS = tests/api/operators.sh tests/api/module.sh tests/api/views.sh \
	tests/misuse/run.sh tests/mmap/stat.sh tests/mmap/life.sh tests/examples.sh tests/stress/options.sh tests/life/secure.sh tests/life/core.sh \
	tests/life/overcommit.sh tests/life/deepbind.sh tests/life/atfork.sh tests/programs/compilers.sh \
	tests/programs/git.sh tests/programs/mmap.sh tests/programs/python.sh \
	tests/programs/redis.sh tests/programs/scripting.sh \
	tests/programs/sqlite.sh tests/programs/tools.sh \
	tests/bench/google.sh tests/bench/programs.sh tests/bench/rows.sh \
	tests/bench/trace.sh tests/can-fail.sh \
	tests/bench/runner.sh tests/numa/short.sh
TEST_FILES = tests/unit/unit.h tests/mmap/tree.h tests/lib/t.h tests/lib/t_names.h tests/lib/cm.h \
	tests/bench/fake_rows tests/bench/stats.py tests/lib/lib.sh tests/lib/broken.c tests/programs/programs.sh \
	tests/api/operators.cpp tests/api/module.cpp tests/api/module_host.c \
	$(MISUSE_FILES) $(NUMA_FILES)
MISUSE_FILES = tests/misuse/misuse.h \
	tests/misuse/cache_classless.c \
	tests/misuse/cache_destroyed.c \
	tests/misuse/cache_double_free.c \
	tests/misuse/cache_double_free_later.c \
	tests/misuse/cache_free_twice.c \
	tests/misuse/cache_live.c \
	tests/misuse/cache_misaligned.c \
	tests/misuse/cache_none.c \
	tests/misuse/cache_other.c \
	tests/misuse/cache_other_classless.c \
	tests/misuse/conf_bad_value.c \
	tests/misuse/conf_bad_values.c \
	tests/misuse/conf_noise.c \
	tests/misuse/conf_unknown_key.c \
	tests/misuse/double_free_biggest_class.c \
	tests/misuse/double_free_flushed.c \
	tests/misuse/double_free_huge.c \
	tests/misuse/double_free_large.c \
	tests/misuse/double_free_later.c \
	tests/misuse/double_free_other_class.c \
	tests/misuse/double_free_realloc.c \
	tests/misuse/double_free_small.c \
	tests/misuse/double_free_thread.c \
	tests/misuse/foreign_ignore.c \
	tests/misuse/foreign_libc.c \
	tests/misuse/foreign_mmap.c \
	tests/misuse/foreign_noncanonical.c \
	tests/misuse/foreign_realloc.c \
	tests/misuse/foreign_stack.c \
	tests/misuse/foreign_static.c \
	tests/misuse/foreign_usable.c \
	tests/misuse/foreign_wild.c \
	tests/misuse/foreign_window.c \
	tests/misuse/heap_destroyed.c \
	tests/misuse/heap_double_free.c \
	tests/misuse/heap_large_double_free.c \
	tests/misuse/heap_other.c \
	tests/misuse/misaligned_flushed.c \
	tests/misuse/misaligned_odd.c \
	tests/misuse/misaligned_small.c \
	tests/misuse/not_the_start.c \
	tests/misuse/not_the_start_page.c \
	tests/misuse/page_double_free.c \
	tests/misuse/page_exact.c \
	tests/misuse/page_exact_small.c \
	tests/misuse/page_inner.c \
	tests/misuse/page_none.c \
	tests/misuse/page_of_slab.c \
	tests/misuse/page_wrong_order.c \
	tests/misuse/realloc_not_the_start.c \
	tests/misuse/size_mismatch.c \
	tests/misuse/size_mismatch_delete.c \
	tests/misuse/size_mismatch_unchecked.c

API_TESTS = $(STRESS_TESTS)
if HAVE_CMOCKA
# Compares with what the kernel says of the process: no tool's mappings in it.
WHOLE_TESTS += tests/mmap/model tests/mmap/serve tests/mmap/threads
# These lay out windows of a machine's size and fork with wiped pages: not for
# valgrind, nor for an emulated process (guests run them on arm64).
WINDOW_TESTS += tests/unit/node tests/unit/special tests/unit/huge
UNIT_TESTS += tests/unit/base tests/unit/page tests/unit/conf tests/unit/sysfs tests/unit/cgroup \
	tests/unit/topo tests/unit/policy tests/unit/zone tests/unit/slab \
	tests/numa/agree
API_TESTS += $(CMOCKA_TESTS)
endif

# The compiler must not leave out a malloc whose block is not used.
TEST_CFLAGS = $(AM_CFLAGS) -fno-builtin
CMOCKA_API_LIBS = $(API_LIBS) $(CMOCKA_LIBS)
tests_api_malloc_CFLAGS = $(TEST_CFLAGS)
tests_api_malloc_LDADD = $(CMOCKA_API_LIBS)
tests_api_calloc_CFLAGS = $(TEST_CFLAGS)
tests_api_calloc_LDADD = $(CMOCKA_API_LIBS)
tests_api_realloc_CFLAGS = $(TEST_CFLAGS)
tests_api_realloc_LDADD = $(CMOCKA_API_LIBS)
tests_api_middle_CFLAGS = $(TEST_CFLAGS)
tests_api_middle_LDADD = $(CMOCKA_API_LIBS)
tests_api_aligned_CFLAGS = $(TEST_CFLAGS)
tests_api_aligned_LDADD = $(CMOCKA_API_LIBS)
tests_api_control_CFLAGS = $(TEST_CFLAGS)
tests_api_control_LDADD = $(CMOCKA_API_LIBS)
tests_api_pages_CFLAGS = $(TEST_CFLAGS)
tests_api_pages_LDADD = $(CMOCKA_API_LIBS)
tests_api_classes_CFLAGS = $(TEST_CFLAGS)
tests_api_classes_LDADD = $(CMOCKA_API_LIBS)
tests_api_cache_CFLAGS = $(TEST_CFLAGS)
tests_api_cache_LDADD = $(CMOCKA_API_LIBS)
tests_api_pool_CFLAGS = $(TEST_CFLAGS)
tests_api_pool_LDADD = $(CMOCKA_API_LIBS)
tests_api_vmalloc_CFLAGS = $(TEST_CFLAGS)
tests_api_vmalloc_LDADD = $(CMOCKA_API_LIBS)
tests_api_kmalloc_CFLAGS = $(TEST_CFLAGS)
tests_api_kmalloc_LDADD = $(CMOCKA_API_LIBS)
tests_api_heap_CFLAGS = $(TEST_CFLAGS)
tests_api_heap_LDADD = $(CMOCKA_API_LIBS)
tests_api_hooks_CFLAGS = $(TEST_CFLAGS)
tests_api_hooks_LDADD = $(CMOCKA_API_LIBS)
tests_api_events_CFLAGS = $(TEST_CFLAGS)
tests_api_events_LDADD = $(CMOCKA_API_LIBS)
tests_stress_model_CFLAGS = $(TEST_CFLAGS)
tests_stress_pipeline_CFLAGS = $(TEST_CFLAGS)
tests_stress_threads_CFLAGS = $(TEST_CFLAGS)
tests_stress_sleepers_CFLAGS = $(TEST_CFLAGS)
tests_stress_manycpus_CFLAGS = $(TEST_CFLAGS)
tests_life_early_CFLAGS = $(TEST_CFLAGS)
tests_life_forks_CFLAGS = $(TEST_CFLAGS)
tests_life_signals_CFLAGS = $(TEST_CFLAGS)
tests_life_exitrace_CFLAGS = $(TEST_CFLAGS)
tests_life_vforks_CFLAGS = $(TEST_CFLAGS)
tests_life_vlimit_CFLAGS = $(TEST_CFLAGS)
tests_life_rlimits_CFLAGS = $(TEST_CFLAGS)
tests_life_dlopened_CFLAGS = $(TEST_CFLAGS)
tests_life_everypoint_CFLAGS = $(TEST_CFLAGS)
tests_life_refused_CFLAGS = $(TEST_CFLAGS)
tests_life_sigfork_CFLAGS = $(TEST_CFLAGS)
tests_stress_mappings_CFLAGS = $(TEST_CFLAGS)
tests_stress_sparse_CFLAGS = $(TEST_CFLAGS)
tests_stress_idle_CFLAGS = $(TEST_CFLAGS)
tests_stress_limit_CFLAGS = $(TEST_CFLAGS)
tests_api_thisnode_CFLAGS = $(TEST_CFLAGS)
tests_stress_defrag_CFLAGS = $(TEST_CFLAGS)
tests_stress_thin_CFLAGS = $(TEST_CFLAGS)
tests_stress_hugetlb_CFLAGS = $(TEST_CFLAGS)
tests_stress_counters_CFLAGS = $(TEST_CFLAGS)
tests_numa_placement_CFLAGS = $(TEST_CFLAGS)
tests_numa_fallback_CFLAGS = $(TEST_CFLAGS)
tests_numa_hotplug_CFLAGS = $(TEST_CFLAGS)
tests_numa_policy_CFLAGS = $(TEST_CFLAGS)
tests_numa_late_CFLAGS = $(TEST_CFLAGS)
tests_numa_maps_CFLAGS = $(TEST_CFLAGS)
# Not linked with the library: these run themselves under the preload, or open
# the library.
tests_life_vforks_LDADD =
tests_life_vlimit_LDADD =
tests_life_rlimits_LDADD =
tests_life_dlopened_LDADD =
tests_mmap_conform_LDADD =
tests_numa_placement_LDADD =
tests_numa_fallback_LDADD =
tests_numa_hotplug_LDADD =
tests_numa_policy_LDADD =
tests_numa_late_LDADD =
tests_numa_maps_LDADD =

# What the targets check-asan (bm_ names only), check-clang, check-valgrind and
# check-arm64 run.
ASAN_TESTS = $(UNIT_TESTS) $(WINDOW_TESTS) $(API_TESTS)
CLANG_TESTS = $(UNIT_TESTS) $(WINDOW_TESTS) $(WHOLE_TESTS) $(API_TESTS)
VALGRIND_TESTS = $(UNIT_TESTS) $(CMOCKA_TESTS)
ARM64_TESTS = $(UNIT_TESTS) $(API_TESTS)

check_PROGRAMS += $(UNIT_TESTS) $(WINDOW_TESTS) $(WHOLE_TESTS) $(API_TESTS)
TESTS += $(UNIT_TESTS) $(WINDOW_TESTS) $(WHOLE_TESTS) $(API_TESTS)
if REPLACE
check_PROGRAMS += $(PROCESS_TESTS) $(NUMA_TESTS)
TESTS += $(PROCESS_TESTS) $(SCRIPT_TESTS)
endif
EXTRA_DIST += $(SCRIPT_TESTS) $(TEST_FILES)

UNIT_TEST_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -DPREFIXED $(UNIT_CPPFLAGS)
tests_unit_base_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_base_LDADD = $(UNIT_LIBS)
tests_unit_page_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_page_LDADD = $(UNIT_LIBS)
tests_unit_conf_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_conf_LDADD = $(UNIT_LIBS)
tests_unit_sysfs_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_sysfs_LDADD = $(UNIT_LIBS)
tests_unit_cgroup_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_cgroup_LDADD = $(UNIT_LIBS)
tests_unit_policy_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_policy_LDADD = $(UNIT_LIBS)
tests_numa_agree_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_numa_agree_LDADD = $(UNIT_LIBS) $(NUMA_LIBS)
tests_unit_topo_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_topo_LDADD = $(UNIT_LIBS)
tests_unit_zone_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_zone_LDADD = $(UNIT_LIBS)
tests_unit_node_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_node_LDADD = $(UNIT_LIBS)
tests_unit_special_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_special_LDADD = $(UNIT_LIBS)
tests_unit_huge_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_huge_LDADD = $(UNIT_LIBS)
tests_mmap_model_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_mmap_model_LDADD = $(UNIT_LIBS)
tests_mmap_serve_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_mmap_serve_LDADD = $(UNIT_LIBS)
tests_mmap_threads_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_mmap_threads_LDADD = $(UNIT_LIBS)
tests_unit_slab_CPPFLAGS = $(UNIT_TEST_CPPFLAGS)
tests_unit_slab_LDADD = $(UNIT_LIBS)
