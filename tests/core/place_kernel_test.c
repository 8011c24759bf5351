/* SPDX-License-Identifier: MIT */
/*
 * Goal    A task that any shard may run is run by one of them, once, and by
 *         one that is free if there is one, however the others are busy; none
 *         is forgotten on a shelf, and none moves once it has begun.
 * Method  The real kernel. A hog keeps its shard from turning until all that
 *         it has put on shelves is done, which only another shard can do: what
 *         is forgotten hangs, and the alarm ends it.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/core/io/fixture.h"
#include "tests/support/failing_alloc.h"

#define SHARDS_MAX 4

static atomic_uint ran_count, canceled_count;
static atomic_uint ran_by[SHARDS_MAX];

static _Atomic uint64_t draws;

/* As random_u64(), from any shard. */
static uint64_t
draw(uint64_t count)
{
	uint64_t z = atomic_fetch_add(&draws, UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % count;
}

static int
set_up(void **state)
{
	(void)state;
	draws = random_u64();
	ran_count = 0;
	canceled_count = 0;
	for (int i = 0; i < SHARDS_MAX; i++)
		ran_by[i] = 0;
	return 0;
}

static int
note_shard(void *arg)
{
	atomic_fetch_add(&ran_by[torc_shard_index()], 1);
	atomic_fetch_add(&ran_count, 1);
	return (int)(intptr_t)arg;
}

static void
spawn_any(unsigned count)
{
	while (count-- > 0)
		must_be(torc_spawn_any(note_shard, NULL), 0);
}

/* Only looks: its shard does nothing else meanwhile. */
static void
hog_until(unsigned count)
{
	while (atomic_load(&ran_count) < count)
		continue;
}

static int
each_task_runs_once(void *unused)
{
	(void)unused;
	spawn_any(1000);
	wait_until(atomic_load(&ran_count) == 1000);
	must_be(torc_sleep(TORC_MS), 0);
	must_be(atomic_load(&ran_count), 1000);
	return 0;
}

static int
what_a_busy_shard_does_not_get_to_an_idle_one_takes(void *unused)
{
	(void)unused;
	for (unsigned i = 1; i <= 20; i++) {
		spawn_any(50);
		hog_until(50 * i);
	}
	must_be(atomic_load(&ran_by[0]), 0);
	return 0;
}

/* The other shard is just falling asleep, or just awake, or long asleep. */
static int
no_wake_is_lost_as_a_shard_falls_asleep(void *unused)
{
	unsigned count = 0;

	(void)unused;
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t pause_ns = draw(40 * TORC_US);
		uint64_t until_ns = torc_clock_ns() + pause_ns;
		unsigned more = 1 + (unsigned)draw(3);

		while (torc_clock_ns() < until_ns)
			continue;
		count += more;
		spawn_any(more);
		hog_until(count);
	}
	must_be(atomic_load(&ran_by[0]), 0);
	return 0;
}

static int
hog_one_shard(void *arg)
{
	(void)arg;
	if (torc_shard_index() == 1)
		hog_until(200);
	return 0;
}

static int
spawn_while_another_hogs(void *arg)
{
	(void)arg;
	if (torc_shard_index() == 0) {
		must_be(torc_sleep(TORC_MS), 0);
		spawn_any(200);
	}
	return hog_one_shard(NULL);
}

static int
nothing_waits_for_a_shard_that_hogs(void *unused)
{
	(void)unused;
	must_be(torc_run_on_shards(spawn_while_another_hogs, NULL), 0);
	must_be(atomic_load(&ran_by[1]), 0);
	return 0;
}

static int
stay(void *arg)
{
	unsigned index = torc_shard_index();

	(void)arg;
	for (int i = 0; i < 20; i++) {
		must_be(i % 2 ? torc_yield() : torc_sleep(draw(1000)), 0);
		must_be(torc_shard_index(), index);
	}
	return note_shard(NULL);
}

static int
a_task_stays_where_it_began(void *unused)
{
	(void)unused;
	for (int i = 0; i < 200; i++)
		must_be(torc_spawn_any(stay, NULL), 0);
	wait_until(atomic_load(&ran_count) == 200);
	return 0;
}

/* Of one shard, so that nobody else can begin it. */
static unsigned order[100];

static int
note_order(void *arg)
{
	order[atomic_fetch_add(&ran_count, 1)] = (unsigned)(uintptr_t)arg;
	return 0;
}

