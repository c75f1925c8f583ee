/* SPDX-License-Identifier: MIT */
/*
 * A million random calls on mappings (map, map over, unmap a part, protect,
 * advise, lock, grow, shrink, move, touch, fork) against a twin that knows of
 * each page what it may and what it holds. Pages are probed, faults caught. At
 * intervals the tree, before it is reconciled, is compared with
 * /proc/self/maps page by page, and after it the sums with the kernel's.
 */
#include "../unit/unit.h"

#include <setjmp.h>
#include <sys/mman.h>

#include "buddymalloc.h"
#include "tree.h"
#include "vma/call.h"
#include "vma/serve.h"
#include "vma/track.h"

enum { BLOCKS = 24, FLOATS = 12, MAX_PAGES = 96 };

struct twin {			/* of a page */
	bool mapped, locked;
	uint8_t prot;
	uint64_t stamp;		/* its first word; 0 where it was never written */
};

static struct block {
	char *base;		/* an address of PROT_NONE pages of our own */
	struct twin page[MAX_PAGES];
} blocks[BLOCKS + FLOATS];	/* the last ones: where the call put them */

static size_t bytes;		/* of a page */
static sigjmp_buf probe;
static volatile sig_atomic_t probing;
static uint64_t stamps, faults, compared;

static void on_fault(int sig)
{
	if (!probing)
		_exit(100 + sig);
	siglongjmp(probe, 1);
}

static char *at(const struct block *b, unsigned i)
{
	return b->base + i * bytes;
}

static bool reads(const char *p, uint64_t *value)
{
	bool done = false;

	if (!sigsetjmp(probe, 0)) {
		probing = 1;
		*value = *(const volatile uint64_t *)p;
		done = true;
	}
	probing = 0;
	return done;
}

static bool writes(char *p, uint64_t value)
{
	bool done = false;

	if (!sigsetjmp(probe, 0)) {
		probing = 1;
		*(volatile uint64_t *)p = value;
		done = true;
	}
	probing = 0;
	return done;
}

static bool floats(const struct block *b)
{
	return b >= blocks + BLOCKS;
}

static void check_page(struct block *b, unsigned i)
{
	struct twin *t = &b->page[i];
	uint64_t value = 0;
	bool can, may = t->mapped && t->prot & PROT_READ;

	/* Somebody else may lie there by now. */
	if (floats(b) && !t->mapped)
		return;
	can = reads(at(b, i), &value);
	T_CHECK(can == may, "block %d page %u: read %d, not %d", (int)(b - blocks), i, can, may);
	faults += !can;
	T_CHECK(!can || value == t->stamp, "block %d page %u: holds %zx, not %zx", (int)(b - blocks), i,
		(size_t)value, (size_t)t->stamp);
	if (unit_below(2))
		return;
	can = writes(at(b, i), stamps + 1);
	may = t->mapped && t->prot & PROT_WRITE;
	T_CHECK(can == may, "block %d page %u: write %d, not %d", (int)(b - blocks), i, can, may);
	if (can)
		t->stamp = ++stamps;
}

static void check_all(void)
{
	for (unsigned k = 0; k < BLOCKS + FLOATS; k++)
		for (unsigned i = 0; i < MAX_PAGES; i++)
			check_page(&blocks[k], i);
}

/* The twin's side of a range; NULL stands for pages that are gone. */
static void set(struct block *b, unsigned i, unsigned n, const struct twin *t)
{
	static const struct twin none;

	for (; n--; i++)
		b->page[i] = t ? *t : none;
}

static bool whole(const struct block *b, unsigned i, unsigned n)
{
	for (; n--; i++)
		if (!b->page[i].mapped)
			return false;
	return true;
}

/* One prot and one lock throughout: as far as we know one mapping. */
static bool uniform(const struct block *b, unsigned i, unsigned n)
{
	if (!whole(b, i, n))
		return false;
	for (unsigned k = 1; k < n; k++)
		if (b->page[i].prot != b->page[i + k].prot ||
		    b->page[i].locked != b->page[i + k].locked)
			return false;
	return true;
}

