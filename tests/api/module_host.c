/* SPDX-License-Identifier: MIT */
/* A C program that opens the C++ module named by its argument. */
#include "../lib/t.h"

int main(int argc, char **argv)
{
	int (*work)(int (*)(const void *));
	void *h;
	int ret, i;

	t_start("api/module", 30);
	T_CHECK(argc == 2);
	for (i = 0; i < 3; i++) {
		h = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
		if (!h)
			t_fail("%s", dlerror());
		work = (int (*)(int (*)(const void *)))dlsym(h, "module_work");
		T_CHECK(work);
		ret = work((int (*)(const void *))t_sym("bm_owns"));
		T_CHECK(ret == 0, "module_work: %d", ret);
		dlclose(h);
	}
	return t_done();
}
