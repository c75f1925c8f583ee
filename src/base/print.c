/* SPDX-License-Identifier: MIT */
#include "base/print.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void text_init(struct text *t, char *buf, size_t cap, int fd)
{
	*t = (struct text){ .buf = buf, .cap = cap, .fd = fd };
}

void text_flush(struct text *t)
{
	size_t done = 0;

	while (t->fd >= 0 && done < t->len) {
		ssize_t n = write(t->fd, t->buf + done, t->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			t->failed = true;
			break;
		}
		done += (size_t)n;
	}
	t->len = 0;
}

static void put(struct text *t, const char *s, size_t n)
{
	while (n) {
		size_t room = t->cap - t->len;
		size_t part = n < room ? n : room;

		memcpy(t->buf + t->len, s, part);
		t->len += part;
		s += part;
		n -= part;
		if (!n)
			break;
		if (t->fd < 0)
			return;
		text_flush(t);
	}
}

static void pad(struct text *t, char c, int n)
{
	while (n-- > 0)
		put(t, &c, 1);
}

/* Writes v in the given base backwards from end; returns the first digit. */
static char *digits(char *end, uint64_t v, unsigned base)
{
	do {
		*--end = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	return end;
}

void text_vadd(struct text *t, const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		const char *stop = strchr(fmt, '%');
		char tmp[24], *end = tmp + sizeof(tmp), *s;
		bool left = false, neg = false;
		char fill = ' ';
		int width = 0, longs = 0, len;

		if (!stop) {
			put(t, fmt, strlen(fmt));
			return;
		}
		put(t, fmt, (size_t)(stop - fmt));
		fmt = stop + 1;
		if (*fmt == '-') {
			left = true;
			fmt++;
		}
		if (*fmt == '0')
			fill = '0';
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + (*fmt++ - '0');
		while (*fmt == 'l' || *fmt == 'z') {
			longs++;
			fmt++;
		}
		if (*fmt == 's') {
			s = va_arg(ap, char *);
			len = (int)strlen(s);
		} else if (*fmt == 'c') {
			*--end = (char)va_arg(ap, int);
			s = end;
			len = 1;
		} else if (*fmt == '%') {
			*--end = '%';
			s = end;
			len = 1;
		} else {
			uint64_t v;

			if (*fmt == 'p' || longs)
				v = va_arg(ap, uint64_t);
			else if (*fmt == 'd')
				v = (uint64_t)(int64_t)va_arg(ap, int);
			else
				v = va_arg(ap, unsigned);
			if (*fmt == 'd' && (int64_t)v < 0) {
				neg = true;
				v = -v;
			}
			s = digits(end, v, *fmt == 'x' || *fmt == 'p' ? 16 : 10);
			if (*fmt == 'p') {
				*--s = 'x';
				*--s = '0';
			}
			if (neg)
				*--s = '-';
			len = (int)(end - s);
		}
		if (!left)
			pad(t, fill, width - len);
		put(t, s, (size_t)len);
		if (left)
			pad(t, ' ', width - len);
	}
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vadd(t, fmt, ap);
	va_end(ap);
}

static void say(const char *fmt, va_list ap)
{
	char buf[512];
	struct text t;
	int saved = errno;

	text_init(&t, buf, sizeof(buf) - 1, -1);
	text_add(&t, "buddymalloc: ");
	text_vadd(&t, fmt, ap);
	buf[t.len++] = '\n';
	t.fd = STDERR_FILENO;
	text_flush(&t);
	errno = saved;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	abort();
}
