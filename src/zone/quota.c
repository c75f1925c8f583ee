/* SPDX-License-Identifier: MIT */
#include "zone/quota.h"

#include <string.h>

#include "base/bits.h"
#include "conf/conf.h"
#include "os/cgroup.h"
#include "topo/topo.h"
#include "zone/balance.h"

struct quota quota = { .soft = SIZE_MAX, .hard = SIZE_MAX, .group = SIZE_MAX };

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

bool quota_has_room(size_t npages)
{
	size_t used = residents_used(), hard = READ_ONCE(quota.hard);

	return used <= hard && npages <= hard - used;
}

bool quota_admits_slow(size_t npages)
{
	if (quota_has_room(npages))
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

/* What the kernel tells of groups and pressure; or of a tree for tests. */
struct sources {
	char groups[sizeof(conf.sysfs) + 32];
	char mount[sizeof(conf.sysfs) + 32];
	char machine[sizeof(conf.sysfs) + 32];
};

static void join(char *out, const char *dir, const char *name)
{
	size_t len = strlen(dir);

	memcpy(out, dir, len);
	memcpy(out + len, name, strlen(name) + 1);
}

static void find_sources(struct sources *s)
{
	bool fake = conf.sysfs[0];

	join(s->groups, conf.sysfs, fake ? "/cgroup" : "/proc/self/cgroup");
	join(s->mount, conf_sysfs(), "/fs/cgroup");
	join(s->machine, conf.sysfs,
	     fake ? "/pressure" : "/proc/pressure/memory");
}

/*
 * The files are looked at by one thread at a time, in static buffers: whoever
 * it falls to may have a small stack. No fork is between: it waits for slots.
 */
static uint32_t looking;	/* (A) */
static struct sources from set_apart;	/* (looking) */

static bool look_begins(void)
{
	return !__atomic_exchange_n(&looking, 1, __ATOMIC_ACQUIRE);
}

static void look_ends(void)
{
	store_release(&looking, 0);
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
	if (!look_begins())
		return;
	WRITE_ONCE(quota.seen_at, present);
	find_sources(&from);
	limit = os_cgroup_limit(from.groups, from.mount);
	look_ends();
	/* It cannot be read now, for want of descriptors say. */
	if (!limit)
		return;
	/* Version 1 says "no limit" with a number beyond all memory. */
	WRITE_ONCE(quota.group, limit >= topo.ram_bytes
					? SIZE_MAX
					: limit / 10 * 9 >> topo.page_shift);
	set_on();
}

/*
 * One twentieth of the time: the kernel then drops and writes back what others
 * may want, while what we keep is wanted by nobody.
 */
enum { SHORT_OF_MEMORY = 500 };

void quota_feel(void)
{
	enum { HOPELESS = 8 };
	static uint32_t untold;	/* (A) times in a row; the kernel has no PSI */
	int pressure;

	if (READ_ONCE(untold) >= HOPELESS || !look_begins())
		return;
	find_sources(&from);
	pressure = os_memory_pressure(from.groups, from.mount, from.machine);
	look_ends();
	WRITE_ONCE(untold, pressure < 0 ? READ_ONCE(untold) + 1 : 0);
	WRITE_ONCE(quota.tight, pressure >= SHORT_OF_MEMORY);
	if (pressure < SHORT_OF_MEMORY)
		return;
	__atomic_add_fetch(&quota.shortages, 1, __ATOMIC_RELAXED);
	/* What caches hold is to come home as well. */
	WRITE_ONCE(quota.pressed, 1);
}
