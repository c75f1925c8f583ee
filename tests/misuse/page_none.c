/* SPDX-License-Identifier: MIT */
/* expect: buddymalloc: invalid free of page 0x1: not a page of this heap */
#include "misuse.h"
#include "buddymalloc.h"

int main(void)
{
	static char not_a_page[64];
	char *p = not_a_page;

	hide(p);
	bm_free_page((struct bm_page *)p);
	return 0;
}
