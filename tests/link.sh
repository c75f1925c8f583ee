#!/bin/sh
# SPDX-License-Identifier: MIT
# modes: once
# What: installs into a prefix of its own and links a program from there, as a
#       user would with pkg-config: dynamic, fully static with glibc, fully
#       static with musl. Each must be served by our malloc, also where it
#       has functions of its own with names like ours inside.
# shellcheck disable=SC2154 # the harness sets them
[ "$CROSS" = no ] || { echo "SKIP: cross-built" >&2; exit 77; }
[ "$SANITIZE" = no ] || { echo "SKIP: built with sanitizers" >&2; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0

# What `make install DESTDIR=...` leaves is moved to its prefix by pkg-config.
prefix=$(sed -n 's/^prefix=//p' "$top_builddir/buddymalloc.pc")
(cd "$top_builddir" && MAKEFLAGS='' ${MAKE:-make} -s install DESTDIR="$tmp") >"$tmp/log" 2>&1 || {
	cat "$tmp/log" >&2
	echo "FAIL: make install" >&2
	exit 1
}
pc=$(find "$tmp" -name buddymalloc.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
pc() { pkg-config --define-variable=prefix="$tmp$prefix" "$@" buddymalloc; }
command -v pkg-config >/dev/null || { echo "SKIP: pkg-config is missing" >&2; exit 77; }
libdir=$(pc --variable=libdir)

cat >"$tmp/prog.c" <<'END'
#include <buddymalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
/* Names that the library may use inside: no clash, and no confusion. */
int conf = 1, options = 2, node = 3;
void conf_init(void) { abort(); }
void zone_init(void) { abort(); }
void fatal(void) { abort(); }
void warn(void) { abort(); }
static void *thread(void *p) { free(p); return malloc(100); }
int main(void)
{
#ifdef PLAIN
	char *(*dup)(const char *) = strdup;
	void *p = malloc(1), *q = dup("libc's own calls"), *r;
#else
	void *p = bm_malloc(1), *q = bm_calloc(1, 100), *r;
#define free bm_free
#endif
	pthread_t t;

	if (bm_owns(p) != 1 || bm_owns(q) != 1 || bm_owns(main))
		return puts("not served by buddymalloc"), 1;
	free(q);
#ifdef PLAIN
	if (pthread_create(&t, NULL, thread, p) || pthread_join(t, &r))
		return puts("no thread"), 1;
	if (bm_owns(r) != 1)
		return puts("a thread is not served"), 1;
#else
	(void)t, (void)thread, r = p;
#endif
	int st;
	pid_t pid = fork();
	if (!pid) {
		free(r);
		_exit(bm_owns(r = bm_malloc(1000)) == 1 ? 0 : 1);
	}
	if (waitpid(pid, &st, 0) != pid || st)
		return puts("a fork child is not served"), 1;
	free(r);
	return conf + options + node + (int)strlen(bm_version()) > 6 ? 0 : 1;
}
END
plain=
[ "$REPLACE" = yes ] && plain=-DPLAIN

# try NAME COMPILER FLAGS...
try() {
	name=$1
	shift
	if ! "$@" -o "$tmp/$name" >"$tmp/log" 2>&1; then
		cat "$tmp/log" >&2
		echo "FAIL: $name does not link: $*" >&2
		bad=1
		return
	fi
	for conf in '' rseq:off; do
		if ! BUDDYMALLOC_CONF=$conf LD_LIBRARY_PATH=$libdir "$tmp/$name" >&2; then
			echo "FAIL: $name fails with BUDDYMALLOC_CONF=$conf" >&2
			bad=1
		fi
	done
	echo "ok: $name" >&2
}

# shellcheck disable=SC2046,SC2086 # pkg-config prints words
{
	try dynamic $CC -O1 $plain "$tmp/prog.c" $(pc --cflags --libs) -pthread
	try static-glibc $CC -O1 $plain -static "$tmp/prog.c" $(pc --static --cflags --libs)
	if command -v musl-gcc >/dev/null; then
		try static-musl musl-gcc -O1 $plain -static "$tmp/prog.c" $(pc --static --cflags --libs)
	else
		echo "SKIP: musl-gcc is missing: the static musl link is not tested" >&2
		[ $bad = 1 ] || bad=77
	fi
}
exit $bad