static int
yield_for_ever(void *arg)
{
	(void)arg;
	while (torc_yield() == 0)
		continue;
	return 0;
}

static int
a_shelf_is_first_in_first_out_and_gets_its_turn(void *unused)
{
	struct torc_task *greedy[10];

	(void)unused;
	for (int i = 0; i < 10; i++)
		must_be(torc_spawn(&greedy[i], yield_for_ever, NULL), 0);
	for (uintptr_t i = 0; i < 100; i++)
		must_be(torc_spawn_any(note_order, (void *)i), 0);
	wait_until(atomic_load(&ran_count) == 100);
	for (unsigned i = 0; i < 100; i++)
		must_be(order[i], i);
	for (int i = 0; i < 10; i++)
		torc_cancel_join(greedy[i], NULL);
	return 0;
}

static int
a_call_brings_its_result_back(void *unused)
{
	struct torc_call calls[50];
	int result;

	(void)unused;
	for (intptr_t i = 0; i < 50; i++) {
		must_be(torc_call_any(note_shard, (void *)i, &result), 0);
		must_be(result, i);
	}
	for (intptr_t i = 0; i < 50; i++)
		torc_call_any_start(&calls[i], note_shard, (void *)i);
	for (intptr_t i = 0; i < 50; i++) {
		must_be(torc_await(&calls[i].done), 0);
		must_be(calls[i].result, i);
	}
	must_be(atomic_load(&ran_count), 100);
	return 0;
}

static int
a_call_that_has_not_begun_never_does_once_cancelled(void *unused)
{
	struct torc_call call;

	(void)unused;
	torc_call_any_start(&call, note_shard, NULL);
	torc_future_cancel(&call.done);
	torc_future_cancel(&call.done);
	must(torc_future_is_ready(&call.done));
	must_be(torc_await(&call.done), -ECANCELED);
	must_be(torc_sleep(TORC_MS), 0);
	must_be(atomic_load(&ran_count), 0);
	return 0;
}

static int
sleep_long(void *arg)
{
	int ret;

	atomic_fetch_add(&ran_count, 1);
	ret = torc_sleep((uintptr_t)arg);
	if (ret == -ECANCELED)
		atomic_fetch_add(&canceled_count, 1);
	return ret;
}

static int
a_call_that_has_begun_is_cancelled_and_waited_for(void *unused)
{
	struct torc_deadline deadline;
	struct torc_call calls[8];
	int result = 1;

	(void)unused;
	torc_deadline_begin(&deadline, 2 * TORC_MS);
	must_be(torc_call_any(sleep_long, (void *)(3600 * TORC_S), &result),
		-ETIMEDOUT);
	torc_deadline_end(&deadline);
	must_be(result, -ECANCELED);
	must_be(torc_call_any(sleep_long, (void *)0, &result), 0);
	must_be(result, 0);
	for (int i = 0; i < 8; i++)
		torc_call_any_start(
			&calls[i], sleep_long, (void *)(3600 * TORC_S));
	wait_until(atomic_load(&ran_count) == 10);
	for (int i = 0; i < 8; i++)
		torc_future_cancel(&calls[i].done);
	for (int i = 0; i < 8; i++)
		must_be(torc_await(&calls[i].done), -ECANCELED);
	must_be(atomic_load(&canceled_count), 9);
	return 0;
}

static int
call_when_cancelled(void *arg)
{
	(void)arg;
	must_be(torc_call_any(note_shard, NULL, NULL), -ECANCELED);
	return 0;
}

static int
a_cancelled_task_calls_nobody(void *unused)
{
	struct torc_task *task;

	(void)unused;
	must_be(torc_spawn(&task, call_when_cancelled, NULL), 0);
	torc_cancel_join(task, NULL);
	must_be(atomic_load(&ran_count), 0);
	return 0;
}

/* Each ran, or its value says that it did not. */
static int
call_and_cancel_at_random(void *arg)
{
	enum { COUNT = 64 };
	struct torc_call calls[COUNT];
	unsigned done = 0;

	for (int i = 0; i < COUNT; i++) {
		torc_call_any_start(&calls[i], note_shard, NULL);
		if (draw(4) == 0)
			must_be(torc_yield(), 0);
		torc_future_cancel(&calls[draw((uint64_t)i + 1)].done);
	}
	for (int i = 0; i < COUNT; i++) {
		int64_t value = torc_await(&calls[i].done);

		must(value == 0 || value == -ECANCELED);
		done += value == 0;
	}
	atomic_fetch_add((atomic_uint *)arg, done);
	return 0;
}

