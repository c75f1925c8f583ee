/* SPDX-License-Identifier: MIT */
/*
 * The start, in the kernel's order: each stage may use the ones above it in
 * the table. It runs inside the first call of the process, which may come
 * before libc's constructors: nothing here allocates or calls stdio.
 */
#include "malloc/mm.h"

#include "base/print.h"
#include "conf/conf.h"
#include "os/os.h"
#include "os/thread.h"
#include "vma/call.h"
#include "vma/head.h"

static bool stage_conf(void)
{
	conf_init();
	/* Else a thread of ours may begin in any signal handler. */
	if (conf.reclaim != RECLAIM_THREAD)
		os_thread_watch();
	return true;
}

static bool stage_trace(void)
{
	if (trace_init())
		watch.heap |= WATCH_TRACE;
	return true;
}

static bool stage_topo(void)
{
	topo_init((unsigned)conf.slots, conf_sysfs());
	return true;
}

static bool stage_window(void)
{
	size_t bytes = conf.window;

	if (!bytes)
		bytes = nodes_window_bytes();
	bytes = max_u64(MIB(16), bytes);
	return window_init((size_t)1 << log2_ceil(bytes));
}

static bool stage_limits(void)
{
	quota_init(conf.limit, conf.hard_limit);
	return true;
}

static bool stage_percpu(void)
{
	enum percpu_mode mode = PERCPU_RSEQ;

	if (conf.check)
		mode = PERCPU_DIRECT;
	else if (conf.rseq == RSEQ_OFF || !topo.cpus || watched())
		mode = PERCPU_LOCKED;
	else if (conf.rseq == RSEQ_FAKE)
		mode = PERCPU_FAKE;
	return percpu_init(topo.slots, mode);
}

static bool stage_fork(void)
{
	os_wipe_on_fork(&percpu_switch, sizeof(percpu_switch));
	percpu_go();
	idle_start();
	store_release(&percpu_switch.started, 1);
	return true;
}

static bool stage_vma(void)
{
	head_fill();
	return vma_init();
}

static const struct stage {
	const char *name, *what;
	bool (*run)(void);
} stages[] = {
	{ "conf", "options of BUDDYMALLOC_CONF", stage_conf },
	{ "trace", "the file of recorded calls", stage_trace },
	{ "topo", "pages, CPUs, nodes", stage_topo },
	{ "window", "address space, vmemmap and map", stage_window },
	{ "limits", "of resident memory", stage_limits },
	{ "nodes", "zones and zonelists", nodes_init },
	{ "caches", "size classes", caches_init },
	{ "percpu", "slots and sheaves", stage_percpu },
	{ "fork", "the fast path goes live", stage_fork },
	{ "vma", "the program's mappings", stage_vma },
};

static struct {
	struct lock lock;
	uint32_t done;		/* (A) 1: started, 2: cannot be started */
} boot;

bool mm_init(void)
{
	uint32_t done = load_acquire(&boot.done);

	if (done)
		return done == 1;
	lock(&boot.lock, LOCK_INIT);
	if (!boot.done) {
		const struct stage *s = stages;
		const struct stage *end = s + ARRAY_SIZE(stages);

		for (; s < end && s->run(); s++)
			if (conf.debug)
				warn("boot: %-8s %s", s->name, s->what);
		if (s < end)
			warn("cannot start: stage '%s' (%s) failed", s->name,
			     s->what);
		store_release(&boot.done, s < end ? 2 : 1);
	}
	unlock(&boot.lock, LOCK_INIT);
	return boot.done == 1;
}

bool mm_booted(void)
{
	return load_acquire(&boot.done) == 1;
}

/*
 * The handlers of fork are registered first of all, so that our prepare runs
 * last and our child handler first: a shared object is linked with initfirst.
 * libc's constructor, which sets environ, comes after this one then; glibc
 * hands the environment to each.
 */
__attribute__((constructor(101))) static void start(int argc, char **argv,
						    char **env)
{
	(void)argc;
	(void)argv;
#ifdef __GLIBC__
	conf_environ(env);
#else
	(void)env;
#endif
	if (mm_enter())
		mm_leave();
	fork_init();
}

__attribute__((destructor(101))) static void end(void)
{
	trace_flush();
}
