#!/bin/sh
# SPDX-License-Identifier: MIT
# A module that is opened with RTLD_DEEPBIND: without the flag it allocates here,
# finds what lies beside its caller, and NULL is NULL. With deepbind:keep it
# allocates from libc's heap, and what it hands to the program is freed there:
# one line and SIGABRT; foreign:libc: all goes well.
. "$(dirname "$0")/../lib/lib.sh"
ulimit -c 0
cat >"$tmp/module.c" <<'END'
#include <stdlib.h>
#include <string.h>
char *make(int n) { return memset(malloc(n), 7, n); }
void end(void *p) { free(p); }
END
cat >"$tmp/host.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	char *(*make)(int) = h ? dlsym(h, "make") : NULL;
	void (*end)(void *) = h ? dlsym(h, "end") : NULL;
	if (!make || !end || dlopen("no such", RTLD_NOW) || !dlerror() ||
	    dlopen(NULL, RTLD_LAZY) == NULL)
		return 3;
	if (argc > 2)
		end(malloc(100));
	for (int i = 1; i < 300; i++) {
		char *p = realloc(make(i * 100), i * 150), *q = make(i * 1000);
		if (p[i * 100 - 1] != 7)
			return 4;
		free(p);
		free(q);
		free(malloc(i * 100));
	}
	puts("fine");
	return 0;
}
END
"${CC:-cc}" -w -fPIC -shared -fno-builtin "$tmp/module.c" -o "$tmp/module.so" &&
	"${CC:-cc}" -w -fno-builtin "$tmp/host.c" -o "$tmp/host" || fail "does not compile"
out=$(LD_PRELOAD=$preload "$tmp/host" "$tmp/module.so" both 2>&1)
[ "$out" = fine ] || fail "the default: $out"
# $ORIGIN is the caller's: found by the host's RUNPATH only
mkdir "$tmp/lib" && mv "$tmp/module.so" "$tmp/lib/beside.so" &&
	"${CC:-cc}" -w -fno-builtin "$tmp/host.c" -Wl,-rpath,'$ORIGIN/lib' -o "$tmp/origin" ||
	fail "does not link"
out=$(LD_PRELOAD=$preload "$tmp/origin" beside.so both 2>&1)
[ "$out" = fine ] || fail "beside its caller: $out"
mv "$tmp/lib/beside.so" "$tmp/module.so"
out=$(LD_PRELOAD=$preload BUDDYMALLOC_CONF=$(conf foreign:libc,deepbind:keep) "$tmp/host" "$tmp/module.so" 2>&1)
[ "$out" = fine ] || fail "foreign:libc: $out"
{ (LD_PRELOAD=$preload BUDDYMALLOC_CONF=$(conf deepbind:keep) exec "$tmp/host" "$tmp/module.so") >"$tmp/out" 2>"$tmp/err"; st=$?; } 2>/dev/null
[ $st = 134 ] || fail "default: exit $st"
grep -q '^buddymalloc: invalid realloc of 0x[0-9a-f]*: not memory of this heap$' "$tmp/err" ||
	fail "default: $(cat "$tmp/err")"
