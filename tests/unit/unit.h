/* SPDX-License-Identifier: MIT */
/*
 * What:  for tests of single floors: cmocka, the seed and limits of t.h, and
 *        a small machine to stand on. The malloc of these programs is libc's.
 */
#ifndef UNIT_H
#define UNIT_H

#include "../lib/cm.h"

#include "base/bits.h"
#include "conf/conf.h"
#include "node/node.h"
#include "topo/topo.h"

static uint64_t unit_state;

static inline uint64_t unit_random(void)
{
	if (!unit_state)
		unit_state = t_seed * 2 + 1;
	unit_state ^= unit_state << 13;
	unit_state ^= unit_state >> 7;
	unit_state ^= unit_state << 17;
	return unit_state;
}

static inline uint64_t unit_below(uint64_t n)
{
	return (unit_random() >> 11) % n;
}

/* A window with one node, as the start-up makes it. */
static inline void unit_machine(size_t window_bytes)
{
	topo_init(2, "/sys");
	assert_true(window_init(window_bytes));
	assert_true(nodes_init());
}

#endif
