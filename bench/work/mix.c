/* SPDX-License-Identifier: MIT */
/*
 * What:  mixes of sizes, derived from real programs, whose requests and live
 *        objects were counted by size with a small preloaded counter: an
 *        interpreter's from python3 (objects by malloc), perl and lua on
 *        scripts that parse, sort and build tables; a compiler's from g++ on
 *        templates and gcc on C; a server's from redis under its common
 *        commands. A mix takes what they have in common and is smoother than
 *        any of them: one program's counts are spikes at its own structures.
 * Door:  mix_roll(), sizes_roll(), sizes_even()
 * Invariant: sizes are at least LEAST, so that each object has its stamp.
 */
#include "object.h"

/* Keys and small values, then replies, buffers and a few big blobs. */
const struct mix server_mix = { {
	{ 16, 210 }, { 24, 190 }, { 32, 110 }, { 48, 90 }, { 64, 80 },
	{ 96, 50 }, { 128, 50 }, { 256, 100 }, { 512, 60 }, { 1024, 35 },
	{ 2048, 12 }, { 4096, 8 }, { 16384, 4 }, { 65536, 1 },
} };

/* Nearly all are boxed values, pairs, small tables and short strings. */
const struct mix interpreter_mix = { {
	{ 16, 160 }, { 24, 80 }, { 32, 260 }, { 40, 50 }, { 48, 60 },
	{ 56, 190 }, { 64, 90 }, { 80, 60 }, { 96, 20 }, { 128, 10 },
	{ 192, 12 }, { 512, 4 }, { 2048, 3 }, { 8192, 1 },
} };

/* Tree nodes and lists, bit sets, hash tables that grow, pools of some KiB. */
const struct mix compiler_mix = { {
	{ 16, 190 }, { 24, 90 }, { 40, 100 }, { 56, 125 }, { 80, 85 },
	{ 112, 135 }, { 192, 60 }, { 256, 75 }, { 384, 30 }, { 512, 16 },
	{ 1024, 26 }, { 2048, 15 }, { 4096, 24 }, { 8192, 20 },
	{ 65536, 1 },
} };

uint32_t sizes[SIZES];

uint32_t mix_roll(const struct mix *mix, uint64_t *dice)
{
	uint32_t all = 0, at, low = LEAST - 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mix->part); i++)
		all += mix->part[i].share;
	at = below(dice, all);
	for (i = 0; at >= mix->part[i].share; i++) {
		at -= mix->part[i].share;
		low = mix->part[i].upto;
	}
	/* Half are structures, of whole words; the rest are as long as text. */
	at = low + 1 + below(dice, mix->part[i].upto - low);
	return roll(dice) & 1 ? at : (at + 7) & ~7u;
}

void sizes_roll(const struct mix *mix)
{
	uint64_t dice = seeded(1000);
	long i;

	for (i = 0; i < SIZES; i++)
		sizes[i] = mix_roll(mix, &dice);
}

/* First which doubling, then where in it. */
void sizes_even(uint32_t min, uint32_t max)
{
	uint32_t doublings = 0, low;
	uint64_t dice = seeded(1001);
	long i;

	while (min << (doublings + 1) <= max)
		doublings++;
	for (i = 0; i < SIZES; i++) {
		low = min << below(&dice, doublings);
		sizes[i] = low + 1 + below(&dice, low);
	}
}
