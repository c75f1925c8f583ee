/* SPDX-License-Identifier: MIT */
#include "topo/topo.h"

#include <string.h>

#include "base/bits.h"
#include "conf/conf.h"
#include "os/numa.h"
#include "os/os.h"
#include "topo/sysfs.h"

enum { NOBODY = 0xff };		/* a CPU of no node, a node without a nid */

struct topo topo set_behind;

/*
 * One reading of the machine, before it becomes ours: nodes by their place in
 * it. First the `used` ones; then those whose memory is out of bounds: all
 * that is wanted of them is which node is near to their CPUs.
 */
static struct {
	struct ids online;
	unsigned used, all;
	uint16_t id[NODES_MAX];
	size_t bytes[NODES_MAX];
	uint8_t place_of_cpu[CPUS_MAX];
} seen set_behind;

static uint8_t seen_distance[NODES_MAX][NODES_MAX] set_apart;

static struct {
	bool real;		/* (C) the root is the kernel's own */
	bool bound;		/* (C) the start's policy was to bind */
	struct ids to;		/* (C) to these nodes */
	uint32_t refreshing;	/* (A) */
} how;

_Static_assert((int)IDS_MAX == OS_NODES && (int)IDS_MAX == CPUS_MAX,
	       "one kind of set");

static bool starting(void)
{
	return !topo.nodes;
}

static bool empty(const struct ids *ids)
{
	return !ids_below(ids, IDS_MAX);
}

static void all_of(struct ids *ids)
{
	memset(ids, 0xff, sizeof(*ids));
}

static bool both(struct ids *to, const struct ids *a, const struct ids *b)
{
	for (unsigned i = 0; i < ARRAY_SIZE(to->bits); i++)
		to->bits[i] = a->bits[i] & b->bits[i];
	return !empty(to);
}

/*
 * The cpuset, and what numactl --membind chose for the whole process: what a
 * thread binds itself to later is its own affair. Where a filter refuses the
 * call, procfs tells of the cpuset.
 */
static void read_allowed(struct ids *allowed)
{
	struct ids narrow;

	memset(allowed, 0, sizeof(*allowed));
	if (!how.real) {
		if (!sysfs_ids(allowed, "mems_allowed"))
			all_of(allowed);
		return;
	}
	if (!os_allowed_nodes(allowed->bits) &&
	    !proc_ids(allowed, "/proc/self/status", "Mems_allowed_list:"))
		all_of(allowed);
	if (starting())
		how.bound = os_bound_nodes(how.to.bits);
	if (how.bound && both(&narrow, allowed, &how.to))
		*allowed = narrow;
}

/* Takes a node into the reading; one without memory and CPUs is none. */
static void read_node(unsigned id, bool has_memory, bool has_cpus,
		      unsigned nr_online)
{
	unsigned place = seen.all;
	struct ids cpus;

	if (place == NODES_MAX)
		return;
	if (!has_cpus ||
	    !sysfs_ids(&cpus, "devices/system/node/node%u/cpulist", id))
		memset(&cpus, 0, sizeof(cpus));
	seen.bytes[place] = 0;
	if (has_memory && !sysfs_node_bytes(id, &seen.bytes[place]))
		seen.bytes[place] = topo.ram_bytes / nr_online;
	if (!seen.bytes[place] && empty(&cpus))
		return;
	for (unsigned cpu = 0; cpu < cpus.end && cpu < CPUS_MAX; cpu++)
		if (ids_has(&cpus, cpu))
			seen.place_of_cpu[cpu] = (uint8_t)place;
	seen.id[place] = (uint16_t)id;
	seen.all++;
}

/*
 * A row has one number for each online node: with 0, 2 and 8 online, "10 21
 * 31" of node 0 says 31 to node 8, which has two below it. A row of another
 * length tells nothing, and neither does a number below 10.
 */
static void read_distances(unsigned nr_online)
{
	static uint8_t row[IDS_MAX] set_apart;

	for (unsigned i = 0; i < seen.all; i++) {
		unsigned n = sysfs_node_distances(seen.id[i], row, IDS_MAX);

		for (unsigned k = 0; k < seen.all; k++) {
			unsigned at = ids_below(&seen.online, seen.id[k]);
			uint8_t d = n == nr_online ? row[at] : 0;

			if (i == k)
				d = LOCAL_DISTANCE;
			else if (d < LOCAL_DISTANCE)
				d = REMOTE_DISTANCE;
			seen_distance[i][k] = d;
		}
	}
}

/*
 * False: one node, or nothing that makes sense. On a machine with one node
 * this reads one file of two bytes.
 */
