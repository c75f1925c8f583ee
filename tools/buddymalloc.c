/* SPDX-License-Identifier: MIT */
/*
 * What:  the command. `buddymalloc run PROG ARGS...` starts a program with
 *        the preload library in front of what LD_PRELOAD holds already.
 *        `buddymalloc bench` hands over to bench/runner/main.py, `buddymalloc
 *        stat` is stat.c.
 * See:   buddymalloc(1). tools/check-manual reads the strcmp() lines here.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"

#define PRELOAD "libbuddymalloc-preload.so"

static const char usage[] =
	"usage: buddymalloc run [--conf KEY:VALUE,...] PROG [ARGS...]\n"
	"       buddymalloc stat --maps PID\n"
	"       buddymalloc bench [OPTIONS]\n"
	"       buddymalloc --version | --help\n"
	"\n"
	"run      start PROG with malloc, free and operator new from buddymalloc\n"
	"--conf   options for PROG, added to BUDDYMALLOC_CONF; may be repeated;\n"
	"         help:on lists them, see also buddymalloc.conf(5)\n"
	"stat     show the mappings of a process under buddymalloc: nodes, what\n"
	"         is resident, and who made them\n"
	"bench    measure buddymalloc against other allocators; see bench --help\n";

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("buddymalloc: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(status);
}

__attribute__((format(printf, 1, 2)))
static char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die(1, "out of memory");
	va_end(ap);
	return s;
}

/* The tree we lie in, if it is one: build/tools/buddymalloc, so one up. */
static const char *build_tree(void)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	for (int up = 0; up < 2; up++) {
		slash = strrchr(self, '/');
		if (slash)
			*slash = 0;
	}
	return self;
}

/*
 * The library of the tree we lie in, else the installed one.
 * BUDDYMALLOC_PRELOAD names another.
 */
static char *find_preload(void)
{
	const char *named = getenv("BUDDYMALLOC_PRELOAD");
	char *path;

	if (named && *named) {
		path = realpath(named, NULL);
		if (!path)
			die(1, "BUDDYMALLOC_PRELOAD: %s: %s", named,
			    strerror(errno));
		return path;
	}
	path = format("%s/" PRELOAD, build_tree());
	if (!access(path, R_OK))
		return path;
	free(path);
	path = format("%s/" PRELOAD, LIBDIR);
	if (access(path, R_OK))
		die(1, "cannot find " PRELOAD " in %s: %s", LIBDIR,
		    strerror(errno));
	return path;
}

/* Is word one of the list's, which ld.so cuts at colons and spaces? */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, ": ");

		if (n == len && !memcmp(list, word, n))
			return true;
		list += n;
		list += strspn(list, ": ");
	}
	return false;
}

static void add_preload(void)
{
	const char *old = getenv("LD_PRELOAD");
	char *path = find_preload();

	if (strpbrk(path, ": "))
		die(1, "%s: LD_PRELOAD takes no path with a colon or a space",
		    path);
	if (old && lists(old, path))
		return;
	if (old && *old)
		path = format("%s:%s", path, old);
	if (setenv("LD_PRELOAD", path, 1))
		die(1, "out of memory");
}

/* What is added comes last, and the last value of a key holds. */
static void add_conf(const char *conf)
{
	const char *old = getenv("BUDDYMALLOC_CONF");

	if (setenv("BUDDYMALLOC_CONF",
		   old && *old ? format("%s,%s", old, conf) : conf, 1))
		die(1, "out of memory");
}

__attribute__((noreturn))
static void run(char **arg)
{
	for (; *arg && **arg == '-'; arg++) {
		if (!strcmp(*arg, "--conf")) {
			if (!*++arg)
				die(EXIT_USAGE, "--conf needs KEY:VALUE,...");
			add_conf(*arg);
		} else if (!strncmp(*arg, "--conf=", 7)) {
			add_conf(*arg + 7);
		} else if (!strcmp(*arg, "--")) {
			arg++;
			break;
		} else {
			die(EXIT_USAGE, "run: unknown option '%s' (see buddymalloc --help)",
			    *arg);
		}
	}
	if (!*arg)
		die(EXIT_USAGE, "run: no program given (see buddymalloc --help)");
	add_preload();
	execvp(*arg, arg);
	die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "%s: %s", *arg,
	    strerror(errno));
}

/* The runner of the tree we lie in, else the installed one. */
__attribute__((noreturn))
static void bench(int args, char **arg)
{
	char *runner = format("%s/bench/runner/main.py", build_tree());
	char **words = calloc(args + 6, sizeof(*words));
	int n = 0;

	if (access(runner, R_OK)) {
		free(runner);
		runner = format("%s/runner/main.py", BENCHDIR);
	}
	if (access(runner, R_OK))
		die(1, "cannot find the benchmarks in %s: %s", BENCHDIR,
		    strerror(errno));
	if (!words || setenv("BUDDYMALLOC_PRELOAD", find_preload(), 1))
		die(1, "out of memory");
	words[n++] = "python3";
	words[n++] = "-E";	/* nothing of PYTHON... counts */
	words[n++] = "-s";
	words[n++] = "-B";	/* leave no files beside the runner */
	words[n++] = runner;
	memcpy(words + n, arg, args * sizeof(*words));
	execvp(*words, words);
	die(1, "bench needs python3: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *word;

	if (argc < 2)
		die(EXIT_USAGE, "no command given (see buddymalloc --help)");
	word = argv[1];
	if (!strcmp(word, "run"))
		run(argv + 2);
	if (!strcmp(word, "stat"))
		stat_command(argv + 2);
	if (!strcmp(word, "bench"))
		bench(argc - 2, argv + 2);
	if (!strcmp(word, "--help"))
		fputs(usage, stdout);
	else if (!strcmp(word, "--version"))
		puts("buddymalloc " PACKAGE_VERSION);
	else
		die(EXIT_USAGE, "unknown command '%s' (see buddymalloc --help)",
		    word);
	if (fflush(stdout))
		die(1, "cannot write: %s", strerror(errno));
	return 0;
}
