/* SPDX-License-Identifier: MIT */
/*
 * What:  every operator new and delete of C++, in C: plain, array, nothrow,
 *        aligned, sized, and their combinations.
 * Door:  the mangled names at the end of the file; nobody calls them from C.
 * Locks: none; the new handler runs outside of all locks.
 * Invariant: success costs what malloc and free cost. No C++ library is
 *        needed: its functions are weak here, and those that were not there
 *        at start-up (a C program that opened a C++ module with dlopen) are
 *        looked up when memory has run out, the only time that anything
 *        here calls what may itself allocate.
 *
 * Out of memory, as the standard says: call the new handler and try again
 * until there is none; then a nothrow form returns NULL and the others throw
 * std::bad_alloc. A program without a C++ runtime gets one line and abort().
 * So does a static C++ program into which nothing else has brought the weak
 * std::__throw_bad_alloc: link it with -u _ZSt17__throw_bad_allocv.
 *
 * See:   malloc/fast.h for the two fast paths.
 */
#include "base/compiler.h"

#include <dlfcn.h>
#include <unwind.h>

#include "base/print.h"
#include "buddymalloc.h"
#include "malloc/fast.h"

#if CONFIG_REPLACE

/* ---- the C++ runtime, where there is one ---- */

#define WEAK_CXX(name) __asm__(#name) __attribute__((weak))

typedef void new_handler_fn(void);

new_handler_fn *cxx_get_new_handler(void) WEAK_CXX(_ZSt15get_new_handlerv);
void cxx_throw_bad_alloc(void) WEAK_CXX(_ZSt17__throw_bad_allocv);
void *cxx_begin_catch(void *exception) WEAK_CXX(__cxa_begin_catch);
void cxx_end_catch(void) WEAK_CXX(__cxa_end_catch);
#pragma weak _Unwind_SetGR
#pragma weak _Unwind_SetIP
#pragma weak dlsym

/*
 * A module opened with RTLD_LOCAL keeps its C++ library to itself, but a
 * second dlopen shares it. A reference to dlopen, even a weak one, would make
 * the linker warn about every static program.
 */