static bool read_nodes(void)
{
	struct ids allowed, memory, cpus;
	unsigned nr_online;
	bool usable = false;

	seen.used = seen.all = 0;
	if (!sysfs_ids(&seen.online, "devices/system/node/online"))
		return false;
	nr_online = ids_below(&seen.online, IDS_MAX);
	if (!nr_online || (nr_online == 1 && starting()))
		return false;
	read_allowed(&allowed);
	if (!sysfs_ids(&memory, "devices/system/node/has_memory"))
		all_of(&memory);
	if (!sysfs_ids(&cpus, "devices/system/node/has_cpu"))
		all_of(&cpus);
	memset(seen.place_of_cpu, NOBODY, sizeof(seen.place_of_cpu));
	for (unsigned id = 0; id < seen.online.end && id < IDS_MAX; id++)
		if (ids_has(&seen.online, id) &&
		    (ids_has(&allowed, id) || !ids_has(&memory, id)))
			read_node(id, ids_has(&memory, id), ids_has(&cpus, id),
				  nr_online);
	seen.used = seen.all;
	for (unsigned id = 0; id < seen.online.end && id < IDS_MAX; id++)
		if (ids_has(&seen.online, id) && ids_has(&memory, id) &&
		    !ids_has(&allowed, id))
			read_node(id, false, ids_has(&cpus, id), nr_online);
	read_distances(nr_online);
	for (unsigned i = 0; i < seen.used; i++)
		usable |= seen.bytes[i] != 0;
	return usable;
}

/* Which of the nodes that `among` has is the nearest, by a row of distances. */
static unsigned nearest(const uint8_t *row, uint64_t among)
{
	unsigned best = NOBODY;

	for (; among; among &= among - 1) {
		unsigned i = (unsigned)__builtin_ctzll(among);

		if (best == NOBODY || READ_ONCE(row[i]) < READ_ONCE(row[best]))
			best = i;
	}
	return best;
}

/* Writes only what is new, so that readers' cache lines stay. */
#define SET(field, value)                                                      \
	do {                                                                   \
		if (READ_ONCE(field) != (value)) {                             \
			WRITE_ONCE(field, value);                              \
			changed = true;                                        \
		}                                                              \
	} while (0)

/* The nid of the kernel's node. */
static unsigned find_nid(unsigned id, unsigned known)
{
	unsigned nid = 0;

	while (nid < known && topo.node_id[nid] != id)
		nid++;
	return nid < known ? nid : NOBODY;
}

/*
 * Gives each place of the reading its nid. New nodes take the spares, while
 * there are any. A node that was taken out of the cpuset keeps its nid, its
 * bytes and its CPUs, and loses only its bit in `allowed`.
 */
static bool publish_nodes(uint8_t nid_of[NODES_MAX])
{
	unsigned known = topo.known;
	uint64_t allowed = 0;
	bool changed = false;

	for (unsigned i = 0; i < seen.all; i++) {
		unsigned nid = find_nid(seen.id[i], known);

		if (nid == NOBODY && i < seen.used && known < topo.nodes) {
			nid = known++;
			WRITE_ONCE(topo.node_id[nid], seen.id[i]);
		}
		nid_of[i] = (uint8_t)nid;
		if (nid == NOBODY || i >= seen.used)
			continue;
		SET(topo.node_bytes[nid], seen.bytes[i]);
		if (seen.bytes[i])
			allowed |= (uint64_t)1 << nid;
	}
	for (unsigned nid = 0; nid < known; nid++)
		if (!ids_has(&seen.online, topo.node_id[nid]))
			SET(topo.node_bytes[nid], (size_t)0);
	if (allowed)
		SET(topo.allowed, allowed);
	for (unsigned i = 0; i < seen.all; i++)
		for (unsigned k = 0; k < seen.all; k++)
			if (nid_of[i] != NOBODY && nid_of[k] != NOBODY)
				SET(topo.distance[nid_of[i]][nid_of[k]],
				    seen_distance[i][k]);
	if (known != topo.known) {
		store_release(&topo.known, known);
		changed = true;
	}
	return changed;
}

/* A node without a nid lends its CPUs to the nearest that has one. */
static bool publish_cpus(uint8_t nid_of[NODES_MAX])
{
	uint64_t placed = 0;
	bool changed = false;

	for (unsigned i = 0; i < seen.all; i++)
		if (nid_of[i] != NOBODY)
			placed |= (uint64_t)1 << i;
	for (unsigned i = 0; i < seen.all && placed; i++)
		if (nid_of[i] == NOBODY)
			nid_of[i] = nid_of[nearest(seen_distance[i], placed)];
	for (unsigned cpu = 0; cpu < CPUS_MAX && placed; cpu++)
		if (seen.place_of_cpu[cpu] != NOBODY)
			SET(topo.node_of_cpu[cpu],
			    nid_of[seen.place_of_cpu[cpu]]);
	return changed;
}

