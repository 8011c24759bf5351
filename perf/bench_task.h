/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BENCH_TASK_H
#define TORC_PERF_BENCH_TASK_H

/*
 * bench_task - cases that run in the main task of a runtime
 *
 *   static int yield(void *b) { while (torc_bench_next(b)) ...; return 0; }
 *   TORC_BENCH_TASK(yield)
 *
 * There is one shard, or as many as TORC_BENCH_SHARDS says; they are opened
 * before the first pass and closed after the last. A result below 0 is
 * -errno and fails the case.
 */

#include <string.h>

#include <torc/core/runtime.h>

#include "perf/gbench.h"

static inline void
torc_bench_in_task(struct torc_bench *b, torc_task_fn *fn, unsigned shards)
{
	struct torc_options options = { .shards = shards };
	int ret = torc_run(&options, fn, b);

	if (ret < 0)
		torc_bench_fail(b, strerror(-ret));
}

#define TORC_BENCH_TASK(fn)                        \
	static void fn##_run(struct torc_bench *b) \
	{                                          \
		torc_bench_in_task(b, fn, 1);      \
	}                                          \
	TORC_BENCH_AS(fn, fn##_run, -1)

#define TORC_BENCH_SHARDS(fn, shards)              \
	static void fn##_run(struct torc_bench *b) \
	{                                          \
		torc_bench_in_task(b, fn, shards); \
	}                                          \
	TORC_BENCH_AS(fn, fn##_run, -1)

#define TORC_BENCH_TASK_ARGS(fn, ...)              \
	static void fn##_run(struct torc_bench *b) \
	{                                          \
		torc_bench_in_task(b, fn, 1);      \
	}                                          \
	TORC_BENCH_AS(fn, fn##_run, __VA_ARGS__, -1)

#endif /* TORC_PERF_BENCH_TASK_H */
