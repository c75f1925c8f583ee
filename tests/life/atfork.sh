#!/bin/sh
# SPDX-License-Identifier: MIT
# Another library registers handlers of fork in its constructor: its prepare
# takes a lock under which its threads allocate, its child handler allocates.
# Ours must come outside of those: our prepare last, our child handler first.
. "$(dirname "$0")/../lib/lib.sh"
cat >"$tmp/other.c" <<'END'
#include <pthread.h>
#include <stdlib.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile block;
static void prepare(void) { pthread_mutex_lock(&mutex); }
static void parent(void) { pthread_mutex_unlock(&mutex); }
static void child(void) { free(malloc(100)); pthread_mutex_unlock(&mutex); }
__attribute__((constructor)) static void start(void)
{
	pthread_atfork(prepare, parent, child);
}
void step(int size)
{
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 50; i++) {
		free(block);
		block = malloc((size * 7919u + i * 4999u) % 60000);
	}
	pthread_mutex_unlock(&mutex);
}
END
cat >"$tmp/main.c" <<'END'
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
extern void step(int size);
static volatile int ended;
static void *work(void *arg)
{
	for (int i = 0; !ended; i++)
		step(i);
	return arg;
}
int main(void)
{
	pthread_t threads[2];
	int st;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, &st, 0) != pid || st)
			return 3;
	}
	ended = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	puts("fine");
	return 0;
}
END
"${CC:-cc}" -w -fPIC -shared -fno-builtin "$tmp/other.c" -o "$tmp/libother.so" -lpthread &&
	"${CC:-cc}" -w "$tmp/main.c" "$tmp/libother.so" -o "$tmp/main" -Wl,-rpath,"$tmp" -lpthread ||
	fail "does not compile"
out=$(LD_PRELOAD=$preload BUDDYMALLOC_CONF=$(conf '') timeout -s KILL 30 "$tmp/main" 2>&1)
[ "$out" = fine ] || fail "$out: exit $?"
