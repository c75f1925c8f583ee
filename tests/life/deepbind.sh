#!/bin/sh
# SPDX-License-Identifier: MIT
# A module that is opened with RTLD_DEEPBIND allocates from libc's heap; what
# it hands to the program is freed there. Default: one line and SIGABRT;
# foreign:libc: all goes well.
. "$(dirname "$0")/../lib/lib.sh"
ulimit -c 0
cat >"$tmp/module.c" <<'END'
#include <stdlib.h>
#include <string.h>
char *make(int n) { return memset(malloc(n), 7, n); }
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
	if (!make)
		return 3;
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
out=$(LD_PRELOAD=$preload BUDDYMALLOC_CONF=$(conf foreign:libc) "$tmp/host" "$tmp/module.so" 2>&1)
[ "$out" = fine ] || fail "foreign:libc: $out"
{ (LD_PRELOAD=$preload exec "$tmp/host" "$tmp/module.so") >"$tmp/out" 2>"$tmp/err"; st=$?; } 2>/dev/null
[ $st = 134 ] || fail "default: exit $st"
grep -q '^buddymalloc: invalid realloc of 0x[0-9a-f]*: not memory of this heap$' "$tmp/err" ||
	fail "default: $(cat "$tmp/err")"
