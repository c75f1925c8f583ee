// SPDX-License-Identifier: MIT
// A C++ module that a C program opens (api/module.sh): libstdc++ comes with
// it, after malloc has started, and new's failure must find bad_alloc there.
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <string>

static int calls;
static void handler()
{
	if (++calls == 3)
		std::set_new_handler(nullptr);
}

extern "C" int module_work(int (*owns)(const void *))
{
	volatile size_t huge = (size_t)PTRDIFF_MAX + 1;
	std::map<std::string, std::string> m;

	for (int i = 0; i < 1000; i++)
		m[std::string(i % 300, 'k') + std::to_string(i)] = std::string(i, 'v');
	if (m.size() != 1000)
		return 1;
	int *p = new int[1000];
	if (owns && !owns(p))
		return 2;
	delete[] p;
	try {
		::operator delete(::operator new(huge));
		return 3;
	} catch (const std::bad_alloc &) {
	}
	calls = 0;
	std::set_new_handler(handler);
	try {
		::operator delete[](::operator new[](huge));
		return 4;
	} catch (const std::bad_alloc &) {
	}
	if (calls != 3)
		return 5;
	if (::operator new(huge, std::nothrow))
		return 6;
	return 0;
}
