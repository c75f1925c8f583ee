/* SPDX-License-Identifier: MIT */
/* What the two halves of the reader share; see bmt.h. */
#ifndef BENCH_BMT_LOAD_H
#define BENCH_BMT_LOAD_H
#include <stddef.h>

#include "bmt.h"

/* Says what is wrong with the file, and is -1. */
int bmt_wrong(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Pages that are not touched cost nothing; NULL: there are none. */
void *bmt_map(size_t bytes);
void bmt_unmap(void *p, size_t bytes);

int bmt_rehearse(struct bmt *b, const char *path);

#endif
