/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <torc/core/sleep.h>

#include "core/shard_priv.h"
#include "core/vec_priv.h"
#include "perf/bench_task.h"

#define BATCH 64

/*
 * Question      What does an await cost that need not wait, as when bytes
 *               have arrived already?
 * Unit          torc_future_init(), torc_future_complete(), torc_await(); one
 *               in 128 yields, for the others' sake.
 * Change mind   10 ns: a call would then look at the value itself first.
 */
static int
await_ready(void *b)
{
	struct torc_future future;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			torc_future_init(&future, NULL, NULL);
			torc_future_complete(&future, i);
			torc_bench_keep(torc_await(&future));
		}
	return 0;
}
TORC_BENCH_TASK(await_ready)

/*
 * Question      What does it cost to wait for one of two things?
 * Unit          Two futures, one of them ready, and torc_select(), which
 *               cancels the other and waits for its end.
 * Change mind   300 ns: a server's "message or time-out" would then better be
 *               a deadline only.
 */
static int
select_ready(void *b)
{
	struct torc_sleep later;
	struct torc_future ready, *both[] = { &later.done, &ready };

	while (torc_bench_next(b)) {
		torc_sleep_start(&later, TORC_S);
		torc_future_init(&ready, NULL, NULL);
		torc_future_complete(&ready, 0);
		if (torc_select(both, 2) != 1)
			return -EPROTO;
	}
	return 0;
}
TORC_BENCH_TASK(select_ready)

/*
 * Question      Can every request have a deadline of its own?
 * Unit          torc_deadline_begin() and torc_deadline_end(), with a clock
 *               read, and an arm and a disarm of the task's timer.
 * Change mind   150 ns, most of it not the clock's.
 */
static int
deadline_scope(void *b)
{
	struct torc_deadline scope;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			torc_deadline_begin(&scope, 10 * TORC_S);
			torc_deadline_end(&scope);
		}
	return 0;
}
TORC_BENCH_TASK(deadline_scope)

/*
 * Question      How much of a short sleep is torc's, and how much waiting?
 * Unit          One torc_sleep() of 1 ns, which ends with the timer's tick: a
 *               timer, a look of up to 50 us, a sleep, a task switch pair.
 *               The wall time is how late it is.
 * Change mind   70 us of CPU: the loop would then look more than once.
 */
static int
sleep_least(void *b)
{
	int ret = 0;

	while (ret == 0 && torc_bench_next(b))
		ret = torc_sleep(1);
	return ret;
}
TORC_BENCH_TASK(sleep_least)

/*
 * Question      What does the memory of a vectored send cost?
 * Unit          One torc__vec_get() and torc__vec_put().
 * Change mind   10 ns: each stream would then keep one of its own.
 */
static int
vec_get_put(void *b)
{
	struct torc_shard *shard = torc__shard;

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			struct torc_vec *vec = torc__vec_get(shard);

			if (vec == NULL)
				return -ENOMEM;
			torc_bench_keep(vec);
			torc__vec_put(shard, vec);
		}
	return 0;
}
TORC_BENCH_TASK(vec_get_put)