static int
storm_once(void *arg)
{
	for (int i = 0; i < 20; i++)
		must_be(call_and_cancel_at_random(arg), 0);
	return 0;
}

static int
a_storm_of_cancels_leaves_no_doubt_what_ran(void *unused)
{
	static atomic_uint done;

	(void)unused;
	done = 0;
	must_be(torc_run_on_shards(storm_once, &done), 0);
	must_be(atomic_load(&ran_count), atomic_load(&done));
	return 0;
}

static int
without_memory_it_says_so(void *unused)
{
	int ret;

	(void)unused;
	alloc_fail_all(true);
	ret = torc_spawn_any(note_shard, NULL);
	alloc_fail_all(false);
	must_be(ret, -ENOMEM);
	must_be(torc_spawn_any(note_shard, NULL), 0);
	wait_until(atomic_load(&ran_count) == 1);
	return 0;
}

static void *
spawn_from_outside(void *arg)
{
	(void)arg;
	spawn_any(500);
	return NULL;
}

static int
a_thread_that_torc_did_not_make_may_spawn(void *unused)
{
	pthread_t thread;

	(void)unused;
	must_be(pthread_create(&thread, NULL, spawn_from_outside, NULL), 0);
	wait_until(atomic_load(&ran_count) == 500);
	pthread_join(thread, NULL);
	return 0;
}

static void
outside_of_a_runtime_there_is_no_shard(void **state)
{
	(void)state;
	must_be(torc_spawn_any(note_shard, NULL), -ESHUTDOWN);
	must_be(atomic_load(&ran_count), 0);
}

static int
leave_them_on_shelves(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++)
		must_be(torc_spawn_any(sleep_long, (void *)(3600 * TORC_S)), 0);
	return 6;
}

static void
what_is_left_on_a_shelf_begins_cancelled(void **state)
{
	(void)state;
	for (unsigned shards = 1; shards <= SHARDS_MAX; shards++) {
		struct torc_options options = { .shards = shards };

		set_up(state);
		alarm(CASE_SECONDS_MAX);
		must_be(torc_run(&options, leave_them_on_shelves, NULL), 6);
		alarm(0);
		must_be(atomic_load(&ran_count), 300);
		must_be(atomic_load(&canceled_count), 300);
	}
}

#define SHARDS(fn_, count)                                                 \
	{                                                                  \
		.name = #fn_, .test_func = run_case, .setup_func = set_up, \
		.initial_state = &(struct torc_case)                       \
		{                                                          \
			.fn = fn_, .options = {                            \
				.shards = count,                           \
				.spin_ns = TORC_SPIN_NEVER,                \
				.stall_ns = TORC_STALL_NEVER,              \
			}                                                  \
		}                                                          \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARDS(each_task_runs_once, 1),
		SHARDS(each_task_runs_once, 4),
		SHARDS(what_a_busy_shard_does_not_get_to_an_idle_one_takes, 2),
		SHARDS(what_a_busy_shard_does_not_get_to_an_idle_one_takes, 4),
		SHARDS(no_wake_is_lost_as_a_shard_falls_asleep, 2),
		SHARDS(nothing_waits_for_a_shard_that_hogs, 2),
		SHARDS(a_task_stays_where_it_began, 3),
		SHARDS(a_shelf_is_first_in_first_out_and_gets_its_turn, 1),
		SHARDS(a_call_brings_its_result_back, 3),
		SHARDS(a_call_that_has_not_begun_never_does_once_cancelled, 1),
		SHARDS(a_call_that_has_begun_is_cancelled_and_waited_for, 3),
		SHARDS(a_cancelled_task_calls_nobody, 2),
		SHARDS(a_storm_of_cancels_leaves_no_doubt_what_ran, 3),
		SHARDS(without_memory_it_says_so, 1),
		SHARDS(a_thread_that_torc_did_not_make_may_spawn, 2),
		cmocka_unit_test_setup(
			outside_of_a_runtime_there_is_no_shard, set_up),
		cmocka_unit_test_setup(
			what_is_left_on_a_shelf_begins_cancelled, set_up),
	};

	return cmocka_run_group_tests_name("core/place", tests, NULL, NULL);
}
