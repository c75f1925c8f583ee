/* SPDX-License-Identifier: MIT */
/* The bottom floor: arithmetic, lists, text, locks and their order. */
#include "unit.h"

#include "base/list.h"
#include "base/lock.h"
#include "base/print.h"

static void test_bits(void **state)
{
	(void)state;
	assert_int_equal(log2_floor(1), 0);
	assert_int_equal(log2_floor(5), 2);
	assert_int_equal(log2_ceil(0), 0);
	assert_int_equal(log2_ceil(1), 0);
	assert_int_equal(log2_ceil(5), 3);
	assert_int_equal(log2_ceil(8), 3);
	assert_true(is_pow2(4096));
	assert_false(is_pow2(0));
	assert_false(is_pow2(48));
	assert_int_equal(align_up(5, 4), 8);
	assert_int_equal(align_up(8, 4), 8);
	assert_int_equal(align_down(7, 4), 4);
	for (int i = 0; i < 100000; i++) {
		uint64_t n = unit_random() >> unit_below(63);

		n += !n;
		assert_true((uint64_t)1 << log2_floor(n) <= n);
		assert_true(log2_floor(n) == 63 ||
			    n < (uint64_t)2 << log2_floor(n));
	}
}

static void test_list(void **state)
{
	struct list head = { NULL, NULL }, a, b, c;

	(void)state;
	assert_true(list_empty(&head));
	list_add(&a, &head);
	list_add(&b, &head);
	list_add_tail(&c, &head);
	assert_ptr_equal(head.next, &b);
	assert_ptr_equal(head.next->next, &a);
	assert_ptr_equal(head.prev, &c);
	list_del(&a);
	assert_ptr_equal(b.next, &c);
	list_del(&b);
	list_del(&c);
	assert_true(list_empty(&head));
}

#define SAME(...)                                                              \
	do {                                                                   \
		char ours_[256], libcs_[256];                                  \
		struct text t_;                                                \
                                                                               \
		text_init(&t_, ours_, sizeof(ours_) - 1, -1);                  \
		text_add(&t_, __VA_ARGS__);                                    \
		ours_[t_.len] = 0;                                             \
		snprintf(libcs_, sizeof(libcs_), __VA_ARGS__);                 \
		assert_string_equal(ours_, libcs_);                            \
	} while (0)

static void test_text(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%d %d %d", 0, -17, 2147483647);
	SAME("[%6zu] [%-6zu] [%06zu]", (size_t)42, (size_t)42, (size_t)42);
	SAME("%x %u%%", 0xbeefu, 7u);
	SAME("[%8s] [%-8s]", "zone", "zone");
	SAME("%p", (void *)0x7f0012345678);
	SAME("%c%c", 'a', 'b');
	for (int i = 0; i < 10000; i++) {
		size_t n = unit_random() >> unit_below(63);

		SAME("%zu %zx", n, n);
		SAME("%d", (int)n);
	}
}

/* A full buffer is cut without a file, and goes on with one. */
static void test_text_bounds(void **state)
{
	char buf[8], got[64] = "";
	struct text t;
	int fd[2];

	(void)state;
	text_init(&t, buf, sizeof(buf), -1);
	text_add(&t, "0123456789");
	assert_int_equal(t.len, 8);
	assert_memory_equal(buf, "01234567", 8);
	assert_int_equal(pipe(fd), 0);
	text_init(&t, buf, sizeof(buf), fd[1]);
	text_add(&t, "0123456789 %s", "abcdefghijklmnop");
	text_flush(&t);
	assert_false(t.failed);
	assert_int_equal(read(fd[0], got, sizeof(got)), 27);
	assert_string_equal(got, "0123456789 abcdefghijklmnop");
	close(fd[0]);
	signal(SIGPIPE, SIG_IGN);
	text_add(&t, "0123456789");
	text_flush(&t);
	assert_true(t.failed);
	close(fd[1]);
}

static struct lock counter_lock;
static long counter;

static void *count(void *arg)
{
	for (long i = 0; i < (long)arg; i++) {
		lock(&counter_lock, LOCK_ZONE);
		counter++;
		unlock(&counter_lock, LOCK_ZONE);
	}
	return NULL;
}

static void test_lock(void **state)
{
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count,
						(void *)200000L), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, 800000);
	assert_int_equal(counter_lock.word, 0);
	assert_true(trylock(&counter_lock, LOCK_ZONE));
	assert_false(trylock(&counter_lock, LOCK_ZONE));
	unlock(&counter_lock, LOCK_ZONE);
}

static void *take_once(void *arg)
{
	lock(arg, LOCK_ZONE);
	counter++;
	unlock(arg, LOCK_ZONE);
	return NULL;
}

/* Taken by a thread that is alone, given back when it is not any more. */
static void test_lock_alone(void **state)
{
	static const char one = 1;
	struct lock l = { 0 };
	pthread_t t;

	(void)state;
	assert_false(lock_is_alone());
	lock_tell(&one);
	assert_true(lock_is_alone());
	lock(&l, LOCK_ZONE);
	assert_int_equal(l.word, 1);
	unlock(&l, LOCK_ZONE);
	assert_int_equal(l.word, 0);
	lock(&l, LOCK_ZONE);
	lock_tell(NULL);
	assert_false(lock_is_alone());
	counter = 0;
	assert_int_equal(pthread_create(&t, NULL, take_once, &l), 0);
	while (READ_ONCE(l.word) != 2)
		usleep(100);
	assert_int_equal(counter, 0);
	unlock(&l, LOCK_ZONE);
	pthread_join(t, NULL);
	assert_int_equal(counter, 1);
	assert_int_equal(l.word, 0);
}

static void test_text_after(void **state)
{
	(void)state;
	assert_string_equal(text_after("key=value", "key="), "value");
	assert_string_equal(text_after("key=", "key="), "");
	assert_string_equal(text_after("any", ""), "any");
	assert_null(text_after("ke", "key="));
	assert_null(text_after("", "key="));
	assert_null(text_after("kez=value", "key="));
}

/* Debug builds, as these are, end when two locks are taken the wrong way. */
static void test_lock_order(void **state)
{
	struct lock zone = { 0 }, barn = { 0 };
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		close(2);
		lock(&zone, LOCK_ZONE);
		lock(&barn, LOCK_BARN);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	lock(&barn, LOCK_BARN);
	lock(&zone, LOCK_ZONE);
	unlock(&zone, LOCK_ZONE);
	unlock(&barn, LOCK_BARN);
}

CM_MAIN("unit/base", 60, cmocka_unit_test(test_bits),
	cmocka_unit_test(test_list), cmocka_unit_test(test_text),
	cmocka_unit_test(test_text_bounds), cmocka_unit_test(test_lock),
	cmocka_unit_test(test_lock_alone), cmocka_unit_test(test_text_after),
	cmocka_unit_test(test_lock_order))
