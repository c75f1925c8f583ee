# SPDX-License-Identifier: MIT
# What: the common start of the test scripts (sourced): the preload's path, a
#       directory that goes away, skip and fail. tests/driver sets top_srcdir
#       and top_builddir; by hand, run from the build directory.
# shellcheck shell=sh disable=SC2034
set -u
export LC_ALL=C
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$PWD}"
tests=$top_srcdir/tests
built=$top_builddir/tests
preload=${BM_PRELOAD-$top_builddir/libbuddymalloc-preload.so}
lib=${BM_LIB-$top_builddir/libbuddymalloc.so.0}
name=$(basename "$(dirname "$0")")/$(basename "$0" .sh)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bm-test-XXXXXX") || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

skip() { echo "$name: SKIP: $*" >&2; exit 77; }
fail() { echo "$name: FAIL: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# conf WORDS: BUDDYMALLOC_CONF of this mode with more options, as one word
conf() { echo "${BUDDYMALLOC_CONF:+$BUDDYMALLOC_CONF,}$1"; }

# under PROG ARGS…: run it under the preload
under() { LD_PRELOAD=$preload "$@"; }
