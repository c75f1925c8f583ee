// SPDX-License-Identifier: MIT
// Every form of operator new and delete, bad_alloc, and the new handler.
// Built with -faligned-new -fsized-deallocation; called by name, so that the
// compiler cannot leave a pair out.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <string>
#include <unistd.h>
#include <vector>

static int failed;
#define CHECK(c) \
	do { \
		if (!(c)) { \
			fprintf(stderr, "api/operators: FAIL: %s:%d: %s\n", __FILE__, __LINE__, #c); \
			failed = 1; \
		} \
	} while (0)

static volatile size_t huge = (size_t)PTRDIFF_MAX + 1;
static volatile size_t vast = (size_t)1 << 60;
static int (*owns)(const void *);

static bool aligned(void *p, size_t a)
{
	return (reinterpret_cast<uintptr_t>(p) & (a - 1)) == 0;
}

static void use(void *p, size_t n, size_t a = 16)
{
	CHECK(p);
	CHECK(aligned(p, a));
	CHECK(malloc_usable_size(p) >= n);
	CHECK(!owns || owns(p) == 1);
	memset(p, 0x5a, n);
}

static void every_form(size_t n)
{
	void *p;

	use(p = ::operator new(n), n);
	::operator delete(p);
	use(p = ::operator new(n), n);
	::operator delete(p, n);
	use(p = ::operator new(n, std::nothrow), n);
	::operator delete(p, std::nothrow);
	use(p = ::operator new[](n), n);
	::operator delete[](p);
	use(p = ::operator new[](n), n);
	::operator delete[](p, n);
	use(p = ::operator new[](n, std::nothrow), n);
	::operator delete[](p, std::nothrow);
	for (size_t a = 8; a <= 1 << 16; a <<= 1) {
		std::align_val_t al = static_cast<std::align_val_t>(a);

		use(p = ::operator new(n, al), n, a);
		::operator delete(p, al);
		use(p = ::operator new(n, al), n, a);
		::operator delete(p, n, al);
		use(p = ::operator new(n, al, std::nothrow), n, a);
		::operator delete(p, al, std::nothrow);
		use(p = ::operator new[](n, al), n, a);
		::operator delete[](p, al);
		use(p = ::operator new[](n, al), n, a);
		::operator delete[](p, n, al);
		use(p = ::operator new[](n, al, std::nothrow), n, a);
		::operator delete[](p, al, std::nothrow);
	}
}

// One call of each form that throws; returns how many threw.
static int throwing(size_t n)
{
	int threw = 0;
	std::align_val_t al = static_cast<std::align_val_t>(64);

	for (int i = 0; i < 4; i++)
		try {
			void *p = i == 0 ? ::operator new(n) : i == 1 ? ::operator new[](n)
				: i == 2 ? ::operator new(n, al) : ::operator new[](n, al);
			::operator delete(p);
			CHECK(!"no throw");
		} catch (const std::bad_alloc &) {
			threw++;
		}
	return threw;
}

static int nothrowing(size_t n)
{
	int nulls = 0;
	std::align_val_t al = static_cast<std::align_val_t>(64);

	nulls += ::operator new(n, std::nothrow) == nullptr;
	nulls += ::operator new[](n, std::nothrow) == nullptr;
	nulls += ::operator new(n, al, std::nothrow) == nullptr;
	nulls += ::operator new[](n, al, std::nothrow) == nullptr;
	return nulls;
}

static int calls, give_up_at;

static void counting_handler()
{
	if (++calls == give_up_at)
		std::set_new_handler(nullptr);
}

struct own_alloc : std::bad_alloc {};

static void throwing_handler()
{
	if (++calls == 3)
		throw own_alloc();
}

// Frees what it kept, as handlers do; the next try is smaller by then.
static volatile size_t wanted;
static void *try_again()
{
	for (;;) {
		void *p = malloc(wanted);

		if (p)
			return p;
		std::get_new_handler()();
	}
}

static void freeing_handler()
{
	calls++;
	wanted = 100;
}

static void handlers()
{
	// called again and again until it resigns
	for (give_up_at = 1; give_up_at < 6; give_up_at++) {
		calls = 0;
		std::set_new_handler(counting_handler);
		try {
			::operator delete(::operator new(huge));
			CHECK(!"no throw");
		} catch (const std::bad_alloc &) {
		}
		CHECK(calls == give_up_at);
	}
	give_up_at = 4;
	calls = 0;
	std::set_new_handler(counting_handler);
	CHECK(::operator new(vast, std::nothrow) == nullptr);
	CHECK(calls == 4);
	calls = 0;
	std::set_new_handler(counting_handler);
	CHECK(::operator new(vast, static_cast<std::align_val_t>(4096), std::nothrow) == nullptr);
	CHECK(calls == 4);

	// its own exception passes through the throwing form …
	calls = 0;
	std::set_new_handler(throwing_handler);
	bool own = false;
	try {
		::operator delete(::operator new(huge));
	} catch (const own_alloc &) {
		own = true;
	} catch (const std::bad_alloc &) {
	}
	CHECK(own);
	CHECK(calls == 3);
	// … and is swallowed by the nothrow forms
	calls = 0;
	std::set_new_handler(throwing_handler);
	CHECK(::operator new(huge, std::nothrow) == nullptr);
	CHECK(calls == 3);
	calls = 0;
	CHECK(::operator new[](huge, std::nothrow) == nullptr);
	CHECK(calls == 3);
	calls = 0;
	CHECK(::operator new[](huge, static_cast<std::align_val_t>(32), std::nothrow) == nullptr);
	CHECK(calls == 3);

	calls = 0;
	wanted = huge;
	std::set_new_handler(freeing_handler);
	free(try_again());
	CHECK(calls == 1);
	std::set_new_handler(nullptr);
}

struct thrower {
	char body[500];
	explicit thrower(bool t)
	{
		if (t)
			throw 5;
	}
};

struct alignas(256) wide {
	char body[256];
};

int main()
{
	alarm(60);
	owns = reinterpret_cast<int (*)(const void *)>(dlsym(RTLD_DEFAULT, "bm_owns"));
	if (getenv("BM_REQUIRE") && !owns) {
		fprintf(stderr, "api/operators: FAIL: not our heap\n");
		return 1;
	}
	for (size_t n = 0; n < 3000; n += n < 300 ? 1 : 37)
		every_form(n);
	for (size_t n = 30000; n < 4 << 20; n += n / 2)
		every_form(n);

	::operator delete(nullptr);
	::operator delete[](nullptr);
	::operator delete(nullptr, size_t(10));
	::operator delete(nullptr, std::nothrow);
	::operator delete(nullptr, static_cast<std::align_val_t>(64));
	::operator delete(nullptr, size_t(10), static_cast<std::align_val_t>(64));
	CHECK(::operator new(0) != nullptr);

	CHECK(throwing(huge) == 4);
	CHECK(throwing(vast) == 4);
	CHECK(nothrowing(huge) == 4);
	CHECK(nothrowing(vast) == 4);
	if (owns) {	// libstdc++'s aligned form rounds this up to zero
		CHECK(throwing(SIZE_MAX) == 4);
		CHECK(nothrowing(SIZE_MAX) == 4);
	}
	handlers();

	// what the language makes of it
	for (int i = 0; i < 1000; i++) {
		try {
			delete new thrower(i & 1);
			CHECK(!(i & 1));
		} catch (int) {
			CHECK(i & 1);
		}
		wide *w = new wide[3];
		CHECK(aligned(w, 256));
		delete[] w;
		std::vector<std::string> v;
		for (int k = 0; k < 20; k++)
			v.push_back(std::string(k * 10, 'x'));
	}
	errno = 1234;
	delete new int;
	CHECK(errno == 1234);

	if (!failed)
		fprintf(stderr, "api/operators: ok\n");
	return failed;
}
