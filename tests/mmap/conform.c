/* SPDX-License-Identifier: MIT */
/*
 * The calls on mappings answer as the kernel does: thousands of calls with good
 * and bad arguments, each on a fresh stretch of pages, and after each what
 * every page of it can do and holds. The program runs itself without the
 * preload and under it in every mode; what it writes must be the same.
 * (Own equivalents of what the Linux Test Project and Open POSIX ask of mmap,
 * munmap, mremap, mprotect, madvise, posix_madvise, mlock.)
 */
#include "../lib/t.h"

enum { PAGES = 12, GAP = 3, CALLS_MIN = 1000 };

static char *area;		/* PAGES pages, and nothing for GAP around */
static size_t page;
static int file, pipes[2];
static FILE *out;
static int calls;

/* r: can be read; w: written; the first byte of each page, as a letter. */
static void effects(void)
{
	char line[PAGES * 3 + 1];
	int n = 0;

	for (int i = 0; i < PAGES; i++) {
		char *p = area + i * page, c = 0;
		bool r = write(pipes[1], p, 1) == 1, w;

		if (r)
			T_CHECK(read(pipes[0], &c, 1) == 1);
		T_CHECK(write(pipes[1], &c, 1) == 1);
		w = read(pipes[0], p, 1) == 1;
		if (!w)
			T_CHECK(read(pipes[0], line, 1) == 1);
		line[n++] = r ? c ? c : '0' : '-';
		line[n++] = w ? 'w' : '-';
	}
	line[n] = 0;
	fprintf(out, " | %s\n", line);
}

