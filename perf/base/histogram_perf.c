/* SPDX-License-Identifier: MIT */
#include <torc/base/histogram.h>

#include "perf/gbench.h"

#define BATCH 64

static struct torc_histogram histogram;

/* xorshift64: the same sequence in every run. */
static uint64_t
draw(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/*
 * Question      Can each request's latency be recorded, always?
 * Unit          One torc_histogram_add() of a value from 0 to 1 ms in ns.
 * Change mind   5 ns: recording would then have to be an option.
 */
static void
add(struct torc_bench *b)
{
	uint64_t random = 88172645463325252u;

	torc_histogram_reset(&histogram);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc_histogram_add(&histogram, draw(&random) & 0xfffff);
}
TORC_BENCH(add)

/*
 * Question      May a running program ask for its own p99?
 * Unit          One torc_histogram_quantile() of a full histogram.
 * Change mind   100 us: a shard would then be held up by its statistics.
 */
static void
quantile(struct torc_bench *b)
{
	uint64_t random = 88172645463325252u;

	torc_histogram_reset(&histogram);
	for (int i = 0; i < 1000000; i++)
		torc_histogram_add(&histogram, draw(&random) >> 32);
	while (torc_bench_next(b))
		torc_bench_keep(torc_histogram_quantile(&histogram, 0.99));
}
TORC_BENCH(quantile)
