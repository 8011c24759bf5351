/* SPDX-License-Identifier: MIT */
/*
 * A task whose frame is larger than its stack: the flags of torc.pc let it
 * meet the guard instead of jumping over it.
 */
#include <torc.h>

static int
fill(void *arg)
{
	volatile char large[1 << 20];

	(void)arg;
	large[0] = 1;
	return large[0];
}

TORC_MAIN(fill)
