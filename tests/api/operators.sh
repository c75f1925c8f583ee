#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs operators.cpp against the library, linked and preloaded.
. "$(dirname "$0")/../lib/lib.sh"
have "${CXX:=g++}" || skip "no C++ compiler"
"$CXX" -std=c++17 -O1 -g -w -fno-builtin "$tests/api/operators.cpp" -o "$tmp/plain" \
	|| fail "does not compile"
"$CXX" -std=c++17 -O1 -g -w -fno-builtin "$tests/api/operators.cpp" -o "$tmp/linked" \
	"$lib" -Wl,-rpath,"$(dirname "$lib")" || fail "does not link"
BM_REQUIRE=1 "$tmp/linked" || fail "linked: exit $?"
BM_REQUIRE=1 LD_PRELOAD=$preload "$tmp/plain" || fail "preloaded: exit $?"
