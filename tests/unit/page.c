/* SPDX-License-Identifier: MIT */
/*
 * Where descriptors lie, with each page size that a machine may have: one for
 * each page, none on top of another, and a slab's words in the room of its
 * own pages' descriptors.
 */
#include "unit.h"

#include <sys/mman.h>

enum { GROUPS = 5, PAGES = GROUPS * DESC_GROUP_PAGES };

static size_t room_bytes(void)
{
	return (size_t)PAGES << (window.page_shift - PAGE_DESC_SHIFT);
}

/* A machine with such pages, and no more than descriptors. */
static char *begin(unsigned page_shift)
{
	char *room;

	window.page_shift = page_shift;
	room = mmap(NULL, room_bytes(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(room, MAP_FAILED);
	window.vmemmap = room;
	window.page_bytes = 1u << page_shift;
	return room;
}

static void test_descriptors(void **state)
{
	(void)state;
	for (unsigned shift = 12; shift <= 16; shift += 2) {
		char *room = begin(shift);
		size_t stride = (size_t)1 << (shift - PAGE_DESC_SHIFT);

		for (pfn_t pfn = 0; pfn < PAGES; pfn++) {
			struct page *page = page_at(pfn);
			size_t at = (size_t)((char *)page - room);

			assert_true(at < PAGES * stride);
			assert_int_equal(at % min_u64(stride, DESC_QUARTER), 0);
			assert_int_equal(at / (4u << shift),
					 pfn / DESC_GROUP_PAGES);
			assert_int_equal(page->npages, 0);
			page->npages = 1;
			assert_int_equal(pfn_of(page), pfn);
		}
		munmap(room, room_bytes());
	}
}

/* Each unit writes its number into all of its words; nobody overwrites any. */
static void test_words(void **state)
{
	enum { WORDS = UNIT_BYTES >> PAGE_DESC_SHIFT >> 3 };

	(void)state;
	for (unsigned shift = 12; shift <= 16; shift += 2) {
		char *room = begin(shift);
		unsigned pages = 1u << (UNIT_SHIFT - shift);
		size_t units = PAGES / pages;

		for (size_t unit = 0; unit < units; unit++) {
			assert_ptr_equal(page_of_unit(unit),
					 page_at(unit * pages));
			for (unsigned w = 0; w < WORDS; w++)
				*page_word(page_of_unit(unit), w) = unit;
		}
		for (size_t unit = 0; unit < units; unit++)
			for (unsigned w = 0; w < WORDS; w++)
				assert_int_equal(*page_word(page_of_unit(unit), w),
						 unit);
		/* A slab of few objects stays within the first quarter. */
		assert_ptr_equal(page_word(page_at(0), 31),
				 (uint64_t *)page_at(0) + 31);
		munmap(room, room_bytes());
	}
}

/* Of a block that went, the first descriptor stays, and all that are others'. */
static void test_forget(void **state)
{
	pfn_t first, last, i;

	(void)state;
	unit_machine(MIB(64));
	assert_true(pages_commit(0, 0, 4 * DESC_GROUP_PAGES));
	for (i = 0; i < 4 * DESC_GROUP_PAGES; i++)
		page_at(i)->npages = 7;
	first = DESC_GROUP_PAGES;
	last = 3 * DESC_GROUP_PAGES;
	pages_forget(first, last);
	for (i = 0; i <= first; i++)
		assert_int_equal(page_at(i)->npages, 7);
	for (; i < last; i++)
		assert_true(page_at(i)->npages == 0 ||
			    (char *)page_at(i) < (char *)page_at(first) + page_bytes());
	for (; i < 4 * DESC_GROUP_PAGES; i++)
		assert_int_equal(page_at(i)->npages, 7);
	assert_int_equal(page_at(last - 1)->npages, 0);
}

CM_MAIN("unit/page", 60, cmocka_unit_test(test_descriptors),
	cmocka_unit_test(test_words), cmocka_unit_test(test_forget))
