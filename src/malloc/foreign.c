/* SPDX-License-Identifier: MIT */
/*
 * Pointers that are not of this heap: a program with RTLD_DEEPBIND, or one
 * that mixes allocators, or a wild pointer. Default: say so and end.
 */
#include <errno.h>

#include "base/print.h"
#include "conf/conf.h"
#include "malloc/mm.h"

extern void __libc_free(void *) __attribute__((weak));
extern void *__libc_realloc(void *, size_t) __attribute__((weak));

static void refuse(const char *what, const void *p)
{
	if (conf.foreign == FOREIGN_ABORT)
		fatal("invalid %s of %p: not memory of this heap", what, p);
}

void foreign_free(void *p)
{
	refuse("free", p);
	if (conf.foreign == FOREIGN_LIBC && __libc_free)
		__libc_free(p);
}

void *foreign_realloc(void *p, size_t size)
{
	refuse("realloc", p);
	if (conf.foreign == FOREIGN_LIBC && __libc_realloc)
		return __libc_realloc(p, size);
	errno = ENOMEM;
	return NULL;
}

size_t foreign_size(const void *p)
{
	refuse("malloc_usable_size", p);
	return 0;
}
