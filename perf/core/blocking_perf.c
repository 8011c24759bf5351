/* SPDX-License-Identifier: MIT */
#include <torc/core/blocking.h>

#include "perf/bench_task.h"

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/*
 * Question      What does it cost to leave the shard for a thread of the pool
 *               and come back, one call after the other?
 * Unit          One torc_blocking().
 * Change mind   10 us or more: two wake-ups, so neither side looks for a
 *               while before it sleeps; or there is one CPU only.
 */
static int
blocking_call(void *b)
{
	int ret = 0;

	while (ret == 0 && torc_bench_next(b))
		ret = torc_blocking(do_nothing, NULL, NULL);
	return ret;
}
TORC_BENCH_TASK(blocking_call)

/*
 * Question      And when many wait at once?
 * Unit          One of `n` jobs that are started together and awaited.
 * Change mind   2 us or more: each would then wake a thread that the others
 *               keep from the queue's lock.
 */
#define JOBS_MAX 256

static int
blocking_jobs(void *b)
{
	static struct torc_blocking jobs[JOBS_MAX];
	int64_t n = torc_bench_arg(b);
	int64_t ret = 0;

	while (ret == 0 && torc_bench_next_many(b, n)) {
		for (int64_t i = 0; i < n; i++)
			torc_blocking_start(&jobs[i], do_nothing, NULL);
		for (int64_t i = 0; i < n && ret == 0; i++)
			ret = torc_await(&jobs[i].done);
	}
	return (int)ret;
}
TORC_BENCH_TASK_ARGS(blocking_jobs, 16, 256)
