/* SPDX-License-Identifier: MIT */
/*
 * A plain program opens the library RTLD_LOCAL and uses it through dlsym,
 * beside libc's own heap; from threads that were there before it, too; then
 * dlclose (which must do no harm: the library stays) and open again.
 */
#include "../lib/t.h"

static void *(*m_alloc)(size_t), *(*m_realloc)(void *, size_t);
static void (*m_free)(void *);
static int (*m_owns)(const void *);
static pthread_barrier_t ready, loaded, done;

static void use(unsigned stream)
{
	enum { LIVE = 200 };
	static __thread struct { void *p; size_t n; } t[LIVE];
	uint64_t rnd = t_seed_for(stream);
	int k;

	for (k = 0; k < 20000; k++) {
		int i = t_below(&rnd, LIVE);

		if (t[i].p) {
			T_CHECK(t_verify(t[i].p, t[i].n, i) < 0);
			if (k & 1) {
				t[i].p = m_realloc(t[i].p, t[i].n + 1000);
				T_CHECK(t_verify_part(t[i].p, t[i].n, i, t[i].n) < 0);
			}
			m_free(t[i].p);
			t[i].p = NULL;
		} else {
			t[i].n = t_logsize(&rnd, 50000);
			t[i].p = m_alloc(t[i].n);
			T_CHECK(t[i].p && m_owns(t[i].p));
			t_fill(t[i].p, t[i].n, i);
		}
		if (k % 100 == 0) {
			void *q = malloc(100);	/* libc's */

			T_CHECK(!m_owns(q));
			free(q);
		}
	}
	for (k = 0; k < LIVE; k++) {
		m_free(t[k].p);
		t[k].p = NULL;
	}
}

static void *old_thread(void *arg)
{
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&loaded);
	use((unsigned)(uintptr_t)arg);
	pthread_barrier_wait(&done);
	use(10 + (unsigned)(uintptr_t)arg);	/* after dlclose */
	return NULL;
}

int main(void)
{
	const char *lib = getenv("BM_LIB"), *top = getenv("top_builddir");
	char path[4096];
	pthread_t th[4];
	size_t i;
	void *h;

	unsetenv("BM_REQUIRE");
	t_start("life/dlopened", 60);
	if (!lib && !top)
		t_skip("neither BM_LIB nor top_builddir is set");
	snprintf(path, sizeof(path), "%s%s", lib ? lib : top, lib ? "" : "/libbuddymalloc.so.0");
	pthread_barrier_init(&ready, NULL, 5);
	pthread_barrier_init(&loaded, NULL, 5);
	pthread_barrier_init(&done, NULL, 5);
	for (i = 0; i < 4; i++)
		T_CHECK(!pthread_create(&th[i], NULL, old_thread, (void *)i));
	pthread_barrier_wait(&ready);
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	T_CHECK(h, "%s", dlerror());
	m_alloc = (void *(*)(size_t))dlsym(h, "bm_malloc");
	m_realloc = (void *(*)(void *, size_t))dlsym(h, "bm_realloc");
	m_free = (void (*)(void *))dlsym(h, "bm_free");
	m_owns = (int (*)(const void *))dlsym(h, "bm_owns");
	T_CHECK(m_alloc && m_realloc && m_free && m_owns);
	T_CHECK(!t_sym("bm_malloc"), "RTLD_LOCAL is not local");
	T_CHECK(dlsym(h, "malloc") != (void *)malloc);
	pthread_barrier_wait(&loaded);
	use(20);
	pthread_barrier_wait(&done);
	dlclose(h);
	use(21);
	for (i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	T_CHECK(h);
	T_CHECK((void *)m_alloc == dlsym(h, "bm_malloc"), "loaded twice");
	use(22);
	return t_done();
}