static void *open_runtime(void)
{
	static const char names[][16] = { "libstdc++.so.6", "libc++.so.1" };
	__typeof__(&dlopen) open = (__typeof__(&dlopen))dlsym(RTLD_DEFAULT,
							      "dlopen");
	void *lib = NULL;
	unsigned i;

	for (i = 0; open && !lib && i < ARRAY_SIZE(names); i++)
		lib = open(names[i], RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	return lib;
}

/* A function of the C++ runtime or of what it stands on; NULL: not here. */
static void *find(const char *name)
{
	void *fn = NULL, *lib;

	if (dlsym)
		fn = dlsym(RTLD_DEFAULT, name);
	if (!fn && dlsym && (lib = open_runtime()))
		fn = dlsym(lib, name);
	return fn;
}

#define FIND(fn, name) ((__typeof__(&(fn)))((fn) ? (void *)(fn) : find(name)))

/* ---- a handler that throws inside a nothrow form ---- */

/*
 * The nothrow forms must turn an exception of the handler into NULL. C has no
 * catch, and a cleanup only watches an exception pass. But what a catch is to
 * the unwinder is not secret: a personality routine that says "handler found"
 * for its frame and then names the place to go on. So bm_call_catching() is
 * the frame, a call and little else, and bm_catch_all() its personality; the
 * exception ends in __cxa_begin_catch() and __cxa_end_catch() as in C++.
 *
 * Not caught: forced unwinding (pthread_cancel, pthread_exit), which must not
 * stop; and, where the unwinder is not to be found or on other processors,
 * anything: the exception then leaves the nothrow form, and C++ calls
 * std::terminate in the noexcept function that called it.
 */
#if defined(__x86_64__)
#define HAVE_CATCHING 1
__asm__(".text\n"
	".type bm_call_catching, @function\n"
	"bm_call_catching:\n"
	"	.cfi_startproc\n"
	"	.cfi_personality 0x1b, bm_catch_all\n"	/* pcrel, 4 bytes */
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call *%rdi\n"
	"	xorl %eax, %eax\n"
	"bm_caught:\n"			/* rax: the exception */
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size bm_call_catching, . - bm_call_catching\n");
#elif defined(__aarch64__)
#define HAVE_CATCHING 1
__asm__(".text\n"
	".type bm_call_catching, @function\n"
	"bm_call_catching:\n"
	"	.cfi_startproc\n"
	"	.cfi_personality 0x1b, bm_catch_all\n"	/* pcrel, 4 bytes */
	"	stp x29, x30, [sp, -16]!\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset 29, -16\n"
	"	.cfi_offset 30, -8\n"
	"	mov x29, sp\n"
	"	blr x0\n"
	"	mov x0, 0\n"
	"bm_caught:\n"			/* x0: the exception */
	"	ldp x29, x30, [sp], 16\n"
	"	.cfi_restore 30\n"
	"	.cfi_restore 29\n"
	"	.cfi_def_cfa_offset 0\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size bm_call_catching, . - bm_call_catching\n");
#else
#define HAVE_CATCHING 0
#endif

#if HAVE_CATCHING
#define HIDDEN __attribute__((visibility("hidden")))

/* Calls the handler. NULL: it came back; else the exception it threw. */
HIDDEN void *bm_call_catching(new_handler_fn *handler);
HIDDEN extern const char bm_caught[];
HIDDEN _Unwind_Reason_Code bm_catch_all(int version, _Unwind_Action actions,
		_Unwind_Exception_Class class, struct _Unwind_Exception *e,
		struct _Unwind_Context *context);

/* The unwinder's, found before the handler is called. */
static __typeof__(&_Unwind_SetGR) set_register;
static __typeof__(&_Unwind_SetIP) set_address;

__attribute__((used))
_Unwind_Reason_Code bm_catch_all(int version, _Unwind_Action actions,
		_Unwind_Exception_Class class, struct _Unwind_Exception *e,
		struct _Unwind_Context *context)
{
	(void)class;
	if (version != 1 || (actions & _UA_FORCE_UNWIND))
		return _URC_CONTINUE_UNWIND;
	if (actions & _UA_SEARCH_PHASE)
		return _URC_HANDLER_FOUND;
	if (!(actions & _UA_HANDLER_FRAME))
		return _URC_CONTINUE_UNWIND;
	READ_ONCE(set_register)(context, __builtin_eh_return_data_regno(0),
				(_Unwind_Word)e);
	READ_ONCE(set_address)(context, (_Unwind_Ptr)bm_caught);
	return _URC_INSTALL_CONTEXT;
}

/* false: the handler threw, and the exception is gone. */
static bool call_catching(new_handler_fn *handler)
{
	__typeof__(&cxx_begin_catch) begin =
		FIND(cxx_begin_catch, "__cxa_begin_catch");
	__typeof__(&cxx_end_catch) end =
		FIND(cxx_end_catch, "__cxa_end_catch");
	void *exception = NULL;

	WRITE_ONCE(set_register, FIND(_Unwind_SetGR, "_Unwind_SetGR"));
	WRITE_ONCE(set_address, FIND(_Unwind_SetIP, "_Unwind_SetIP"));
	if (begin && end && set_register && set_address)
		exception = bm_call_catching(handler);
	else
		handler();
	if (exception) {
		begin(exception);
		end();
	}
	return !exception;
}
#else
static bool call_catching(new_handler_fn *handler)
{
	handler();
	return true;
}
#endif

/* ---- memory has run out ---- */

enum new_form { NEW_THROWS, NEW_NOTHROW };

static cold void throw_bad_alloc(size_t size)
{
	__typeof__(&cxx_throw_bad_alloc) throw_it =
		FIND(cxx_throw_bad_alloc, "_ZSt17__throw_bad_allocv");

	if (throw_it)
		throw_it();
	fatal("operator new: out of memory (%zu bytes)", size);
}

/* align 0: an ordinary object. */
static cold void *new_failed(size_t size, size_t align, enum new_form form)
{
	__typeof__(&cxx_get_new_handler) get_handler =
		FIND(cxx_get_new_handler, "_ZSt15get_new_handlerv");
	new_handler_fn *handler;
	void *p;

	/* No handler can mend an alignment that is not a power of two. */
	while (get_handler && !(align & (align - 1)) &&
	       (handler = get_handler())) {
		if (form == NEW_THROWS)
			handler();
		else if (!call_catching(handler))
			return NULL;
		p = align ? bm_aligned_alloc(align, size) : bm_malloc(size);
		if (p)
			return p;
	}
	if (form == NEW_THROWS)
		throw_bad_alloc(size);
	return NULL;
}

static always_inline void *new(size_t size, enum new_form form)
{
	void *p = malloc_fast(size);

	return likely(p) ? p : new_failed(size, 0, form);
}

static always_inline void *new_aligned(size_t size, size_t align,
				       enum new_form form)
{
	void *p = NULL;

	if (likely(!(align & (align - 1))))
		p = bm_aligned_alloc(align, size);
	return likely(p) ? p : new_failed(size, align, form);
}

/* ---- the names ---- */

/*
 * Zn, dl: new, delete; w, a, l: the one of an object, a for an array; m, Pv:
 * size_t, void *; St11align_val_t: the alignment; RKSt9nothrow_t: a reference
 * to std::nothrow, which nobody reads. An array form is another name of the
 * plain one, and so is a nothrow delete of a delete.
 */
#define ALIAS(name) BM_EXPORT __attribute__((alias(#name)))
#define NOTHROW_TAG const void *nothrow_tag __attribute__((unused))

BM_EXPORT void *_Znwm(size_t size);
BM_EXPORT void *_ZnwmRKSt9nothrow_t(size_t size, NOTHROW_TAG);
BM_EXPORT void *_ZnwmSt11align_val_t(size_t size, size_t align);
BM_EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align,
						   NOTHROW_TAG);

void *_Znwm(size_t size)
{
	return new(size, NEW_THROWS);
}

void *_ZnwmRKSt9nothrow_t(size_t size, NOTHROW_TAG)
{
	return new(size, NEW_NOTHROW);
}

void *_ZnwmSt11align_val_t(size_t size, size_t align)
{
	return new_aligned(size, align, NEW_THROWS);
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, NOTHROW_TAG)
{
	return new_aligned(size, align, NEW_NOTHROW);
}

ALIAS(_Znwm) void *_Znam(size_t size);
ALIAS(_ZnwmRKSt9nothrow_t) void *_ZnamRKSt9nothrow_t(size_t size, NOTHROW_TAG);
ALIAS(_ZnwmSt11align_val_t)
void *_ZnamSt11align_val_t(size_t size, size_t align);
ALIAS(_ZnwmSt11align_val_tRKSt9nothrow_t)
void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align,
					 NOTHROW_TAG);

