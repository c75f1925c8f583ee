/* SPDX-License-Identifier: MIT */
/*
 * The second free comes from another thread.
 * conf: check:on
 * expect: buddymalloc: double free of 0x1 (size class 64)
 */
#include "misuse.h"
#include <pthread.h>

static void *second(void *p)
{
	free(p);
	return NULL;
}

int main(void)
{
	pthread_t th;
	char *p = malloc(60);

	hide(p);
	pthread_create(&th, NULL, second, p);
	pthread_join(th, NULL);
	pthread_create(&th, NULL, second, p);
	pthread_join(th, NULL);
	return 0;
}
