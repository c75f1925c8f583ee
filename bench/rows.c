/* SPDX-License-Identifier: MIT */
/*
 * What:  the plain front of the workloads: one row in one process, which links
 *        libc only, so that any library can be preloaded.
 * Door:  rows [--scale F | --ops N] [--seconds S] NAME
 *                             runs a row, prints one JSON object on a line
 *        rows --list          name, threads, group, what it does, by tabs
 *        rows --owner         the file whose malloc it is, and where its
 *                             malloc and free are
 *        rows --touch MIB     touches memory, so that the host has given it
 *                             before a measured run asks for it
 * Invariant: without --seconds the work of a row is fixed, so its peak RSS and
 *        its checksum can be compared.
 * See:   harness.h; bench/runner runs these side by side.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"

_Noreturn __attribute__((format(printf, 1, 2)))
static void usage(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "rows: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

/* All that goes to stdout may meet a full disk. */
static int written(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "rows: cannot write: %s\n", strerror(errno));
	return 1;
}

static double number(const char *option, const char *text)
{
	char *end;
	double n;

	if (!text)
		usage("%s wants a number", option);
	n = strtod(text, &end);
	if (*end || end == text || !(n > 0 && n < 1e300))
		usage("%s '%s': that is no number above 0", option, text);
	return n;
}

static void list_row(const struct work *w, int threads, void *arg)
{
	(void)arg;
	printf("%s/%d\t%d\t%s\t%s\n", w->name, threads, threads, w->group,
	       w->what);
}

static int touch(double mib)
{
	size_t bytes, i;
	volatile char *p;

	if (mib > 1 << 30)
		usage("--touch %.0f: that is too much", mib);
	bytes = (size_t)(mib * (1 << 20));
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("cannot map %.0f MiB", mib);
	for (i = 0; i < bytes; i += 4096)
		p[i] = 1;
	return 0;
}

/* A file's name as JSON wants it. */
static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static int run(const struct work *w, int threads, long ops, double seconds)
{
	struct run r;
	uint64_t ns = 0;
	long peak, full, after, done = 0;

	run_setup(&r, w, threads);
	do {
		ns += run_step(&r, ops);
		done += ops;
	} while (ns < seconds * 1e9);
	full = resident_kib();
	peak = peak_kib();
	if (peak < full)	/* the kernel's peak is some pages behind */
		peak = full;
	run_teardown(&r);
	after = resident_kib();
	printf("{\"name\":\"%s/%d\",\"threads\":%d,\"ops\":%ld,\"ns\":%llu,"
	       "\"checksum\":\"%016llx\",\"rss_peak_kib\":%ld,"
	       "\"rss_after_kib\":%ld,\"owner\":",
	       w->name, threads, threads, done, (unsigned long long)ns,
	       (unsigned long long)run_checksum(&r), peak, after);
	print_quoted(malloc_owner());
	puts("}");
	return written();
}

int main(int argc, char **argv)
{
	double scale = 1, seconds = 0, ops = 0;
	const char *row = NULL, *arg;
	const struct work *w;
	int i, threads;

	bench_name = "rows";
	for (i = 1; i < argc; i++) {
		arg = argv[i];
		if (!strcmp(arg, "--list") && argc == 2) {
			row_each(list_row, NULL);
			return written();
		}
		if (!strcmp(arg, "--owner") && argc == 2) {
			printf("%s malloc %p free %p\n", malloc_owner(),
			       dlsym(RTLD_DEFAULT, "malloc"),
			       dlsym(RTLD_DEFAULT, "free"));
			return written();
		}
		if (!strcmp(arg, "--touch") && argc == 3 && i == 1)
			return touch(number(arg, argv[2]));
		if (!strcmp(arg, "--scale"))
			scale = number(arg, argv[++i]);
		else if (!strcmp(arg, "--ops"))
			ops = number(arg, argv[++i]);
		else if (!strcmp(arg, "--seconds"))
			seconds = number(arg, argv[++i]);
		else if (*arg == '-' || row)
			usage("'%s' is not expected here", arg);
		else
			row = arg;
	}
	if (!row)
		usage("which row? (rows --list names them)");
	w = row_find(row, &threads);
	if (!w)
		usage("no row '%s' (rows --list names them)", row);
	ops = ops ? ops : w->ops * scale;
	if (ops > 1e15)
		usage("that would be %.0g operations", ops);
	return run(w, threads, ops < 1 ? 1 : (long)(ops + 0.5), seconds);
}
