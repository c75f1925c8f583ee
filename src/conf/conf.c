/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/print.h"
#include "os/os.h"

struct conf conf;

enum kind { WORD, SIZE, COUNT, PATH };

/* The one table of options. A WORD's value is its place in the form. */
static const struct option {
	const char *key, *form, *help;
	enum kind kind;
	void *value;
	size_t max;
} options[] = {
	{ "foreign", "abort|libc|ignore",
	  "what to do with a pointer that is not of this heap", WORD,
	  &conf.foreign, 0 },
	{ "rseq", "auto|off|fake",
	  "per-CPU caches by restartable sequences, or behind locks", WORD,
	  &conf.rseq, 0 },
	{ "numa", "local|interleave|off",
	  "memory from the node of the CPU, from all in turn, or as it comes",
	  WORD, &conf.numa, 0 },
	{ "hugepages", "auto|never|always|hugetlb",
	  "huge pages: where memory is used densely, nowhere, everywhere, a pool's",
	  WORD, &conf.hugepages, 0 },
	{ "reclaim", "auto|thread|caller|off",
	  "who gives unused memory back: a thread, the calls, nobody", WORD,
	  &conf.reclaim, 0 },
	{ "limit", "SIZE", "memory to stay below, if there is any to give back",
	  SIZE, &conf.limit, (size_t)1 << 46 },
	{ "hard_limit", "SIZE", "memory above which requests fail", SIZE,
	  &conf.hard_limit, (size_t)1 << 46 },
	{ "mmap", "off|track|place|serve",
	  "the program's own mappings: left alone, recorded, placed, used again",
	  WORD, &conf.mmap, 0 },
	{ "deepbind", "ignore|keep",
	  "RTLD_DEEPBIND, which keeps modules from this malloc", WORD,
	  &conf.deepbind, 0 },
	{ "stats", "off|exit|json|views",
	  "print statistics when the process ends", WORD, &conf.stats, 0 },
	{ "check", "off|on", "check every free at once (slower)", WORD,
	  &conf.check, 0 },
	{ "debug", "off|boot", "print the stages of the start", WORD,
	  &conf.debug, 0 },
	{ "help", "off|on", "print these options", WORD, &conf.help, 0 },
	{ "window", "SIZE", "address space to reserve, as 64g", SIZE,
	  &conf.window, (size_t)1 << 46 },
	{ "slots", "N", "pretend that the machine has so many CPUs, if more", COUNT,
	  &conf.slots, 4096 },
	{ "trace", "FILE", "record every call in FILE.PID, to be played again",
	  PATH, &conf.trace, sizeof(conf.trace) - 1 },
	{ "sysfs", "PATH", "read the machine from this tree instead of /sys",
	  PATH, &conf.sysfs, sizeof(conf.sysfs) - 1 },
};

/* The place of word among "a|b|c", or -1. */
static int place(const char *form, const char *word, size_t len)
{
	for (int i = 0;; i++) {
		const char *end = strchrnul(form, '|');

		if ((size_t)(end - form) == len && !memcmp(form, word, len))
			return i;
		if (!*end)
			return -1;
		form = end + 1;
	}
}

/* "64k" = 65536. False when it is no number, or ends in something else. */
static bool parse_size(const char *s, size_t len, bool units, size_t *out)
{
	size_t n = 0, i = 0;

	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
		if (n > ((size_t)1 << 50))
			return false;
		n = n * 10 + (size_t)(s[i] - '0');
	}
	if (!i)
		return false;
	if (units && i < len) {
		static const char unit[] = "kmgt";
		const char *u = memchr(unit, s[i] | 0x20, 4);

		if (!u || n >> 24)
			return false;
		n <<= 10 * (u - unit + 1);
		i++;
	}
	*out = n;
	return i == len;
}

static bool set(const struct option *o, const char *val, size_t len)
{
	size_t n;
	int word;

	if (o->kind == WORD) {
		word = place(o->form, val, len);
		if (word < 0)
			return false;
		*(uint32_t *)o->value = (uint32_t)word;
		return true;
	}
	if (o->kind == PATH) {
		if (!len || len > o->max)
			return false;
		memcpy(o->value, val, len);
		((char *)o->value)[len] = 0;
		return true;
	}
	if (!parse_size(val, len, o->kind == SIZE, &n) || !n || n > o->max)
		return false;
	*(size_t *)o->value = n;
	return true;
}

static void parse_file(const char *path, size_t len);

/* The text is cut at commas, newlines and blanks; '#' hides a line's rest. */
static void parse(const char *s, const char *where, bool files)
{
	while (*s) {
		size_t len = strcspn(s, ", \t\n#"), key;
		const char *colon = memchr(s, ':', len);
		const struct option *o = NULL;

		if (*s == '#') {
			s += strcspn(s, "\n");
			continue;
		}
		if (!len) {
			s++;
			continue;
		}
		key = colon ? (size_t)(colon - s) : len;
		if (files && colon && key == 4 && !memcmp(s, "file", 4)) {
			parse_file(colon + 1, len - 5);
			s += len;
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(options); i++)
			if (strlen(options[i].key) == key &&
			    !memcmp(options[i].key, s, key))
				o = &options[i];
		if (key > 60)
			key = 60;
		char name[64], val[64];
		size_t vlen = colon ? len - (size_t)(colon - s) - 1 : 0;
		size_t show = min_u64(vlen, sizeof(val) - 1);

		memcpy(name, s, key);
		name[key] = 0;
		memcpy(val, colon ? colon + 1 : "", show);
		val[show] = 0;
		if (!o)
			warn("%s: unknown key '%s', ignored", where, name);
		else if (!colon || !set(o, colon + 1, vlen))
			warn("%s: bad value '%s' for '%s' (%s), ignored", where,
			     val, name, o->form);
		s += len;
	}
}

static void parse_file(const char *path, size_t len)
{
	static char buf[4096] set_apart;
	char name[256];
	long n;

	if (len >= sizeof(name)) {
		warn("BUDDYMALLOC_CONF: the path of 'file' is too long, ignored");
		return;
	}
	memcpy(name, path, len);
	name[len] = 0;
	n = os_read_file(name, buf, sizeof(buf));
	if (n < 0) {
		warn("BUDDYMALLOC_CONF: cannot read '%s', ignored", name);
		return;
	}
	if ((size_t)n == sizeof(buf)) {
		warn("%s: longer than %zu bytes, ignored", name,
		     sizeof(buf) - 1);
		return;
	}
	buf[n] = 0;
	parse(buf, name, false);
}

extern char **environ __attribute__((weak));

static void print_options(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		warn("%s:%s: %s", options[i].key, options[i].form,
		     options[i].help);
	warn("file:PATH: read options from a file");
}

static char **first_environ;	/* before libc has set its own */

void conf_environ(char **env)
{
	first_environ = env;
}

/* environ, not getenv(): this may run before libc's constructors. */
void conf_init(void)
{
	static const char key[] = "BUDDYMALLOC_CONF=";
	char **e = environ ? environ : first_environ;

	if (os_secure())
		return;
	for (; e && *e; e++) {
		const char *value = text_after(*e, key);

		if (value)
			parse(value, "BUDDYMALLOC_CONF", true);
	}
	if (conf.help)
		print_options();
}
