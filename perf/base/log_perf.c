/* SPDX-License-Identifier: MIT */
#include <torc/base/log.h>

#include "perf/gbench.h"

#define BATCH 64

/*
 * Question      May a line for developers stay in code that runs often?
 * Unit          One torc_log() of a level that is off.
 * Change mind   20 ns: the level would then have to be looked at inline.
 */
static void
level_off(struct torc_bench *b)
{
	torc_log_level_set(TORC_LOG_INFO);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc_log(TORC_LOG_DEBUG, "pass %d of %d", i, BATCH);
}
TORC_BENCH(level_off)
