/* SPDX-License-Identifier: MIT */
#include "slab/class.h"

uint8_t class_fine[FINE_MAX / 16];
uint8_t class_coarse[SMALL_MAX / 128];

void classes_init(void)
{
	unsigned class = 1;

	for (size_t i = 0; i < ARRAY_SIZE(class_fine); i++) {
		while (class_bytes(class) < (i + 1) * 16)
			class++;
		class_fine[i] = (uint8_t)class;
	}
	class = 1;
	for (size_t i = 0; i < ARRAY_SIZE(class_coarse); i++) {
		while (class_bytes(class) < (i + 1) * 128)
			class++;
		class_coarse[i] = (uint8_t)class;
	}
}
