/* SPDX-License-Identifier: MIT */
/*
 * What:  /proc/self/maps: the tree is made what it says, and both are printed
 *        together.
 * Invariant: a text that was read while mappings changed is read again, up to
 *        TRIES times; then what it says is taken, and the tree stays stale.
 */
#include "vma/track.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "os/os.h"
#include "page/page.h"
#include "vma/serve.h"

enum { TRIES = 8, NAME_MAX_SHOWN = 200 };

struct maps {			/* the text, in memory of its own */
	char *text;
	size_t len, cap;
};

struct line {
	uintptr_t start, end;
	uint64_t offset, inode;
	uint32_t flags;
	const char *name;
	size_t name_len;
};

static void maps_close(struct maps *m)
{
	if (m->text)
		os_unmap(m->text, m->cap);
	m->text = NULL;
}

/* Doubles the room until all of it fits. */
static bool maps_open(struct maps *m)
{
	for (m->cap = KIB(256); m->cap <= MIB(64); m->cap *= 2) {
		long n;

		m->text = os_map(m->cap);
		if (!m->text)
			return false;
		n = os_read_file("/proc/self/maps", m->text, m->cap);
		if (n > 0 && (size_t)n < m->cap) {
			m->len = (size_t)n;
			return true;
		}
		maps_close(m);
		if (n <= 0)
			return false;
	}
	return false;
}

static uint64_t hex(const char **s, const char *end)
{
	uint64_t n = 0;

	for (; *s < end; (*s)++) {
		unsigned c = (unsigned char)**s;

		if (c - '0' < 10)
			n = n << 4 | (c - '0');
		else if (c - 'a' < 6)
			n = n << 4 | (c - 'a' + 10);
		else
			break;
	}
	return n;
}

/* "start-end rwxp offset dev:dev inode   name"; false: the end. */
static bool next_line(const struct maps *m, size_t *at, struct line *l)
{
	const char *s = m->text + *at, *stop = m->text + m->len;
	const char *end = *at < m->len ? memchr(s, '\n', m->len - *at) : NULL;

	if (!end)
		return false;
	*at = (size_t)(end + 1 - m->text);
	*l = (struct line){ .flags = VMA_UNSEEN };
	l->start = hex(&s, end);
	s += s < end;
	l->end = hex(&s, end);
	if (end - s < 6 || stop < end)
		return false;
	l->flags |= (s[1] == 'r' ? VMA_READ : 0u) |
		    (s[2] == 'w' ? VMA_WRITE : 0u) |
		    (s[3] == 'x' ? VMA_EXEC : 0u) |
		    (s[4] == 's' ? VMA_SHARED : 0u);
	s += 6;
	l->offset = hex(&s, end);
	s += s < end;
	while (s < end && *s != ' ')
		s++;
	s += s < end;
	for (; s < end && *s >= '0' && *s <= '9'; s++)
		l->inode = l->inode * 10 + (uint64_t)(*s - '0');
	while (s < end && *s == ' ')
		s++;
	l->name = s;
	l->name_len = (size_t)(end - s);
	if (l->inode)
		l->flags |= VMA_FILE;
	else
		l->offset = 0;
	if (l->name_len == 7 && !memcmp(s, "[stack]", 7))
		l->flags |= VMA_STACK;
	return true;
}

/* Not of the process: it is not in the kernel's sums either. */
static bool is_gate(const struct line *l)
{
	return l->name_len == 10 && !memcmp(l->name, "[vsyscall]", 10);
}

static size_t count_lines(const struct maps *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->len; i++)
		n += m->text[i] == '\n';
	return n;
}

