/* SPDX-License-Identifier: MIT */
/*
 * What:  what `./quickstart run` shows when no program is named: threads that
 *        allocate and free, then the heap's views, which BUDDYMALLOC_CONF's
 *        stats:views prints at exit. Knows nothing of buddymalloc.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, BLOCKS = 20000, ROUNDS = 1000000, LARGE = 24 };

static void *work(void *arg)
{
	static __thread char *block[BLOCKS];
	uint32_t random = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		char **slot = &block[random % BLOCKS];
		size_t size = 16 + (random >> 16) % 1009;

		free(*slot);
		*slot = malloc(size);
		if (!*slot)
			abort();
		memset(*slot, 1, 16);
	}
	/* Three of four blocks go back; the rest lives on, for the views. */
	for (int i = 0; i < BLOCKS; i++)
		if (i % 4)
			free(block[i]);
	return NULL;
}

int main(void)
{
	static char *large[LARGE];
	pthread_t thread[THREADS];
	size_t size = 1 << 20;
	char *moved;

	printf("demo: %d threads, %d random frees and mallocs each\n", THREADS,
	       ROUNDS);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);

	printf("demo: %d large blocks of 1 to %d MiB, every second one freed\n",
	       LARGE, LARGE);
	for (size_t i = 0; i < LARGE; i++) {
		large[i] = malloc((i + 1) << 20);
		if (large[i])
			memset(large[i], 1, (i + 1) << 20);
	}
	for (size_t i = 0; i < LARGE; i += 2)
		free(large[i]);

	printf("demo: one block that grows from 1 to 256 MiB by realloc\n");
	moved = malloc(size);
	for (; moved && size < 256 << 20; size *= 2)
		moved = realloc(moved, size * 2);
	if (moved)
		moved[size - 1] = 1;
	free(moved);
	printf("demo: done; what follows is the heap at exit\n");
	return 0;
}
