/* SPDX-License-Identifier: MIT */
/*
 * Each system call that the heap can do without is refused in turn (seccomp:
 * EPERM, ENOSYS, ENOMEM, EAGAIN), from before the program starts: all goes on,
 * on whatever way is left. Runs itself; the child forks, threads, trims.
 */
#include "../lib/t.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

static const struct call {
	const char *name;
	int nr;
} refused[] = {
	{ "rseq", __NR_rseq },
	{ "membarrier", __NR_membarrier },
	{ "mremap", __NR_mremap },
	{ "madvise", __NR_madvise },
	{ "mincore", __NR_mincore },
	{ "mbind", __NR_mbind },
	{ "get_mempolicy", __NR_get_mempolicy },
	{ "set_mempolicy", __NR_set_mempolicy },
	{ "move_pages", __NR_move_pages },
	{ "sched_getaffinity", __NR_sched_getaffinity },
	{ "getcpu", __NR_getcpu },
	{ "getrandom", __NR_getrandom },
	{ "prctl", __NR_prctl },
	{ "prlimit64", __NR_prlimit64 },
	{ "sysinfo", __NR_sysinfo },
	{ "fcntl", __NR_fcntl },
	{ "mlock", __NR_mlock },
	{ "gettid", __NR_gettid },
	{ "clock_gettime", __NR_clock_gettime },
	{ "rt_sigprocmask", __NR_rt_sigprocmask },
	{ "getuid", __NR_getuid },
	/* Of threads only, since libc forks by it. */
	{ "clone", __NR_clone },
};

static void refuse(int nr, int err)
{
	/* All but clone: whatever its first argument is. */
	unsigned all = nr == __NR_clone ? CLONE_THREAD : 0;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, all),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, all, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
}

static void *thread(void *arg)
{
	uint64_t rnd = t_seed_for((unsigned)(uintptr_t)arg);
	static __thread struct { void *p; size_t n; } t[200];
	int k;

	for (k = 0; k < 8000; k++) {
		int i = t_below(&rnd, 200);

		if (t[i].p) {
			T_CHECK(t_verify(t[i].p, t[i].n, i) < 0);
			free(t[i].p);
			t[i].p = NULL;
		} else {
			t[i].n = t_logsize(&rnd, k % 50 ? 3000 : 3 << 20);
			t[i].p = k & 1 ? malloc(t[i].n) : calloc(1, t[i].n);
			T_CHECK(t[i].p);
			T_CHECK(k & 1 || t_first_nonzero(t[i].p, t[i].n) < 0);
			t_fill(t[i].p, t[i].n, i);
		}
	}
	for (k = 0; k < 200; k++) {
		free(t[k].p);
		t[k].p = NULL;
	}
	malloc_trim(0);
	return NULL;
}

static int child(void)
{
	pthread_t th[4];
	char *p, *q;
	size_t i, n;

	for (i = 0; i < 4; i++)
		T_CHECK(!pthread_create(&th[i], NULL, thread, (void *)i));
	for (i = 0; i < 6; i++) {
		pid_t pid = fork();

		T_CHECK(pid >= 0);
		if (pid == 0) {
			alarm(20);
			thread((void *)(10 + i));
			_exit(0);
		}
		t_wait_ok(pid, "fork");
	}
	for (i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	p = malloc(2 << 20);
	t_fill(p, 2 << 20, 1);
	for (n = 4 << 20; n < 100 << 20; n *= 2) {
		q = malloc(100000);
		p = realloc(p, n);
		T_CHECK(p && t_verify_part(p, 2 << 20, 1, (2 << 20) - 4096) < 0);
		free(q);
	}
	free(p);
	free(thread((void *)20));
	usleep(600000);	/* a round of the thread that gives back */
	return t_sabotage("exit");
}

int main(int argc, char **argv)
{
	static const int errs[] = { EPERM, ENOSYS, ENOMEM, EAGAIN };
	const char *old = getenv("BUDDYMALLOC_CONF");
	char conf[300];
	size_t i, k;

	(void)argv;
	t_start("life/refused", 200);
	if (argc > 1)
		return child();
	/* Whatever gives memory back is to meet the refusals too. */
	snprintf(conf, sizeof(conf), "reclaim:thread,%s", old ? old : "");
	setenv("BUDDYMALLOC_CONF", conf, 1);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		for (k = 0; k < 4; k++) {
			char what[64];
			pid_t pid;
			int st;

			/* one errno each in the short run; rseq is libc's to try */
			if (!t_long() && k != i % 4 && !(k < 2 && i < 4))
				continue;
			snprintf(what, sizeof(what), "%s: %s", refused[i].name, strerror(errs[k]));
			pid = fork();
			T_CHECK(pid >= 0);
			if (pid == 0) {
				refuse(refused[i].nr, errs[k]);
				execl("/proc/self/exe", "refused", "child", (char *)NULL);
				_exit(98);
			}
			st = t_wait(pid);
			if (WIFEXITED(st) && WEXITSTATUS(st) == 77)
				t_skip("no seccomp filters here");
			if (st) {
				char buf[64];

				t_fail("%s: %s", what, t_status(st, buf, sizeof(buf)));
			}
		}
	return t_done();
}
