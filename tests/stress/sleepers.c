/* SPDX-License-Identifier: MIT */
/*
 * A thousand threads that each allocated once and now sleep cost the heap at
 * most 256 KiB more than one such thread. Stacks are ours (one mapping that
 * is left out of the sum), so what is measured is heap and metadata.
 */
#include "../lib/t.h"
#include "buddymalloc.h"

enum { N = 1000, STACK = 256 << 10, BLOCK = 1000 };	/* arm64 wants 128 KiB */

static pthread_barrier_t born;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *kept[N];

static void *sleeper(void *arg)
{
	void **slot = arg;

	*slot = malloc(BLOCK);
	memset(*slot, 1, BLOCK);
	pthread_barrier_wait(&born);
	pthread_mutex_lock(&gate);	/* sleeps here until the end */
	pthread_mutex_unlock(&gate);
	return NULL;
}

/*
 * Bytes that are handed out: the blocks, and what libc allocates a thread
 * (its dtv), which only the heap itself can count.
 */
static size_t live(int n)
{
	void (*stats)(struct bm_stats *) = (void (*)(struct bm_stats *))t_sym("bm_stats");
	size_t blocks = 0;
	struct bm_stats st;
	int i;

	for (i = 0; i < n; i++)
		blocks += malloc_usable_size(kept[i]);
	if (!stats)
		return blocks;
	stats(&st);
	T_CHECK(st.live_bytes >= blocks && st.live_bytes <= blocks + n * 1024 + (128 << 10),
		"%zu live, %zu in our blocks", st.live_bytes, blocks);
	return st.live_bytes;
}

static void measure(pid_t *pid, int n, size_t *extra, int fd)
{
	*pid = fork();
	T_CHECK(*pid >= 0);
	if (*pid == 0) {
		char *stacks = mmap(NULL, (size_t)N * STACK, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		static pthread_t th[N];
		pthread_attr_t attr;
		size_t anon;
		int i;

		t_child(60);
		T_CHECK(stacks != MAP_FAILED);
		pthread_barrier_init(&born, NULL, n + 1);
		pthread_mutex_lock(&gate);
		for (i = 0; i < n; i++) {
			pthread_attr_init(&attr);
			T_CHECK(!pthread_attr_setstack(&attr, stacks + (size_t)i * STACK, STACK));
			T_CHECK(!pthread_create(&th[i], &attr, sleeper, &kept[i]));
		}
		pthread_barrier_wait(&born);
		anon = t_anon((uintptr_t)stacks, (uintptr_t)stacks + (size_t)N * STACK);
		*extra = anon - live(n);
		T_CHECK(write(fd, extra, sizeof(*extra)) == sizeof(*extra));
		pthread_mutex_unlock(&gate);
		for (i = 0; i < n; i++)
			pthread_join(th[i], NULL);
		_exit(0);
	}
}

int main(void)
{
	size_t one = 0, many = 0, dummy;
	int pfd[2];
	pid_t pid;

	t_start("stress/sleepers", 90);
	T_CHECK(!pipe(pfd));
	measure(&pid, 1, &dummy, pfd[1]);
	t_wait_ok(pid, "one thread");
	T_CHECK(read(pfd[0], &one, sizeof(one)) == sizeof(one));
	measure(&pid, N, &dummy, pfd[1]);
	t_wait_ok(pid, "a thousand threads");
	T_CHECK(read(pfd[0], &many, sizeof(many)) == sizeof(many));
	t_say("besides the blocks: %zu KiB with 1 thread, %zu KiB with %d", one >> 10, many >> 10, N);
	if (t_sabotage("grow"))
		many += 300 << 10;
	if (!t_ours())
		t_skip("the limit holds for buddymalloc only");
	T_CHECK(many <= one + (256 << 10), "%zu KiB more", (many - one) >> 10);
	return t_done();
}
