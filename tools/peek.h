/* SPDX-License-Identifier: MIT */
/*
 * What:  the tree of another process's mappings, copied from its memory.
 * Door:  peek().
 * See:   src/vma/head.h: where it lies, and why a copy is whole.
 */
#ifndef BM_TOOLS_PEEK_H
#define BM_TOOLS_PEEK_H

#include <sys/types.h>

#include "vma/head.h"
#include "vma/tree.h"

struct map {			/* what the kernel says of a mapping */
	uint64_t start, end, offset, inode;
	char perms[8];
	char *name;
	uint64_t rss, huge;
	char nodes[200];	/* "N0=12,N1=4" in kB; a policy before it */
};

enum peeked {
	PEEK_OK,
	PEEK_NONE,	/* no buddymalloc in it */
	PEEK_OTHER,	/* one that this command does not know */
	PEEK_DENIED,	/* errno says why */
};

struct peek {
	struct vma_head head;
	struct vma *vmas;	/* by address */
	size_t nr;
	uint64_t calls, missed;
	bool moving;		/* it changed all the while: not quite one moment */
};

enum peeked peek(pid_t pid, const struct map *maps, size_t nr_maps,
		 struct peek *out);

#endif