static bool publish_homes(void)
{
	bool changed = false;

	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		unsigned home = nid;

		if (!(topo.allowed >> nid & 1))
			home = nearest(topo.distance[nid], topo.allowed);
		SET(topo.home[nid], (uint8_t)home);
	}
	return changed;
}

/* Puts the reading into `topo`. CPUs that are offline stay as seen last. */
static bool publish(void)
{
	uint8_t nid_of[NODES_MAX];
	bool changed = publish_nodes(nid_of);

	changed |= publish_cpus(nid_of);
	changed |= publish_homes();
	return changed;
}

/*
 * One nid, and no spares: a process that starts on one node keeps the
 * cheapest ways (mm_cid slots, no policies) for its life.
 */
static void one_node(void)
{
	unsigned id = 0;

	while (id < IDS_MAX && !ids_has(&seen.online, id))
		id++;
	if (seen.used)
		id = seen.id[0];
	topo.nodes = topo.known = 1;
	topo.allowed = 1;
	topo.node_id[0] = id < IDS_MAX ? (uint16_t)id : 0;
	topo.node_bytes[0] = topo.ram_bytes;
	topo.distance[0][0] = LOCAL_DISTANCE;
}

static void init_nodes(void)
{
	struct ids possible;
	unsigned spares = 0;

	if (conf.numa == NUMA_OFF || !read_nodes() || seen.used == 1) {
		one_node();
		return;
	}
	if (sysfs_ids(&possible, "devices/system/node/possible")) {
		unsigned n = ids_below(&possible, IDS_MAX);

		spares = n > seen.used ? n - seen.used : 0;
	}
	spares = (unsigned)min_u64(min_u64(spares, SPARES_MAX),
				   NODES_MAX - seen.used);
	topo.nodes = seen.used + spares;
	memset(topo.distance, REMOTE_DISTANCE, sizeof(topo.distance));
	for (unsigned nid = 0; nid < topo.nodes; nid++) {
		topo.node_id[nid] = NODE_NONE;
		topo.distance[nid][nid] = LOCAL_DISTANCE;
	}
	publish();
}

bool topo_refresh(void)
{
	bool changed;

	if (topo.nodes == 1 ||
	    __atomic_exchange_n(&how.refreshing, 1, __ATOMIC_ACQUIRE))
		return false;
	changed = read_nodes() && publish();
	store_release(&how.refreshing, 0);
	return changed;
}

/*
 * No slot's number may be past the end, whatever a pretended tree says; where
 * sysfs is missing the kernel's mask of CPUs gives a bound.
 */
static unsigned count_cpus(const char *root)
{
	unsigned pretended = 0, cpus;

	if (!how.real) {
		pretended = sysfs_possible_cpus();
		sysfs_root("/sys");
	}
	cpus = sysfs_possible_cpus();
	sysfs_root(root);
	if (!cpus)
		cpus = os_cpus_bound();
	return cpus && pretended > cpus ? pretended : cpus;
}

void topo_init(unsigned pretend_cpus, const char *root)
{
	const char *end = text_after(root, "/sys");
	size_t huge;

	how.real = end && !*end;
	sysfs_root(root);
	huge = topo.huge_bytes = sysfs_huge_page_size();
	topo.page_shift = log2_floor(os_page_size());
	/* A pageblock is one huge page, but 512 MiB (arm64, 64K) is too much. */
	if (!is_pow2(huge) || huge < page_bytes() || huge > MIB(32))
		huge = MIB(2);
	topo.pageblock_order = log2_floor(huge) - topo.page_shift;
	topo.cpus = count_cpus(root);
	topo.slots = pretend_cpus > topo.cpus ? pretend_cpus : topo.cpus;
	if (!topo.slots)
		topo.slots = 64;
	topo.ram_bytes = os_total_ram();
	topo.huge_always = sysfs_huge_pages_always();
	init_nodes();
}

unsigned topo_nearest(unsigned nid, uint64_t among)
{
	unsigned best = nid, least = UINT32_MAX;

	for (unsigned i = 0; i < topo.nodes; i++) {
		unsigned at = (nid + i) % topo.nodes;
		unsigned distance = READ_ONCE(topo.distance[nid][at]);

		if (among >> at & 1 && distance < least) {
			least = distance;
			best = at;
		}
	}
	return best;
}

unsigned topo_nid(unsigned id)
{
	unsigned nid = find_nid(id, READ_ONCE(topo.known));

	return nid == NOBODY ? topo.nodes : nid;
}