BM_EXPORT void _ZdlPv(void *p);
BM_EXPORT void _ZdlPvRKSt9nothrow_t(void *p, NOTHROW_TAG);
BM_EXPORT void _ZdlPvSt11align_val_t(void *p, size_t align);
BM_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align,
						   NOTHROW_TAG);
BM_EXPORT void _ZdlPvm(void *p, size_t size);
BM_EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t align);

void _ZdlPv(void *p)
{
	free_fast(p);
}

void _ZdlPvRKSt9nothrow_t(void *p, NOTHROW_TAG)
{
	free_fast(p);
}

void _ZdlPvSt11align_val_t(void *p, size_t align)
{
	(void)align;
	free_fast(p);
}

void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, NOTHROW_TAG)
{
	(void)align;
	free_fast(p);
}

void _ZdlPvm(void *p, size_t size)
{
	free_sized_fast(p, size, false);
}

void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t align)
{
	(void)align;
	free_sized_fast(p, size, true);
}

ALIAS(_ZdlPv) void _ZdaPv(void *p);
ALIAS(_ZdlPvRKSt9nothrow_t) void _ZdaPvRKSt9nothrow_t(void *p, NOTHROW_TAG);
ALIAS(_ZdlPvSt11align_val_t) void _ZdaPvSt11align_val_t(void *p, size_t align);
ALIAS(_ZdlPvSt11align_val_tRKSt9nothrow_t)
void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, NOTHROW_TAG);
ALIAS(_ZdlPvm) void _ZdaPvm(void *p, size_t size);
ALIAS(_ZdlPvmSt11align_val_t)
void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t align);

#endif /* CONFIG_REPLACE */
