/* SPDX-License-Identifier: MIT */
#include "topo/topo.h"

#include "base/bits.h"
#include "os/os.h"

struct topo topo;

void topo_init(unsigned pretend_cpus)
{
	size_t huge = os_huge_page_size();

	topo.page_shift = log2_floor(os_page_size());
	/* A pageblock is one huge page, but 512 MiB (arm64, 64K) is too much. */
	if (!is_pow2(huge) || huge < page_bytes() || huge > MIB(32))
		huge = MIB(2);
	topo.pageblock_order = log2_floor(huge) - topo.page_shift;
	topo.cpus = os_possible_cpus();
	topo.slots = pretend_cpus > topo.cpus ? pretend_cpus : topo.cpus;
	if (!topo.slots)
		topo.slots = 64;
	topo.nodes = 1;
	topo.ram_bytes = os_total_ram();
	topo.huge_always = os_huge_pages_always();
}
