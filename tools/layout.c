/* SPDX-License-Identifier: MIT */
/*
 * What:  notes which functions of the library a program runs: preloaded with a
 *        library that was built with -finstrument-functions, it leaves a file
 *        in the directory $LAYOUT_OUT, of 64-bit words, each an address as nm
 *        prints it, or 0. See tools/layout.
 * Invariant: a note is a store to memory that is the file, since programs end by
 *        _exit() and execve() too, and the library's own thread may not call
 *        libc. What was noted before the constructor ran is kept.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 16384 /* some times as many as there are functions */
#define QUIET __attribute__((no_instrument_function))

static uintptr_t early[SLOTS];
static uintptr_t *notes = early;
static uintptr_t base; /* 0 until the constructor ran */

QUIET static void note(uintptr_t function)
{
	uintptr_t *table = __atomic_load_n(&notes, __ATOMIC_ACQUIRE);
	size_t at = (function >> 2) * 40503 % SLOTS;
	uintptr_t none;

	for (function -= base;; at = (at + 1) % SLOTS) {
		none = 0;
		if (__atomic_compare_exchange_n(&table[at], &none, function, 0,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED) ||
		    none == function)
			return;
	}
}

QUIET void __cyg_profile_func_enter(void *function, void *caller);
QUIET void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)caller;
	note((uintptr_t)function);
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)function;
	(void)caller;
}

/* Of a process there is one thread yet. */
QUIET __attribute__((constructor)) static void start(void)
{
	const char *dir = getenv("LAYOUT_OUT");
	char path[512];
	Dl_info info;
	void *table;
	int fd;

	snprintf(path, sizeof(path), "%s/%ld-XXXXXX", dir, (long)getpid());
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, sizeof(early)) ||
	    !dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info))
		abort();
	table = mmap(NULL, sizeof(early), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (table == MAP_FAILED)
		abort();
	close(fd);
	base = (uintptr_t)info.dli_fbase;
	notes = table;
	for (size_t i = 0; i < SLOTS; i++)
		if (early[i])
			note(early[i]);
}