static bool bare(const struct block *b, unsigned i, unsigned n)
{
	for (; n--; i++)
		if (b->page[i].mapped)
			return false;
	return true;
}

static const uint8_t prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE };

static void map(struct block *b, unsigned i, unsigned n)
{
	struct twin t = { .mapped = true, .prot = prots[unit_below(4)] };
	bool over = unit_below(2);
	void *p;

	/* An address that is free is a wish that the kernel grants. */
	if (!over && !bare(b, i, n))
		return;
	p = vma_mmap(at(b, i), n * bytes, t.prot,
		     MAP_PRIVATE | MAP_ANONYMOUS | (over ? MAP_FIXED : 0), -1, 0,
		     (void *)(uintptr_t)(0x1000 + unit_below(3)));
	T_CHECK(p == at(b, i), "mmap of %p gave %p: %s", at(b, i), p, strerror(errno));
	set(b, i, n, &t);
}

/* Without an address, and mostly touched all over: mmap:serve keeps these. */
static void map_somewhere(struct block *b)
{
	unsigned n = (unsigned)(32768 / bytes + 1 + unit_below(MAX_PAGES - 32768 / bytes - 1));
	struct twin t = { .mapped = true, .prot = PROT_READ | PROT_WRITE };

	if (!bare(b, 0, MAX_PAGES))
		return;
	b->base = vma_mmap(NULL, n * bytes, t.prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			   (void *)(uintptr_t)(0x1000 + unit_below(3)));
	T_CHECK(b->base != MAP_FAILED);
	set(b, 0, n, &t);
	for (unsigned i = 0; i < n; i++) {
		T_CHECK(*(uint64_t *)at(b, i) == 0, "page %u of a new mapping is not zero", i);
		T_CHECK(*(uint64_t *)(at(b, i + 1) - 8) == 0);
		if (t_sabotage("stamp") || unit_below(16)) {
			*(uint64_t *)at(b, i) = b->page[i].stamp = ++stamps;
			memset(at(b, i + 1) - 64, 0x5a, 64);
		}
	}
}

/* As far as it goes on both sides. */
static void widen(const struct block *b, unsigned *i, unsigned *n)
{
	unsigned from = *i, to = *i;

	while (from && b->page[from - 1].mapped)
		from--;
	while (to < MAX_PAGES && b->page[to].mapped)
		to++;
	*i = from;
	*n = to - from;
}

static void unmap(struct block *b, unsigned i, unsigned n)
{
	T_CHECK(vma_munmap(at(b, i), n * bytes) == 0);
	set(b, i, n, NULL);
}

static void protect(struct block *b, unsigned i, unsigned n)
{
	uint8_t prot = prots[unit_below(4)];
	bool ok = whole(b, i, n);

	T_CHECK((vma_mprotect(at(b, i), n * bytes, prot) == 0) == ok);
	/* Up to the hole it is done. */
	for (; n-- && b->page[i].mapped; i++)
		b->page[i].prot = prot;
}

static void advise(struct block *b, unsigned i, unsigned n)
{
	static const int advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_NORMAL, MADV_NOHUGEPAGE,
				      MADV_DONTDUMP, MADV_DODUMP };
	int a = advice[unit_below(6)], result = vma_madvise(at(b, i), n * bytes, a);
	bool locked = false;

	for (unsigned k = 0; k < n; k++)
		locked |= b->page[i + k].mapped && b->page[i + k].locked;
	if (locked && a == MADV_DONTNEED) {
		T_CHECK(result < 0);
		/* Those in front of the locked one have lost theirs. */
		for (; n-- && !b->page[i].locked; i++)
			b->page[i].stamp = 0;
		return;
	}
	T_CHECK((result == 0) == whole(b, i, n), "madvise %d: %d", a, result);
	for (; a == MADV_DONTNEED && n--; i++)
		b->page[i].stamp = 0;
}

