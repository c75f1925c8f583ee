/* SPDX-License-Identifier: MIT */
#include "zone/quota.h"

#include "base/bits.h"
#include "os/cgroup.h"
#include "topo/topo.h"
#include "zone/balance.h"

struct quota quota = { SIZE_MAX, SIZE_MAX, SIZE_MAX, 0, 0, 0, 0 };

static size_t pages(size_t bytes)
{
	return bytes ? bytes >> topo.page_shift : SIZE_MAX;
}

static void set_on(void)
{
	bool on = quota.soft != SIZE_MAX || quota.hard != SIZE_MAX ||
		  quota.group != SIZE_MAX;

	WRITE_ONCE(quota.on, on);
}

void quota_init(size_t soft, size_t hard)
{
	WRITE_ONCE(quota.soft, pages(soft));
	WRITE_ONCE(quota.hard, pages(hard));
	set_on();
}

bool quota_admits_slow(size_t npages)
{
	size_t used = residents_used(), hard = READ_ONCE(quota.hard);

	if (used <= hard && npages <= hard - used)
		return true;
	__atomic_add_fetch(&quota.refused, 1, __ATOMIC_RELAXED);
	return false;
}

size_t quota_soft(void)
{
	return min_u64(READ_ONCE(quota.soft), READ_ONCE(quota.group));
}

size_t quota_limit(void)
{
	size_t limit = min_u64(quota_soft(), READ_ONCE(quota.hard));

	return limit == SIZE_MAX ? 0 : limit << topo.page_shift;
}

void quota_keep_slow(void)
{
	size_t limit = min_u64(quota_soft(), READ_ONCE(quota.hard));
	size_t used = residents_used(), total = used + residents_dirty();

	if (total <= limit)
		return;
	residents_reclaim(total - limit, SIZE_MAX);
	total = residents_used() + residents_dirty();
	/* Parts of huge pages too, which else stay while they are few. */
	if (total > limit)
		residents_reclaim(SIZE_MAX, total - limit);
	if (used > limit)
		WRITE_ONCE(quota.pressed, 1);
}

/* Small heaps do not ask: an ordinary start opens no file for this. */
void quota_look(void)
{
	size_t present = residents_present(), seen = READ_ONCE(quota.seen_at);
	size_t group = READ_ONCE(quota.group), limit, step;

	step = group == SIZE_MAX ? seen : group / 8;
	if (present < MIB(64) >> topo.page_shift ||
	    (seen && present < seen + step))
		return;
	WRITE_ONCE(quota.seen_at, present);
	limit = os_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
	/* Version 1 says "no limit" with a number beyond all memory. */
	WRITE_ONCE(quota.group, limit >= topo.ram_bytes
					? SIZE_MAX
					: limit / 10 * 9 >> topo.page_shift);
	set_on();
}