static void fresh(void)
{
	T_CHECK(munmap(area - GAP * page, (PAGES + 2 * GAP) * page) == 0);
	T_CHECK(mmap(area, PAGES * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	for (int i = 0; i < PAGES; i++)
		area[i * page] = 'a' + i;
	T_CHECK(munmap(area + 6 * page, page) == 0);
	T_CHECK(mprotect(area + 9 * page, page, PROT_READ) == 0);
	errno = 4242;
}

/* Where it is in the area; elsewhere only that it is. */
static void say_ptr(const char *what, char *p, size_t bytes)
{
	int error = errno;

	calls++;
	if (p == MAP_FAILED)
		fprintf(out, "%s: failed %d", what, error);
	else if (p >= area - GAP * page && p < area + (PAGES + GAP) * page)
		fprintf(out, "%s: at %ld errno %d", what, (long)(p - area) / (long)page, error);
	else
		fprintf(out, "%s: somewhere, rest %lu errno %d", what,
			(unsigned long)p % page, error);
	effects();
	if (p != MAP_FAILED && !(p >= area - GAP * page && p < area + (PAGES + GAP) * page))
		munmap(p, bytes);
}

static void say_int(const char *what, int result)
{
	int error = errno;

	calls++;
	fprintf(out, "%s: %d errno %d", what, result, error);
	effects();
}

#define TEXT(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)
static char text[200];

static const struct {
	const char *name;
	long pages;		/* from the area's start; -100: as it stands */
	unsigned long add;
} places[] = {
	{ "null", -100, 0 }, { "start", 0, 0 }, { "odd", 1, 17 }, { "2", 2, 0 },
	{ "5", 5, 0 }, { "hole", 6, 0 }, { "behind", PAGES, 0 },
	{ "kernel", -100, 0xffff800000000000ul }, { "top", -100, ~0xffful },
};

static char *place(unsigned i)
{
	return places[i].pages == -100 ? (char *)places[i].add
				       : area + places[i].pages * page + places[i].add;
}

static const size_t *lengths(void)
{
	static size_t l[7];

	l[0] = 0, l[1] = 1, l[2] = page, l[3] = 3 * page - 5, l[4] = 5 * page,
	l[5] = (size_t)1 << 62, l[6] = SIZE_MAX;
	return l;
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void maps(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, 0x80 };
	static const int flags[] = {
		MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, MAP_ANONYMOUS,
		MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		MAP_SHARED | MAP_FIXED, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		MAP_SHARED_VALIDATE | 0x40000000, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	};

	for (unsigned a = 0; a < N(places); a++)
		for (unsigned l = 0; l < 7; l++)
			for (unsigned p = 0; p < N(prots); p++)
				for (unsigned f = 0; f < N(flags); f++) {
					int fd = flags[f] & MAP_ANONYMOUS ? -1 : file;
					long off = l % 2 && !(flags[f] & MAP_ANONYMOUS) ? (long)page : 0;
					size_t n = lengths()[l];

					fresh();
					say_ptr(TEXT("mmap %s %u %x %x", places[a].name, l, prots[p], flags[f]),
						(f % 2 ? mmap : mmap64)(place(a), n, prots[p], flags[f], fd, off), n);
				}
	fresh();
	say_ptr("mmap bad fd", mmap(NULL, page, PROT_READ, MAP_PRIVATE, 999, 0), page);
	fresh();
	say_ptr("mmap odd offset", mmap(NULL, page, PROT_READ, MAP_PRIVATE, file, 5), page);
	fresh();
	say_ptr("mmap offset < 0", mmap(NULL, page, PROT_READ, MAP_PRIVATE, file, -(long)page), page);
	fresh();
	say_ptr("mmap a pipe", mmap(NULL, page, PROT_READ, MAP_PRIVATE, pipes[0], 0), page);
	fresh();
	say_ptr("mmap a pipe in place", mmap(area, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, pipes[0], 0), page);
	fresh();
	say_ptr("mmap 8 MiB", mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8 << 20);
}

static void unmaps(void)
{
	for (unsigned a = 0; a < N(places); a++)
		for (unsigned l = 0; l < 7; l++) {
			/* What the program lies in must stay. */
			if (places[a].pages == -100 && l >= 5)
				continue;
			fresh();
			say_int(TEXT("munmap %s %u", places[a].name, l), munmap(place(a), lengths()[l]));
			fresh();
			for (int p = -1; p < 8; p++)
				say_int(TEXT("mprotect %s %u %d", places[a].name, l, p),
					mprotect(place(a), lengths()[l], p));
		}
}

static void advises(void)
{
	static const int advice[] = { 0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 99, -1 };

	for (unsigned a = 0; a < N(places); a++)
		for (unsigned l = 0; l < 7; l++)
			for (unsigned i = 0; i < N(advice); i++) {
				/* It would hold for all of the process. */
				if (l == 5)
					continue;
				fresh();
				say_int(TEXT("madvise %s %u %d", places[a].name, l, advice[i]),
					madvise(place(a), lengths()[l], advice[i]));
				if (advice[i] > 8)
					continue;
				fresh();
				say_int(TEXT("posix_madvise %s %u %d", places[a].name, l, advice[i]),
					posix_madvise(place(a), lengths()[l], advice[i]));
			}
}

static void locks(void)
{
	for (unsigned a = 0; a < N(places); a++)
		for (unsigned l = 0; l < 7; l++) {
			fresh();
			say_int(TEXT("mlock %s %u", places[a].name, l), mlock(place(a), lengths()[l]));
			say_int(TEXT("munlock %s %u", places[a].name, l), munlock(place(a), lengths()[l]));
			for (unsigned f = 0; f < 3; f++)
				say_int(TEXT("mlock2 %s %u %u", places[a].name, l, f),
					mlock2(place(a), lengths()[l], f));
		}
	fresh();
	say_int("mlockall 0", mlockall(0));
	say_int("mlockall 99", mlockall(99));
	say_int("mlockall onfault", mlockall(MCL_ONFAULT));
	say_int("munlockall", munlockall());
}

static void moves(void)
{
	static const int flags[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, MREMAP_MAYMOVE | 64 };
	static const int targets[] = { 0, 3, 8, PAGES - 1 };

	for (unsigned a = 0; a < N(places); a++)
		for (unsigned l = 0; l < 7; l++)
			for (unsigned m = 0; m < 7; m++)
				for (unsigned f = 0; f < N(flags); f++)
					for (unsigned t = 0; t < (flags[f] & MREMAP_FIXED ? N(targets) : 1); t++) {
						char *p;

						/* Over what lies behind the area. */
						if (flags[f] & MREMAP_FIXED && m >= 5)
							continue;
						fresh();
						p = flags[f] & MREMAP_FIXED
							  ? mremap(place(a), lengths()[l], lengths()[m],
								   flags[f], area + targets[t] * page + (m == 1))
							  : mremap(place(a), lengths()[l], lengths()[m], flags[f], NULL);
						say_ptr(TEXT("mremap %s %u %u %x %d", places[a].name, l, m,
							     flags[f], targets[t]), p, lengths()[m]);
					}
}

static int table(const char *path)
{
	char name[] = "/tmp/bm-conform-XXXXXX";
	char *p;

	out = fopen(path, "w");
	T_CHECK(out, "%s: %s", path, strerror(errno));
	page = sysconf(_SC_PAGESIZE);
	file = mkstemp(name);
	T_CHECK(file >= 0 && unlink(name) == 0 && ftruncate(file, 64 * page) == 0);
	T_CHECK(pipe2(pipes, O_NONBLOCK) == 0);
	for (int i = 0; i < 64; i++)
		T_CHECK(pwrite(file, "F", 1, i * page) == 1);
	/* In the middle of a free stretch, so that neighbours are the same. */
	p = mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_CHECK(p != MAP_FAILED);
	area = (char *)(((uintptr_t)p + (32 << 20)) & ~(uintptr_t)0x1fffff);
	maps();
	unmaps();
	advises();
	locks();
	moves();
	T_CHECK(calls > CALLS_MIN);
	t_say("%d calls", calls);
	return fclose(out);
}

static void run(const char *path, const char *preload, const char *conf)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		t_child(120);
		unsetenv("LD_PRELOAD");
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		setenv("BUDDYMALLOC_CONF", conf, 1);
		execl("/proc/self/exe", "conform", "--table", path, NULL);
		_exit(99);
	}
	t_wait_ok(pid, conf);
}