static void pin(struct block *b, unsigned i, unsigned n)
{
	bool on = unit_below(2);
	unsigned k;

	for (k = 0; on && k < n; k++)
		if (!b->page[i + k].mapped || b->page[i + k].prot == PROT_NONE)
			return;
	n = on && n > 4 ? 4 : n;
	if (!whole(b, i, n))
		return;
	if (on ? vma_mlock(at(b, i), n * bytes) : vma_munlock(at(b, i), n * bytes)) {
		T_CHECK(on, "munlock: %s", strerror(errno));
		track_miss();	/* RLIMIT_MEMLOCK: nothing was locked */
		return;
	}
	for (; n--; i++)
		b->page[i].locked = on;
}

/* To another place of a block, over what is there; or to another size. */
static void move(struct block *b, unsigned i, unsigned n)
{
	struct block *to = &blocks[unit_below(BLOCKS)];
	unsigned m = 1 + (unsigned)unit_below(16), j = (unsigned)unit_below(MAX_PAGES - m);
	struct twin was[MAX_PAGES], edge;
	unsigned flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *p;

	if (!uniform(b, i, n))
		return;
	memcpy(was, b->page + i, n * sizeof(*was));
	edge = was[n - 1];
	edge.stamp = 0;
	if (unit_below(3) == 0) {
		/* In place: smaller, or larger where the pages behind are free. */
		if (i + m > MAX_PAGES || (m > n && (!bare(b, i + n, m - n) || was[0].locked)))
			return;
		p = vma_mremap(at(b, i), n * bytes, m * bytes, 0, NULL);
		if (p == MAP_FAILED) {
			T_CHECK(m > n && (errno == EFAULT || errno == EAGAIN || errno == ENOMEM), "mremap: %s",
				strerror(errno));
			return;
		}
		T_CHECK(p == at(b, i));
		set(b, i, n, NULL);
		for (unsigned k = 0; k < m; k++)
			b->page[i + k] = k < n ? was[k] : edge;
		return;
	}
	if (to == b && j < i + n && i < j + m)
		return;
	if (m == n && unit_below(2) && !was[0].locked)
		flags |= MREMAP_DONTUNMAP;
	if (m > n && was[0].locked)
		return;
	p = vma_mremap(at(b, i), n * bytes, m * bytes, (int)flags, at(to, j));
	if (p == MAP_FAILED) {
		/* Of two mappings that the kernel did not merge; the target may be gone. */
		T_CHECK(errno == EFAULT || errno == EINVAL || errno == EAGAIN, "mremap: %s", strerror(errno));
		vma_munmap(at(to, j), m * bytes);
		set(to, j, m, NULL);
		/* Shrinking comes first, and stays. */
		if (m < n) {
			vma_munmap(at(b, i), n * bytes);
			set(b, i, n, NULL);
		}
		return;
	}
	T_CHECK(p == at(to, j));
	if (flags & MREMAP_DONTUNMAP)
		for (unsigned k = 0; k < n; k++)
			b->page[i + k].stamp = 0;
	else
		set(b, i, n, NULL);
	for (unsigned k = 0; k < m; k++)
		to->page[j + k] = k < n ? was[k] : edge;
}

static void compare_tree(void)
{
	bool stale = track.stale;

	/* What failed half-way is in /proc only. */
	for (unsigned k = 0; !stale && k < BLOCKS; k++)
		tree_compare((uintptr_t)blocks[k].base, (uintptr_t)at(&blocks[k], MAX_PAGES));
	tree_reconcile();
	tree_compare((uintptr_t)blocks[0].base, (uintptr_t)at(&blocks[BLOCKS - 1], MAX_PAGES));
	tree_check_sums();
	if (!stale)
		T_CHECK(track.tree.sums.locked == tree_status("VmLck:"), "%zu, not %zu", track.tree.sums.locked,
			tree_status("VmLck:"));
}

/* Before it is stale, as often as can be. */
static void compare_some(const struct block *b)
{
	if (track.stale || floats(b)) {
		T_CHECK(!track.stale || track_reconcile());
		return;
	}
	tree_compare((uintptr_t)b->base, (uintptr_t)at(b, MAX_PAGES));
	compared++;
}

