/* SPDX-License-Identifier: MIT */
/*
 * What:  hugepages:hugetlb: zones of the window grow into pages of the pool
 *        that the administrator has set aside, while it has any to spare.
 * Door:  hugetlb_commit() when pages were added, hugetlb_shrunk() when the free
 *        end of a zone went away.
 * Locks: the zone's grow_lock (G).
 * Invariant: [start, pool_to) are pages of the pool, behind it all is plain. They
 *        are faulted in before anybody sees them, where a failure is an error
 *        number and no SIGBUS, and stay until the zone shrinks: a page that was
 *        dropped may be somebody else's before it is wanted again. So a zone
 *        that has some purges nothing.
 *        A fork child gets its own copy of a page at the first write (its, or
 *        the parent's), for which nothing is reserved; if the pool is empty
 *        then, the kernel sends the child a SIGBUS. So as many as are held are
 *        left in the pool. Example: 40 are free; 20 are taken, and no more.
 * See:   ARCHITECTURE.md; Documentation/admin-guide/mm/hugetlbpage.rst.
 */
#ifndef BM_ZONE_HUGETLB_H
#define BM_ZONE_HUGETLB_H

#include "page/page.h"

struct zone;

/* False: the pages are not there, and [from, to) must not be used. */
bool hugetlb_commit(struct zone *zone, pfn_t from, pfn_t to);
void hugetlb_shrunk(struct zone *zone);
/* Pages that all zones hold. */
size_t hugetlb_pages(void);

#endif