/* What only we know of a place, where it is still the same mapping. */
static void inherit(struct vma_tree *t, const struct line *l,
		    const struct vma *old)
{
	uintptr_t start = max_u64(l->start, old->start);
	uintptr_t end = min_u64(l->end, old->end);
	uint32_t same = VMA_FILE | VMA_SHARED;
	struct vma *v;

	if (((l->flags ^ old->flags) & same) || !tree_cut(t, start) ||
	    !tree_cut(t, end))
		return;
	tree_change(t, start, end, VMA_UNSEEN,
		    old->flags & (VMA_KEPT | VMA_UNSEEN));
	for (v = tree_find(t, start); v && v->start < end;
	     v = tree_find(t, v->end))
		v->who = old->who;
}

/* With the lock held, and nodes enough for both. */
static void rebuild(struct vma_tree *t, const struct maps *m)
{
	struct vma_tree old = *t;
	size_t at = 0;
	struct line l;

	t->root = NULL;
	t->nr = 0;
	t->sums = (struct vma_sums){ 0 };
	while (next_line(m, &at, &l)) {
		struct vma *v = is_gate(&l) ? NULL : tree_new(t);
		const struct vma *o = tree_find(&old, l.start);

		if (!v)
			continue;
		v->start = l.start;
		v->end = l.end;
		v->offset = l.offset;
		v->inode = l.inode;
		v->flags = l.flags;
		tree_add(t, v);
		for (; o && o->start < l.end; o = tree_find(&old, o->end))
			inherit(t, &l, o);
	}
	tree_drop(t, old.root);
	/* The text itself goes at once. */
	at = (uintptr_t)m->text;
	if (tree_cut(t, at) && tree_cut(t, at + m->cap))
		tree_drop(t, tree_take(t, at, at + m->cap));
	tree_join(t, 0, UINTPTR_MAX);
}

/* The text stays with the caller, who closes it. */
static bool reconcile(struct maps *m)
{
	for (int try = 0;; try++) {
		uint64_t before = __atomic_load_n(&track.changes,
						  __ATOMIC_SEQ_CST);
		size_t nodes;
		bool still, fed;

		if (!maps_open(m))
			return false;
		/* Its lines, cut wherever the tree is cut, and both at once. */
		nodes = count_lines(m) + 3 * READ_ONCE(track.tree.nr) + 64;
		/* Mapped now, they are not in the text. */
		fed = READ_ONCE(track.tree.nr_spare) < nodes;
		if (!track_enter(nodes)) {
			maps_close(m);
			return false;
		}
		/* We have counted once ourselves. */
		still = track.changes == before + 1 && !track.under_way &&
			!fed;
		if ((still || try == TRIES) && track.tree.nr_spare >= nodes) {
			rebuild(&track.tree, m);
			WRITE_ONCE(track.stale, !still);
			track_leave();
			return true;
		}
		track_leave();
		maps_close(m);
		if (try == TRIES)
			return false;
	}
}

bool track_reconcile(void)
{
	struct maps m = { NULL, 0, 0 };
	int saved = errno;
	bool done = reconcile(&m);

	maps_close(&m);
	errno = saved;
	return done;
}

/* The line that an address lies in; *at is where the search begins. */
static bool line_of(const struct maps *m, size_t *at, uintptr_t addr,
		    struct line *l)
{
	size_t next = *at;

	while (next_line(m, &next, l)) {
		if (addr < l->end)
			return addr >= l->start;
		*at = next;
	}
	return false;
}

/* "libfoo.so+0x1234": an address of a program that is not at one for long. */
static void print_who(struct text *t, const struct maps *m, uintptr_t who)
{
	struct line l, first;
	size_t at = 0, len;
	const char *base;

	if (!who) {
		text_add(t, " %-28s", "-");
		return;
	}
	if (!line_of(m, &at, who, &l) || !l.name_len || !l.inode) {
		text_add(t, " 0x%-26zx", (size_t)who);
		return;
	}
	for (at = 0; next_line(m, &at, &first);)
		if (first.inode == l.inode)
			break;
	for (base = l.name + l.name_len; base > l.name && base[-1] != '/';)
		base--;
	len = (size_t)(l.name + l.name_len - base);

	char buf[64];
	struct text b;

	text_init(&b, buf, sizeof(buf) - 1, -1);
	for (size_t i = 0; i < len && i < 40; i++)
		text_add(&b, "%c", base[i]);
	text_add(&b, "+0x%zx", (size_t)(who - first.start));
	buf[b.len] = 0;
	text_add(t, " %-28s", buf);
}