/* The number of the first line that differs, 0: none. */
static int differ(const char *a, const char *b, char *la, char *lb, int n)
{
	FILE *fa = fopen(a, "r"), *fb = fopen(b, "r");
	int line = 0;

	T_CHECK(fa && fb);
	for (;;) {
		char *x = fgets(la, n, fa), *y = fgets(lb, n, fb);

		line++;
		if (!x && !y) {
			line = 0;
			break;
		}
		if (!x || !y || strcmp(x, y))
			break;
	}
	fclose(fa);
	fclose(fb);
	return line;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "off", "track", "place", "serve" };
	char dir[] = "/tmp/bm-conform-XXXXXX", plain[64], hooked[64], preload[4096];
	char a[300] = "", b[300] = "", conf[300];
	const char *top = getenv("top_builddir"), *old = getenv("BUDDYMALLOC_CONF");
	const char *named = getenv("BM_PRELOAD");

	t_start("mmap/conform", 280);
	if (argc == 3)
		return table(argv[2]);
	if (!top && !named)
		t_skip("no top_builddir");
	snprintf(preload, sizeof(preload), "%s%s", named ? named : top,
		 named ? "" : "/libbuddymalloc-preload.so");
	T_CHECK(mkdtemp(dir));
	snprintf(plain, sizeof(plain), "%s/plain", dir);
	snprintf(hooked, sizeof(hooked), "%s/hooked", dir);
	run(plain, NULL, "");
	for (unsigned i = 0; i < N(modes); i++) {
		int line;

		snprintf(conf, sizeof(conf), "%s,mmap:%s", old ? old : "", modes[i]);
		run(hooked, preload, conf);
		if (t_sabotage("differ")) {
			FILE *f = fopen(hooked, "a");

			fputs("sabotaged\n", f);
			fclose(f);
		}
		line = differ(plain, hooked, a, b, sizeof(a));
		T_CHECK(!line, "mmap:%s, line %d:\n  plain:  %s  hooked: %s", modes[i], line, a, b);
	}
	unlink(plain);
	unlink(hooked);
	rmdir(dir);
	return t_done();
}