static void in_fork(void)
{
	pid_t pid = fork();

	T_CHECK(pid >= 0);
	if (!pid) {
		t_child(60);
		for (unsigned k = 0; k < BLOCKS + FLOATS; k++)
			for (unsigned i = 0; i < MAX_PAGES; i++)
				blocks[k].page[i].locked = false;
		check_all();
		T_CHECK(!track.stale || track_reconcile());
		compare_tree();
		_exit(0);
	}
	t_wait_ok(pid, "fork");
}

static void test_model(void **state)
{
	uint64_t ops = t_long() ? 5000000 : 1000000, nr[7] = { 0 };
	size_t stretch = (size_t)(BLOCKS + 1) * 2 * MAX_PAGES, pages;
	struct serve_sums served;
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	char *p;

	(void)state;
	bm_free(bm_malloc(1));
	T_CHECK(READ_ONCE(vma_watch) & VMA_TRACK);
	bytes = sysconf(_SC_PAGESIZE);
	sigaction(SIGSEGV, &sa, NULL);
	p = tree_area(stretch * bytes);
	for (unsigned k = 0; k < BLOCKS; k++) {
		blocks[k].base = p + (size_t)(2 * k + 1) * MAX_PAGES * bytes;
		T_CHECK(vma_munmap(blocks[k].base, MAX_PAGES * bytes) == 0);
	}
	pages = MAX_PAGES;
	if (getenv("BM_SLOW"))
		ops /= 20;
	for (uint64_t k = 0; k < ops; k++) {
		struct block *b = &blocks[unit_below(BLOCKS + FLOATS)];
		unsigned n = 1 + (unsigned)unit_below(16), i = (unsigned)unit_below(pages - n), op;

		op = (unsigned)unit_below(12);
		if (floats(b)) {
			if (op < 2 && unit_below(4))
				widen(b, &i, &n);
			if (op == 0)
				map_somewhere(b);
			/* Most are mapped and unmapped, as they are. */
			if (op == 0 || !n || !whole(b, i, n) || (op > 1 && op < 6 && unit_below(4)))
				continue;
		}
		nr[op < 6 ? op : 6]++;
		switch (op) {
		case 0:
			map(b, i, n);
			break;
		case 1:
			unmap(b, i, n);
			break;
		case 2:
			protect(b, i, n);
			break;
		case 3:
			advise(b, i, n);
			break;
		case 4:
			move(b, i, n);
			break;
		case 5:
			pin(b, i, n);
			break;
		default:
			check_page(b, i);
		}
		check_page(b, i);
		if (k % 32 == 31)
			compare_some(b);
		if (k % 5000 == 4999 || t_sabotage("tree")) {
			if (t_sabotage("tree"))
				track_change((uintptr_t)at(b, i), bytes, 0, VMA_EXEC | VMA_SHARED);
			check_all();
			compare_tree();
		}
		if (k % (ops / 20) == ops / 20 - 1)
			in_fork();
	}
	t_say("maps %zu unmaps %zu protects %zu advises %zu moves %zu locks %zu touches %zu, %zu faults, missed %zu, compared %zu",
	      (size_t)nr[0], (size_t)nr[1], (size_t)nr[2], (size_t)nr[3], (size_t)nr[4], (size_t)nr[5],
	      (size_t)nr[6], (size_t)faults, (size_t)track.missed, (size_t)compared);
	T_CHECK(compared > ops / 500);
	serve_count(&served);
	t_say("served %zu of %zu, kept %zu", (size_t)served.taken, (size_t)served.asked, served.kept);
	T_CHECK(!(READ_ONCE(vma_watch) & VMA_SERVE) || served.taken > ops / 2000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };
	const char *conf_of = getenv("BUDDYMALLOC_CONF");
	pid_t pid;

	(void)argc;
	t_start("mmap/model", 280);
	if (!conf_of || !strstr(conf_of, "mmap:")) {
		pid = fork();
		T_CHECK(pid >= 0);
		if (!pid)
			tree_run_as(argv, "track");
		t_wait_ok(pid, "mmap:track");
		tree_run_as(argv, "serve");
	}
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : t_done();
}
