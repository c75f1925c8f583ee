#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 900
# What a process goes through, with its mappings recorded and placed: the tests
# of tests/life once more, and programs that fork, exec, vfork, spawn, start
# threads and open libraries, whose output must stay the same.
. "$(dirname "$0")/../lib/lib.sh"
[ "${CROSS:-no}" = no ] || skip "cross-built"
plain=${BUDDYMALLOC_CONF-}

cat >"$tmp/life.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static char *map(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(90);
	p[n - 1] = 1;
	return p;
}
static void *work(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		char *p = map(4096 << i % 12);
		if (i % 3 == 0)
			p = mremap(p, 4096 << i % 12, 8192 << i % 12, MREMAP_MAYMOVE), munmap(p, 8192 << i % 12);
		else
			munmap(p, 4096 << i % 12);
	}
	return arg;
}
static int in_child(int (*start)(char **), char **argv)
{
	int status = -1;
	waitpid(start(argv), &status, 0);
	return status;
}
static int by_fork(char **argv)
{
	int pid = fork();
	if (!pid) {
		map(1 << 20);
		execv(argv[0], argv);
	}
	return pid;
}
static int by_vfork(char **argv)
{
	int pid = vfork();
	if (!pid) {
		map(1 << 20);
		execv(argv[0], argv);
		_exit(91);
	}
	return pid;
}
static int by_spawn(char **argv)
{
	int pid = -1;
	posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
	return pid;
}
static int by_clone(char **argv)
{
	int pid = (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		map(5 << 20);
		execv(argv[0], argv);
	}
	return pid;
}
int main(int argc, char **argv)
{
	char *next[] = { argv[0], "child", NULL };
	pthread_t t[4];
	void *lib;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return map(3 << 20)[5] + 7;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 20; i++)
		printf("%d %d %d %d\n", in_child(by_fork, next) >> 8, in_child(by_vfork, next) >> 8,
		       in_child(by_spawn, next) >> 8, in_child(by_clone, next) >> 8);
	for (int i = 0; i < 20; i++) {
		lib = dlopen("libm.so.6", RTLD_NOW);
		printf("%d\n", lib && dlsym(lib, "cos") && !dlclose(lib));
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	map(1 << 20);
	return 0;
}
END
"${CC:-cc}" -O1 -w -pthread "$tmp/life.c" -o "$tmp/life" -ldl || fail "does not compile"
cat >"$tmp/sh.sh" <<'END'
for i in 1 2 3; do seq 1000 | sort -R | sort -n | md5sum; done
(echo a; exec cat) <<E | tr a b
c
E
sh -c 'exec sh -c "exit 5"'; echo $?
END

want=$("$tmp/life" 2>&1) || fail "plain: exit $?: $want"
shell=$(sh "$tmp/sh.sh" 2>&1)
for mode in track place; do
	BUDDYMALLOC_CONF=${plain:+$plain,}mmap:$mode
	export BUDDYMALLOC_CONF
	got=$(under "$tmp/life" 2>&1) || fail "mmap:$mode: exit $?: $got"
	[ "$got" = "$want" ] || fail "mmap:$mode: $got"
	got=$(under sh "$tmp/sh.sh" 2>&1)
	[ "$got" = "$shell" ] || fail "mmap:$mode: sh: $got"
	# Some put themselves under the preload, or open the library.
	for test in early forks signals sigfork exitrace vforks dlopened rlimits vlimit; do
		[ -x "$built/life/$test" ] || fail "tests/life/$test is not built"
		case $test in
		vforks | dlopened | rlimits | vlimit) "$built/life/$test" ;;
		*) under "$built/life/$test" ;;
		esac >"$tmp/log" 2>&1
		status=$?
		[ $status = 0 ] || [ $status = 77 ] || {
			cat "$tmp/log"
			fail "mmap:$mode: tests/life/$test: exit $status"
		}
	done
done