static void print_flags(struct text *t, uint32_t f)
{
	static const struct {
		uint32_t flag;
		char letter;
	} letters[] = {
		{ VMA_LOCKED, 'l' }, { VMA_HUGE, 'h' },	   { VMA_NO_HUGE, 'n' },
		{ VMA_NO_FORK, 'f' }, { VMA_WIPE, 'z' },   { VMA_NO_DUMP, 'd' },
		{ VMA_STACK, 's' },   { VMA_NODE, 'p' },
		{ VMA_SERVED, 'r' },  { VMA_SPARE, 'k' },
	};
	char buf[ARRAY_SIZE(letters) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (f & letters[i].flag)
			buf[n++] = letters[i].letter;
	if (!n)
		buf[n++] = '-';
	buf[n] = 0;
	text_add(t, " %-5s", buf);
}

static void print_name(struct text *t, const struct maps *m, size_t *at,
		       const struct vma *v)
{
	char buf[NAME_MAX_SHOWN + 1];
	struct line l;
	size_t n;

	if (v->start - window.base < window.bytes) {
		text_add(t, " [buddymalloc]");
		return;
	}
	if (!line_of(m, at, v->start, &l) || !l.name_len)
		return;
	n = min_u64(l.name_len, NAME_MAX_SHOWN);
	memcpy(buf, l.name, n);
	buf[n] = 0;
	text_add(t, " %s", buf);
}

static void print_sums(struct text *t, const struct vma_sums *s)
{
	const struct {
		const char *name;
		size_t bytes;
	} rows[] = {
		{ "VmSize", s->total }, { "VmLck", s->locked },
		{ "VmData", s->data },	{ "VmStk", s->stack },
		{ "VmText", s->exec },	{ "VmShared", s->shared },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		text_add(t, "%s:%zu kB\n", rows[i].name, rows[i].bytes / 1024);
}

void track_print(struct text *t)
{
	struct maps m = { NULL, 0, 0 };
	struct vma_sums sums = { 0 };
	struct serve_sums served;
	size_t at = 0, nr = 0;
	uint64_t calls = 0;
	struct vma v;
	uintptr_t addr = 0;

	if (!reconcile(&m)) {
		text_add(t, "# /proc/self/maps cannot be read\n");
		return;
	}
	if (track_enter(0)) {
		sums = track.tree.sums;
		nr = track.tree.nr;
		calls = track.calls;
		track_leave();
	}
	text_add(t, "# %zu mappings, %zu calls noted, %zu missed%s\n", nr,
		 (size_t)calls, (size_t)READ_ONCE(track.missed),
		 READ_ONCE(track.stale) ? ", changing" : "");
	print_sums(t, &sums);
	serve_count(&served);
	if (served.asked)
		text_add(t, "# served %zu of %zu, kept %zu (%zu kB)\n",
			 (size_t)served.taken, (size_t)served.asked, served.kept,
			 served.kept_bytes / 1024);
	text_add(t, "# start-end perms offset flags who name\n");
	while (track_next(addr, &v)) {
		text_add(t, "%zx-%zx %c%c%c%c %08zx", (size_t)v.start,
			 (size_t)v.end, v.flags & VMA_READ ? 'r' : '-',
			 v.flags & VMA_WRITE ? 'w' : '-',
			 v.flags & VMA_EXEC ? 'x' : '-',
			 v.flags & VMA_SHARED ? 's' : 'p', (size_t)v.offset);
		print_flags(t, v.flags);
		print_who(t, &m, v.who);
		print_name(t, &m, &at, &v);
		text_add(t, "\n");
		addr = v.end;
	}
	maps_close(&m);
}
