/* SPDX-License-Identifier: MIT */
#include "slab/class.h"

/* clang-format off */
const uint32_t class_sizes[NR_CLASSES] = {
	0, 16, 32, 48, 64, 80, 96, 112, 128,
	160, 192, 224, 256,
	320, 384, 448, 512,
	640, 768, 896, 1024,
	1152, 1280, 1536, 1792, 2048,
	2304, 2560, 3072, 3584, 4096,
	4608, 5120, 6144, 7168, 8192,
	9216, 10240, 12288, 14336, 16384,
	18432, 20480, 24576, 28672, 32768,
	40960, 49152, 57344, 65536,
	81920, 98304, 114688, 131072,
};
/* clang-format on */

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
