/* SPDX-License-Identifier: MIT */
/*
 * Loses a block of memory, on purpose: LeakSanitizer has to say so, or else
 * no other test under it means anything. See xfail_test.sh.
 */
#include <stdlib.h>

static void *volatile kept;

int
main(void)
{
	kept = malloc(123);
	kept = NULL;
	return 0;
}
