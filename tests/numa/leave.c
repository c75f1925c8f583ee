/* SPDX-License-Identifier: MIT */
/*
 * What:  ends a guest with a status: leave N.
 *        x86: a byte to the port of QEMU's isa-debug-exit, which exits with
 *        2 N + 1. arm64: semihosting's SYS_EXIT, made to look the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 17;

#if defined(__x86_64__)
	if (ioperm(0xf4, 4, 1)) {
		perror("ioperm");
		return 1;
	}
	outb(n, 0xf4);
#elif defined(__aarch64__)
	uint64_t block[2] = { 0x20026, 2 * n + 1 };
	register uint64_t call __asm__("x0") = 0x18;
	register uint64_t *arg __asm__("x1") = block;

	__asm__ volatile("hlt #0xf000" : "+r"(call) : "r"(arg) : "memory");
#endif
	return 1;
}
