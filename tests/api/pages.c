/* SPDX-License-Identifier: MIT */
/*
 * Blocks of pages: every order, its alignment and contents, flags that are
 * refused, and page <-> address <-> number <-> node and zone.
 */
#include "../lib/cm.h"
#include "buddymalloc.h"
#include <sys/mman.h>

static size_t page_size;

static int start(void **state)
{
	struct bm_stats s;

	(void)state;
	bm_stats(&s);
	page_size = s.page_size;
	return 0;
}

static void orders(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 12; order++) {
		size_t bytes = page_size << order;
		struct bm_page *page = bm_alloc_pages(BM_GFP_KERNEL, order);
		char *p = bm_page_address(page);

		assert_non_null(page);
		CM_ALIGNED(p, bytes);
		t_fill(p, bytes, order);
		assert_int_equal(bm_usable_size(p), bytes);
		assert_ptr_equal(bm_virt_to_page(p), page);
		assert_int_equal(t_verify(p, bytes, order), -1);
		bm_free_pages(page, order);
	}
	bm_free_pages(NULL, 3);
	bm_free_page(NULL);
	bm_put_pages(NULL, 1);
	bm_free_pages_exact(NULL, 5);
}

static void overlap(void **state)
{
	enum { N = 600 };
	static char *p[N];
	static unsigned order[N];
	uint64_t r = t_seed_for(1);

	(void)state;
	for (int round = 0; round < 20000; round++) {
		int i = t_below(&r, N);

		if (p[i]) {
			assert_int_equal(t_verify(p[i], page_size << order[i],
						  i), -1);
			if (t_below(&r, 2))
				bm_put_pages(p[i], order[i]);
			else
				free(p[i]);
			p[i] = NULL;
			continue;
		}
		order[i] = t_below(&r, 5);
		p[i] = bm_get_free_pages(t_below(&r, 2) ? BM_GFP_MOVABLE
							: BM_GFP_KERNEL,
					 order[i]);
		assert_non_null(p[i]);
		t_fill(p[i], page_size << order[i], i);
	}
	for (int i = 0; i < N; i++)
		bm_put_pages(p[i], order[i]);
}

static void zeroed(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		char *p = bm_get_zeroed_page(BM_GFP_KERNEL);

		assert_int_equal(t_first_nonzero(p, page_size), -1);
		memset(p, 0xa5, page_size);
		bm_put_page(p);
		p = bm_get_free_pages(BM_GFP_MOVABLE | BM_GFP_ZERO, 7);
		assert_int_equal(t_first_nonzero(p, page_size << 7), -1);
		memset(p, 0xa5, page_size << 7);
		bm_put_pages(p, 7);
	}
}

static void exact(void **state)
{
	(void)state;
	for (size_t n = 1; n < 5 << 20; n += n / 3 + 1) {
		char *p = bm_alloc_pages_exact(n, BM_GFP_KERNEL);
		size_t pages = (n + page_size - 1) / page_size;

		assert_non_null(p);
		CM_ALIGNED(p, page_size);
		assert_int_equal(bm_usable_size(p), pages * page_size);
		memset(p, 1, n);
		bm_free_pages_exact(p, n);
	}
}

