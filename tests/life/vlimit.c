/* SPDX-License-Identifier: MIT */
/*
 * ulimit -v from 256 MiB up, set before the program starts: 64 MiB can be had
 * in all, at the limit malloc says NULL and ENOMEM and leaves everything as it
 * was, mmap still works, and after freeing all goes on. Threads too.
 */
#include "../lib/t.h"

static void *thread(void *arg)
{
	void *p = malloc(100000);

	(void)arg;
	T_CHECK(p);
	memset(p, 1, 100000);
	free(p);
	return NULL;
}

struct node {
	struct node *next;
	size_t n;
	uint64_t key;
};

/* Blocks of a size until there is no more; all of them intact, then freed. */
static size_t exhaust(size_t n)
{
	struct node *head = NULL, *x;
	size_t got = 0;

	for (;;) {
		errno = 0;
		x = malloc(n);
		if (!x)
			break;
		x->next = head;
		x->n = n;
		t_fill(x + 1, n > 3000 ? 1000 : n - sizeof(*x), (uintptr_t)x);
		head = x;
		got += n;
		T_CHECK(got < (size_t)2 << 30, "no limit?");
	}
	T_CHECK(errno == ENOMEM);
	errno = 0;
	T_CHECK(!calloc(n, 64) && errno == ENOMEM);
	if (head) {
		errno = 0;
		T_CHECK(!realloc(head, (size_t)1 << 30) && errno == ENOMEM);
	}
	while ((x = head)) {
		ssize_t bad = t_verify(x + 1, n > 3000 ? 1000 : n - sizeof(*x), (uintptr_t)x);

		T_CHECK(bad < 0, "%p: wrong at %zd", (void *)x, bad);
		head = x->next;
		free(x);
	}
	return got;
}

static int child(size_t limit)
{
	static const size_t sizes[] = { 32, 1000, 20000, 100000, 1 << 20, 6 << 20 };
	size_t i, n, got[2][8];
	void *p[64];
	pthread_t th;
	int round;

	/* 64 MiB in blocks of 1 MiB, all there at once */
	for (i = 0; i < 64; i++) {
		p[i] = malloc(1 << 20);
		T_CHECK(p[i], "MiB %zu of 64", i);
		memset(p[i], i, 1 << 20);
	}
	for (i = 0; i < 64; i++)
		free(p[i]);
	p[0] = malloc(64 << 20);
	T_CHECK(p[0], "64 MiB in one piece");
	memset(p[0], 1, 64 << 20);
	free(p[0]);
	/* the rest of the program may map memory as well */
	n = limit / 8;
	p[0] = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_CHECK(p[0] != MAP_FAILED, "mmap of %zu MiB", n >> 20);
	munmap(p[0], n);
	T_CHECK(!pthread_create(&th, NULL, thread, NULL));
	pthread_join(th, NULL);

	for (round = 0; round < 2; round++)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			if (limit > (size_t)300 << 20 && i != 4)
				continue;	/* takes long and shows nothing new */
			got[round][i] = exhaust(sizes[i]);
			T_CHECK(got[round][i] >= 64 << 20, "only %zu KiB in blocks of %zu",
				got[round][i] >> 10, sizes[i]);
			T_CHECK(got[round][i] <= limit);
			if (t_sabotage("lose"))
				got[1][i] = 0;
		}
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (limit > (size_t)300 << 20 && i != 4)
			continue;
		T_CHECK(got[1][i] + got[0][i] / 8 >= got[0][i],
			"blocks of %zu: %zu KiB, later only %zu KiB", sizes[i], got[0][i] >> 10,
			got[1][i] >> 10);
	}
	t_say("limit %zu MiB: %zu MiB in blocks of 1 MiB", limit >> 20, got[0][4] >> 20);
	return 0;
}

int main(int argc, char **argv)
{
	static const int limits[] = { 256, 300, 512, 1024 };
	size_t i;

	t_under_preload(argv);
	t_start("life/vlimit", 60);
	if (argc > 1)
		return child((size_t)atoi(argv[1]) << 20);
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (pid == 0) {
			struct rlimit rl = { (rlim_t)limits[i] << 20, (rlim_t)limits[i] << 20 };
			char mib[20];

			t_child(30);
			snprintf(mib, sizeof(mib), "%d", limits[i]);
			setrlimit(RLIMIT_AS, &rl);
			execl("/proc/self/exe", "vlimit", mib, (char *)NULL);
			_exit(98);
		}
		t_wait_ok(pid, "ulimit -v");
	}
	return t_done();
}
