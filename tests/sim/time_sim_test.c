/* SPDX-License-Identifier: MIT */
/*
 * Goal    Virtual time passes by itself for a program that only looks for
 *         something to do, and does not run away from one that works.
 * Method  Programs that do one thing again and again, on one to three shards:
 *         those that work have a deadline that a machine would keep a
 *         thousand times over, those that look have a number of steps.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "base/sanitizer_priv.h"
#include "tests/sim/support.h"
#include "tests/test.h"

/* There a task costs 50 us. */
#ifdef TORC__TSAN
#define TIMES 300
#else
#define TIMES 30000
#endif
#define TIMES_TAKE_AT_MOST (100 * TORC_MS)

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- what works ---- */

static int
spawn_and_join(void)
{
	struct torc_task *task;
	int ret = torc_spawn(&task, do_nothing, NULL);

	return ret < 0 ? ret : torc_join(task, NULL);
}

static int
spawn_and_yield(void)
{
	int ret = torc_spawn(NULL, do_nothing, NULL);

	return ret < 0 ? ret : torc_yield();
}

static int
spawn_any_and_yield(void)
{
	int ret = torc_spawn_any(do_nothing, NULL);

	return ret < 0 ? ret : torc_yield();
}

static int
call_any(void)
{
	return torc_call_any(do_nothing, NULL, NULL);
}

static struct torc_semaphore ping, pong;

/* Each waits for the other. */
static int
answer(void *arg)
{
	int ret;

	(void)arg;
	while ((ret = torc_semaphore_acquire(&ping, 1)) == 0)
		torc_semaphore_release(&pong, 1);
	return ret;
}

static int
ask(void)
{
	torc_semaphore_release(&ping, 1);
	return torc_semaphore_acquire(&pong, 1);
}

static int (*const works[])(void) = { spawn_and_join, spawn_and_yield,
	spawn_any_and_yield, call_any, ask };

static int
work(void *arg)
{
	int (*fn)(void) = works[*(unsigned *)arg];
	uint64_t began_ns = torc_sim_elapsed_ns();
	struct torc_task *other;
	int ret;

	torc_semaphore_init(&ping, 0);
	torc_semaphore_init(&pong, 0);
	ret = torc_spawn(&other, answer, NULL);
	for (unsigned i = 0; i < TIMES && ret == 0; i++)
		ret = fn();
	torc_cancel_join(other, NULL);
	torc_semaphore_fini(&ping);
	torc_semaphore_fini(&pong);
	if (ret == 0 && torc_sim_elapsed_ns() - began_ns > TIMES_TAKE_AT_MOST)
		ret = -ETIME;
	return ret;
}

static void
time_does_not_run_away_from_who_works(void **state)
{
	const unsigned count = sizeof(works) / sizeof(works[0]);
	struct torc_sim_options options = { 0 };

	(void)state;
	for (unsigned i = 0; i < count; i++)
		for (unsigned shards = 1; shards <= 3; shards++) {
			struct torc_options runtime = { .shards = shards };

			assert_int_equal(torc_sim_run(&options, &runtime, work,
						 &i, NULL),
				0);
		}
}

/* ---- what looks ---- */

static int
yield(struct torc_channel *channel)
{
	(void)channel;
	return torc_yield();
}

static int
try_recv(struct torc_channel *channel)
{
	int item, ret = torc_channel_try_recv(channel, &item);

	return ret == -EAGAIN ? torc_yield() : -EBADMSG;
}

/* A call that finds its value ready, and lets others run now and then. */
static int
await_what_is_ready(struct torc_channel *channel)
{
	int item = 1, ret = torc_channel_send(channel, &item);

	return ret < 0 ? ret : torc_channel_recv(channel, &item);
}

static int (*const looks[])(
	struct torc_channel *) = { yield, try_recv, await_what_is_ready };

static int
look_until_it_is_time(void *arg)
{
	int (*fn)(struct torc_channel *) = looks[*(unsigned *)arg];
	struct torc_channel *channel;
	int ret = torc_channel_create(&channel, sizeof(int), 1);

	if (ret < 0)
		return ret;
	while (ret == 0 && torc_sim_elapsed_ns() < 3600 * TORC_S)
		ret = fn(channel);
	torc_channel_release(channel);
	return ret;
}

static void
time_passes_for_who_only_looks(void **state)
{
	const unsigned count = sizeof(looks) / sizeof(looks[0]);
	struct torc_sim_options options = { 0 };
	struct torc_sim_result result;

	(void)state;
	for (unsigned i = 0; i < count; i++)
		for (unsigned shards = 1; shards <= 3; shards++) {
			struct torc_options runtime = { .shards = shards };

			assert_int_equal(
				torc_sim_run(&options, &runtime,
					look_until_it_is_time, &i, &result),
				0);
			assert_in_range(result.steps, 1, 2000);
		}
}

/* A sleeper beside it is woken when it asked for, not when a look ends. */
static int
sleep_beside_one_who_looks(void *arg)
{
	static unsigned first;
	struct torc_task *looker;
	int ret = torc_spawn(&looker, look_until_it_is_time, &first);

	(void)arg;
	for (unsigned i = 0; i < 1000 && ret == 0; i++)
		ret = torc_sleep(10 * TORC_MS);
	torc_cancel_join(looker, NULL);
	/* 10 s, and an eighth of each 10 ms at most. */
	if (ret == 0 && torc_sim_elapsed_ns() > 12 * TORC_S)
		ret = -ETIME;
	return ret;
}

static void
a_sleeper_is_not_overslept_by_who_looks(void **state)
{
	struct torc_sim_options options = { 0 };

	(void)state;
	assert_int_equal(torc_sim_run(&options, NULL,
				 sleep_beside_one_who_looks, NULL, NULL),
		0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_does_not_run_away_from_who_works),
		cmocka_unit_test(time_passes_for_who_only_looks),
		cmocka_unit_test(a_sleeper_is_not_overslept_by_who_looks),
	};

	return cmocka_run_group_tests_name("sim/time", tests, NULL, NULL);
}
