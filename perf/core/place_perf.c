/* SPDX-License-Identifier: MIT */
#include <torc/core/place.h>

#include "perf/bench_task.h"

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * Question      What does it cost to let torc choose where a task begins,
 *               beside torc_spawn() and torc_join() on one's own shard?
 * Unit          One torc_call_any(), waited for.
 * Change mind   On one shard three times spawn_join: the shelf's lock would
 *               then cost more than the task.
 */
static int
call_any(void *b)
{
	int ret = 0;

	while (ret == 0 && torc_bench_next(b))
		ret = torc_call_any(do_nothing, NULL, NULL);
	return ret;
}
TORC_BENCH_TASK(call_any)