static void refused(void **state)
{
	(void)state;
	errno = 0;
	assert_null(bm_alloc_pages(BM_GFP_KERNEL, 40));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_alloc_pages(1u << 20, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_alloc_pages(7, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_alloc_pages_node(999, BM_GFP_KERNEL, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bm_alloc_pages_exact(cm_huge, BM_GFP_KERNEL));
	assert_int_equal(errno, ENOMEM);
}

static void translate(void **state)
{
	struct bm_page *page = bm_alloc_pages(BM_GFP_MOVABLE, 3);
	char *p = bm_page_address(page);
	uint64_t pfn = bm_page_to_pfn(page);
	int node = bm_page_to_node(page), on_stack;

	(void)state;
	assert_int_equal(bm_page_zone(page), BM_ZONE_MOVABLE);
	assert_ptr_equal(bm_pfn_to_page(pfn), page);
	for (unsigned i = 0; i < 8; i++) {
		struct bm_page *q = bm_virt_to_page(p + i * page_size + 77);

		assert_int_equal(bm_page_to_pfn(q), pfn + i);
		assert_ptr_equal(bm_page_address(q), p + i * page_size);
	}
	assert_int_equal(bm_node_of(p), node);
	bm_free_pages(page, 3);
	page = bm_alloc_pages_node(node, BM_GFP_KERNEL | BM_GFP_THISNODE, 0);
	assert_non_null(page);
	assert_int_equal(bm_page_to_node(page), node);
	assert_int_equal(bm_page_zone(page), BM_ZONE_NORMAL);
	bm_free_page(page);
	page = bm_alloc_pages_node(BM_NODE_ANY, BM_GFP_KERNEL, 0);
	bm_free_page(page);
	assert_null(bm_virt_to_page(&on_stack));
	assert_null(bm_virt_to_page(NULL));
	assert_null(bm_pfn_to_page(UINT64_MAX / 2));
	assert_int_equal(bm_node_of(&on_stack), -1);
}

/* Small ones are objects; whichever way they are freed, they are blocks. */
static void small_ones(void **state)
{
	enum { N = 400 };
	static char *p[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		unsigned order = i % 5;
		size_t bytes = page_size << order;
		unsigned zero = i % 2 ? BM_GFP_ZERO : 0;

		p[i] = bm_get_free_pages(BM_GFP_KERNEL | zero, order);
		assert_non_null(p[i]);
		CM_ALIGNED(p[i], bytes);
		if (zero)
			assert_int_equal(t_first_nonzero(p[i], bytes), -1);
		t_fill(p[i], bytes, i);
		assert_int_equal(bm_usable_size(p[i]), bytes);
		assert_int_equal(bm_page_zone(bm_virt_to_page(p[i])),
				 BM_ZONE_NORMAL);
	}
	for (int i = 0; i < N; i++) {
		unsigned order = i % 5;
		size_t bytes = page_size << order;

		assert_int_equal(t_verify(p[i], bytes, i), -1);
		switch (i % 7) {
		case 0: free(p[i]); break;
		case 1: bm_free_pages(bm_virt_to_page(p[i]), order); break;
		case 2: bm_free_pages_exact(p[i], bytes); break;
		case 3: bm_vfree(p[i]); break;
		case 4: free(realloc(p[i], 3 * bytes)); break;
		default: bm_put_pages(p[i], order);
		}
	}
}

/* How a child ends that frees a page twice, of as many as it has. */
static void twice(void **state)
{
	int status, null = open("/dev/null", O_WRONLY);

	(void)state;
	for (unsigned order = 0; order < 6; order++) {
		pid_t pid = fork();

		if (!pid) {
			char *p = bm_get_free_pages(BM_GFP_KERNEL, order);

			t_child(20);
			dup2(null, 2);
			bm_put_pages(p, order);
			bm_put_pages(p, order);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
	close(null);
}

/* Of free pages only: no zone grows, and what is not there is refused. */
static void nogrow(void **state)
{
	enum { N = 4096 };
	static void *p[N];
	struct bm_stats before, after;
	int i;

	(void)state;
	bm_stats(&before);
	for (i = 0; i < N; i++) {
		p[i] = bm_get_free_pages(BM_GFP_MOVABLE | BM_GFP_NOGROW, 10);
		if (!p[i])
			break;
	}
	assert_int_equal(errno, ENOMEM);
	assert_in_range(i, 0, N - 1);
	bm_stats(&after);
	assert_int_equal(before.grows, after.grows);
	p[i] = bm_get_free_pages(BM_GFP_MOVABLE, 10);
	assert_non_null(p[i]);
	while (i >= 0)
		bm_put_pages(p[i--], 10);
}

static void on_node(void **state)
{
	int node;
	char *p = malloc(100);

	(void)state;
	node = bm_node_of(p);
	assert_in_range(node, 0, 1023);
	free(p);
	for (size_t n = 0; n < 3 << 20; n = n * 2 + 5) {
		p = bm_malloc_node(n, node);
		assert_non_null(p);
		memset(p, 1, n);
		assert_int_equal(bm_node_of(p), node);
		free(p);
		p = bm_malloc_interleaved(n);
		assert_non_null(p);
		memset(p, 1, n);
		free(p);
	}
	errno = 0;
	assert_null(bm_malloc_node(10, 1000));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bm_zone_add_memory(1000, NULL, 0), -1);
}

/* Zones that this machine may refuse: then it is NULL and ENOMEM. */
static void other_zones(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 6; order++) {
		struct bm_page *page = bm_alloc_pages(BM_GFP_DMA32 | BM_GFP_ZERO,
						      order);
		char *p;

		if (page) {
			p = bm_page_address(page);
			assert_true((uintptr_t)p + (page_size << order) <=
				    (uintptr_t)1 << 32);
			assert_int_equal(bm_page_zone(page), BM_ZONE_DMA32);
			assert_int_equal(t_first_nonzero(p, page_size << order),
					 -1);
			assert_ptr_equal(bm_virt_to_page(p), page);
			memset(p, 1, page_size << order);
			bm_free_pages(page, order);
		} else {
			assert_int_equal(errno, ENOMEM);
		}
		page = bm_alloc_pages(BM_GFP_DMA, order);
		if (page) {
			assert_int_equal(bm_page_zone(page), BM_ZONE_DMA);
			memset(bm_page_address(page), 1, page_size << order);
			bm_free_pages(page, order);
		} else {
			assert_int_equal(errno, ENOMEM);
		}
		p = bm_kzalloc(100 << order, BM_GFP_DMA32);
		if (p) {
			assert_true((uintptr_t)p < (uintptr_t)1 << 32);
			assert_int_equal(t_first_nonzero(p, 100 << order), -1);
			memset(p, 1, bm_usable_size(p));
			p = bm_krealloc(p, 70000, BM_GFP_DMA32 | BM_GFP_ZERO);
			assert_non_null(p);
			assert_int_equal(p[(100 << order) - 1], 1);
			assert_true((uintptr_t)p < (uintptr_t)1 << 32);
			p = bm_vrealloc(p, 3 << 20);
			assert_int_equal(p[(100 << order) - 1], 1);
			bm_kfree(p);
		}
	}
}

/* Shared memory of the program's as a zone: its pages are the file's. */
static void device(void **state)
{
	enum { PAGES = 64 };
	size_t bytes = PAGES * page_size;
	int fd = memfd_create("device", 0), n = 0;
	char *a, *b, *p[PAGES + 1];

	(void)state;
	if (fd < 0 || ftruncate(fd, bytes))
		skip();
	a = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	assert_null(bm_alloc_page(BM_GFP_DEVICE));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(bm_zone_add_memory(BM_NODE_ANY, a + 1, bytes), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bm_zone_add_memory(BM_NODE_ANY, a, 0), -1);
	memset(a, 0xee, bytes);
	assert_int_equal(bm_zone_add_memory(BM_NODE_ANY, a, bytes), 0);
	while (n <= PAGES && (p[n] = bm_get_zeroed_page(BM_GFP_DEVICE))) {
		assert_true(p[n] >= a && p[n] < a + bytes);
		assert_int_equal(t_first_nonzero(p[n], page_size), -1);
		t_fill(p[n], page_size, n);
		n++;
	}
	assert_int_equal(n, PAGES);
	assert_int_equal(errno, ENOMEM);
	for (int i = 0; i < n; i++)
		assert_int_equal(t_verify(b + (p[i] - a), page_size, i), -1);
	assert_int_equal(bm_page_zone(bm_virt_to_page(p[3])), BM_ZONE_DEVICE);
	assert_int_equal(bm_zone_remove_memory(a), -1);
	assert_int_equal(errno, EBUSY);
	while (n--)
		if (n % 2)
			bm_put_page(p[n]);
		else
			free(p[n]);
	assert_int_equal(bm_zone_remove_memory(a), 0);
	assert_int_equal(bm_zone_remove_memory(a), -1);
	assert_null(bm_alloc_page(BM_GFP_DEVICE));
	munmap(a, bytes);
	munmap(b, bytes);
	close(fd);
}

CM_MAIN("pages", 60, cmocka_unit_test_setup(orders, start),
	cmocka_unit_test(overlap), cmocka_unit_test(zeroed),
	cmocka_unit_test(exact), cmocka_unit_test(refused),
	cmocka_unit_test(translate),
	cmocka_unit_test(small_ones), cmocka_unit_test(twice),
	cmocka_unit_test(nogrow),
	cmocka_unit_test(on_node), cmocka_unit_test(other_zones),
	cmocka_unit_test(device))
