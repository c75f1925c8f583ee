/* SPDX-License-Identifier: MIT */
#include "profile/trace.h"

#include <errno.h>

#include "base/lock.h"
#include "base/print.h"
#include "conf/conf.h"
#include "os/os.h"
#include "os/rseq.h"

struct record {
	uint8_t op, align_log2;
	uint16_t zero;
	uint32_t thread;
	uint64_t size, address, reserved;
};

static const char magic[64] = "bmrawtrace 1\n";

static uint32_t on;		/* (C) but for a failure */
static struct {
	struct lock lock;	/* LOCK_TRACE */
	int fd;			/* (T) */
	uint32_t threads;	/* (T) seen so far */
	unsigned nr;		/* (T) records in memory */
	struct record records[2048];	/* (T) 64 KiB */
} file set_apart;	/* zeros, so that it takes no room in the file of the library */

static void write_out(void)
{
	if (file.nr && !os_write(file.fd, file.records,
				file.nr * sizeof(file.records[0]))) {
		on = 0;
		warn("trace: cannot write, tracing ends here");
	}
	file.nr = 0;
}

static void open_file(void)
{
	char path[sizeof(conf.trace) + 16] = "";
	struct text name;

	text_init(&name, path, sizeof(path) - 1, -1);
	text_add(&name, "%s.%u", conf.trace, os_pid());
	file.fd = os_create(path);
	file.nr = 0;
	file.threads = 0;
	on = file.fd >= 0 && os_write(file.fd, magic, sizeof(magic));
	if (!on)
		warn("trace: cannot write '%s', not tracing", path);
}

bool trace_init(void)
{
	if (conf.trace[0])
		open_file();
	return on;
}

void trace_child(void)
{
	if (!on)
		return;
	file.lock.word = 0;
	seat.trace_thread = 0;
	os_close(file.fd);
	open_file();
}

void trace_flush(void)
{
	if (!on || seat.muted)
		return;
	trace_mute();
	lock(&file.lock, LOCK_TRACE);
	write_out();
	unlock(&file.lock, LOCK_TRACE);
	trace_unmute();
}

void trace_mute(void)
{
	seat.muted++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void trace_unmute(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	seat.muted--;
}

/* Muted meanwhile: a signal handler that allocates must not come here. */
void trace_record(enum trace_op op, size_t align, size_t size, const void *p)
{
	int saved = errno;

	if (!on || seat.muted)
		return;
	trace_mute();
	lock(&file.lock, LOCK_TRACE);
	if (!seat.trace_thread)
		seat.trace_thread = ++file.threads;
	file.records[file.nr++] = (struct record){
		.op = (uint8_t)op,
		.align_log2 = align ? (uint8_t)log2_ceil(align) : 0,
		.thread = seat.trace_thread,
		.size = size,
		.address = (uintptr_t)p,
	};
	if (file.nr == ARRAY_SIZE(file.records))
		write_out();
	unlock(&file.lock, LOCK_TRACE);
	trace_unmute();
	errno = saved;
}
