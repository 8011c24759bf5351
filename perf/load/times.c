/* SPDX-License-Identifier: MIT */
#include "perf/load/times.h"

#include <errno.h>
#include <stdlib.h>

#include "perf/load/usage.h"

void
load_times_grow(struct load_times *t)
{
	uint64_t slots = t->_at ? (t->_mask + 1) * 2 : 1;
	uint64_t *at = malloc(slots * sizeof(*at));

	if (!at)
		load_fail(ENOMEM, "no memory for the times of messages");
	for (uint64_t n = t->first; n < t->next; n++)
		at[n & (slots - 1)] = *load_times_at(t, n);
	free(t->_at);
	t->_at = at;
	t->_mask = slots - 1;
}
