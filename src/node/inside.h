/* SPDX-License-Identifier: MIT */
/*
 * What:  what the files of this floor share.
 */
#ifndef BM_NODE_INSIDE_H
#define BM_NODE_INSIDE_H

#include "node/node.h"

/* zonelist.c. Bytes behind a struct node; the caller of build is alone (E). */
size_t zonelists_bytes(void);
void zonelists_build(void);
const struct zonelist *zonelist_of(const struct node *node,
				   enum zone_type want);

/* room.c: whether a node has memory for so many pages more, by the kernel. */
bool node_has_room(unsigned nid, size_t npages);
/* Brings home what the kernel put elsewhere while the node was short. */
void node_call_home(unsigned nid);

/* special.c: room for the run in one of the node's zones of the type. */
void special_prepare(unsigned nid, enum zone_type type, size_t npages);
void special_recover(void);

#endif
