/* SPDX-License-Identifier: MIT */
/*
 * What:  each file here misuses the heap in one way. In its head comment
 *          conf: WORDS    goes into BUDDYMALLOC_CONF
 *          expect: LINE   the whole of stderr, a line each; addresses are
 *                         normalised to 0x1
 *        A program whose last line is "goes on" must exit with 0, every
 *        other one must die by SIGABRT.  misuse/run.sh compares.
 */
#ifndef MISUSE_H
#define MISUSE_H
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* the compiler forgets what it knows of p */
#define hide(p) __asm__ volatile("" : "+r"(p) : : "memory")

/* a time limit of its own: timeout(1) would say the conf lines as well */
__attribute__((constructor)) static void limit(void)
{
	alarm(20);
}

static inline int goes_on(void)
{
	char *p = malloc(1);	/* else the linker leaves the library out */

	hide(p);
	free(p);
	return write(2, "goes on\n", 8) != 8;
}
#endif
