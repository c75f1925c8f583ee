#!/bin/sh
# SPDX-License-Identifier: MIT
# A C program under the preload opens a C++ module (module.cpp).
. "$(dirname "$0")/../lib/lib.sh"
have "${CXX:=g++}" || skip "no C++ compiler"
"$CXX" -O1 -g -w -fPIC -shared "$tests/api/module.cpp" -o "$tmp/module.so" ||
	fail "does not compile"
"${CC:-cc}" -std=gnu11 -O1 -g -w -I"$tests/lib" "$tests/api/module_host.c" -o "$tmp/host" ||
	fail "does not compile"
BM_REQUIRE=1 LD_PRELOAD=$preload "$tmp/host" "$tmp/module.so" || fail "preloaded: exit $?"
"${CC:-cc}" -std=gnu11 -O1 -g -w -I"$tests/lib" "$tests/api/module_host.c" -o "$tmp/linked" \
	"$lib" -Wl,-rpath,"$(dirname "$lib")" || fail "does not link"
BM_REQUIRE=1 "$tmp/linked" "$tmp/module.so" || fail "linked: exit $?"
