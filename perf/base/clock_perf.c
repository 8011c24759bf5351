/* SPDX-License-Identifier: MIT */
#include <torc/base/clock.h>

#include "perf/gbench.h"

#define BATCH 64

/*
 * Question      May a turn of the loop, a deadline, a request's latency each
 *               read the clock?
 * Unit          One torc_clock_ns().
 * Change mind   100 ns: the clock source is then no TSC, each read is a system
 *               call, and a turn's one read would have to serve for more.
 */
static void
read_clock(struct torc_bench *b)
{
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc_bench_keep(torc_clock_ns());
}
TORC_BENCH(read_clock)
