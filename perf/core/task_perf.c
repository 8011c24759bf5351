/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <torc/core/group.h>

#include "core/resume_priv.h"
#include "perf/bench_task.h"

#define BATCH 64

/*
 * Question      What does it cost to leave one stack for another and come
 *               back, with nothing around it?
 * Unit          One pair of torc__switch().
 * Change mind   6 ns: the CPU would then mispredict where a switch goes.
 */
struct raw {
	void *outside, *inside;
};

static void
switch_back(void *arg)
{
	struct raw *raw = arg;

	for (;;)
		torc__switch_inline(&raw->inside, raw->outside);
}

static void
raw_switch_pair(struct torc_bench *b)
{
	static _Alignas(64) char stack[16384];
	struct raw raw;

	raw.inside =
		torc__switch_prepare(stack + sizeof(stack), switch_back, &raw);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc__switch_inline(&raw.outside, raw.inside);
}
TORC_BENCH(raw_switch_pair)

/*
 * Question      What does torc add to a completion, from the moment that a
 *               CQE's handler has the value until the task has used it and
 *               waits for the next one?
 * Unit          One torc_future_complete(), resume, torc_future_init() and
 *               torc_await(): a task switch pair.
 * Change mind   10 ns or more: a plain callback would then be worth its
 *               trouble even for small things.
 */
struct relay {
	struct torc_bench *b;
	struct torc_future next, done;
	struct torc_timer timer;
};

static int
await_next(void *arg)
{
	struct relay *relay = arg;
	int64_t value;

	do {
		torc_future_init(&relay->next, NULL, NULL);
		value = torc_await(&relay->next);
	} while (value == 0);
	return 0;
}

/* Inline, as the loop's own is: see core/resume_priv.h. */
static inline __attribute__((always_inline)) void
hand_over(struct torc_shard *shard, struct relay *relay, int64_t value)
{
	struct torc_task *task;

	torc_future_complete(&relay->next, value);
	task = shard->resume;
	shard->resume = NULL;
	torc__task_resume(shard, task);
}

/* On the loop's stack, where CQEs are dispatched. */
static void
hand_over_all(struct torc_timer *timer)
{
	struct relay *relay = torc__container_of(timer, struct relay, timer);
	struct torc_shard *shard = torc__shard;

	while (torc_bench_next_many(relay->b, BATCH))
		for (int i = 0; i < BATCH; i++)
			hand_over(shard, relay, 0);
	hand_over(shard, relay, 1);
	torc_future_complete(&relay->done, 0);
}

static int
switch_pair(void *b)
{
	struct relay relay = { .b = b, .timer = { .fn = hand_over_all } };
	struct torc_task *task;
	int ret = torc_spawn(&task, await_next, &relay);

	if (ret < 0)
		return ret;
	torc_future_init(&relay.done, NULL, NULL);
	torc__timer_arm_in(torc__shard, &relay.timer, 0);
	torc_await(&relay.done);
	return torc_join(task, NULL);
}
TORC_BENCH_TASK(switch_pair)

/*
 * Question      What does it cost to be polite?
 * Unit          One torc_yield() to another task and its torc_yield() back:
 *               two switch pairs, two passes through the ready FIFO, and
 *               one enter per 256 of them.
 * Change mind   60 ns: a task would then count loops before it yields.
 */
static int
yield_until(void *arg)
{
	const bool *is_over = arg;

	while (!*is_over)
		torc_yield();
	return 0;
}

static int
yield_pair(void *b)
{
	bool is_over = false;
	struct torc_task *task;
	int ret = torc_spawn(&task, yield_until, &is_over);

	if (ret < 0)
		return ret;
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++)
			torc_yield();
	is_over = true;
	return torc_join(task, NULL);
}
TORC_BENCH_TASK(yield_pair)

/*
 * Question      Is a task cheap enough to have one for each small thing?
 * Unit          One torc_spawn() of an empty task and its torc_join().
 * Change mind   100 ns: per-request tasks would then show in a proxy's
 *               profile, and a pool of workers be worth its code.
 */
static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
spawn_join(void *b)
{
	struct torc_task *task;
	int ret = 0;

	while (torc_bench_next(b)) {
		ret = torc_spawn(&task, do_nothing, NULL);
		if (ret < 0)
			break;
		ret = torc_join(task, NULL);
	}
	return ret;
}
TORC_BENCH_TASK(spawn_join)

/*
 * Question      The same when many are there at once, so that stacks are
 *               not the last used ones and the joiner waits for most.
 * Unit          One of `n` tasks that are spawned into a group and joined.
 * Change mind   Three times spawn_join at 4096: the pool's order, or the
 *               tops' colours, would then be wrong for the cache.
 */
static int
spawn_group(void *b)
{
	int64_t n = torc_bench_arg(b);
	struct torc_group group;
	int ret = 0;

	while (ret == 0 && torc_bench_next_many(b, n)) {
		torc_group_init(&group);
		for (int64_t i = 0; i < n && ret == 0; i++)
			ret = torc_group_spawn(&group, do_nothing, NULL);
		if (ret == 0)
			ret = torc_group_join(&group);
	}
	return ret;
}
TORC_BENCH_TASK_ARGS(spawn_group, 16, 256, 4096)
