/* SPDX-License-Identifier: MIT */
/*
 * Goal    A sleep is never early, at most a tick late when nothing else runs,
 *         and leaves no timer behind when it is cancelled.
 * Method  Real tasks on a fake engine: its clock stands still while they run
 *         and jumps by exactly what the shard chose to wait.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)
#define TICK ((uint64_t)1 << TORC_TICK_BITS)

static const uint64_t spans[] = { 0, 1, TICK - 1, TICK, TICK + 1, TORC_MS,
	64 * TICK, 64 * TICK + 1, TORC_S, 7 * TORC_S + 12345, HOUR };

#define SPANS (sizeof(spans) / sizeof(spans[0]))

static int
sleep_all_spans(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < SPANS; i++) {
		uint64_t before = fake_elapsed_ns();

		assert_int_equal(torc_sleep(spans[i]), 0);
		assert_in_range(
			fake_elapsed_ns() - before, spans[i], spans[i] + TICK);
	}
	return 0;
}

static void
a_sleep_is_never_early_and_at_most_a_tick_late(void **state)
{
	fake_shard_run(*state, sleep_all_spans, NULL);
}

static int
sleep_after_long_work(void *arg)
{
	struct fake_shard *f = arg;
	uint64_t before;

	/* The turn's own clock knows nothing of this second. */
	fake_sleep_ns(&f->shard.ring, TORC_S);
	before = fake_elapsed_ns();
	assert_int_equal(torc_sleep(10 * TORC_MS), 0);
	assert_in_range(
		fake_elapsed_ns() - before, 10 * TORC_MS, 10 * TORC_MS + TICK);
	return 0;
}

static void
long_work_before_a_sleep_does_not_change_it(void **state)
{
	fake_shard_run(*state, sleep_after_long_work, *state);
}

static int
sleep_until_points(void *arg)
{
	struct fake_shard *f = arg;
	uint64_t now = f->fake->now_ns;

	assert_int_equal(torc_sleep_until(now + 5 * TORC_MS), 0);
	assert_in_range(
		f->fake->now_ns, now + 5 * TORC_MS, now + 5 * TORC_MS + TICK);
	now = f->fake->now_ns;
	assert_int_equal(torc_sleep_until(now - TORC_MS), 0);
	assert_int_equal(torc_sleep_until(0), 0);
	assert_true(f->fake->now_ns <= now + 2 * TICK);
	return 0;
}

static void
a_point_in_the_past_is_reached_at_once(void **state)
{
	fake_shard_run(*state, sleep_until_points, *state);
}

static int
watch_the_turns_clock(void *arg)
{
	struct fake_shard *f = arg;
	uint64_t before = torc_now_ns();

	assert_int_equal(before, f->fake->now_ns);
	/* One turn, one time, however long it takes. */
	fake_sleep_ns(&f->shard.ring, TORC_S);
	assert_int_equal(torc_now_ns(), before);
	assert_int_equal(torc_sleep_until(before + 2 * TORC_S), 0);
	assert_in_range(
		torc_now_ns(), before + 2 * TORC_S, before + 2 * TORC_S + TICK);
	return 0;
}

static void
now_is_the_time_of_this_turn(void **state)
{
	fake_shard_run(*state, watch_the_turns_clock, *state);
}

static int
ask_outside_a_shard(void)
{
	return torc_now_ns() != 0;
}

static void
outside_a_shard_there_is_no_now(void **state)
{
	(void)state;
	assert_says(
		last_words(ask_outside_a_shard), "torc_now_ns outside a shard");
}

static int
sleep_ms(void *arg)
{
	assert_int_equal(torc_sleep((uint64_t)(uintptr_t)arg * TORC_MS), 0);
	trace("%u", (unsigned)(uintptr_t)arg);
	return 0;
}

static int
sleep_together(void *arg)
{
	static const uintptr_t order[] = { 30, 10, 50, 20, 40, 10 };

	(void)arg;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			torc_spawn(NULL, sleep_ms, (void *)order[i]), 0);
	return 0;
}

static void
many_sleepers_wake_in_the_order_of_their_time(void **state)
{
	assert_trace(*state, sleep_together, NULL, "10 10 20 30 40 50");
}

/*
 * A thread sanitizer counts each task as a thread, and allows 8128; an audit
 * walks all timers at each turn.
 */
#if defined(TORC__TSAN) || TORC_CHECK >= 2
#define CROWD 2000
#else
#define CROWD 20000
#endif

static uint64_t woken_tick;

static int
sleep_in_the_crowd(void *when)
{
	uint64_t when_ns = *(uint64_t *)when;
	uint64_t tick = when_ns / TICK + (when_ns % TICK != 0);

	assert_int_equal(torc_sleep_until(when_ns), 0);
	assert_true(torc_now_ns() >= when_ns);
	/* Those of one tick in any order, but no tick before another. */
	assert_true(tick >= woken_tick);
	woken_tick = tick;
	return 0;
}

static int
fill_the_crowd(void *arg)
{
	static uint64_t when_ns[CROWD];
	uint64_t random = 88172645463325252u;

	(void)arg;
	woken_tick = 0;
	for (unsigned i = 0; i < CROWD; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		when_ns[i] = torc_now_ns() + TORC_S + (random >> 32) * 20;
		assert_int_equal(
			torc_spawn(NULL, sleep_in_the_crowd, &when_ns[i]), 0);
	}
	return 0;
}

static void
a_crowd_of_sleepers_wakes_in_the_order_of_its_times(void **state)
{
	fake_shard_run(*state, fill_the_crowd, NULL);
}

static int
cancel_a_started_sleep(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	torc_sleep_start(&sleep, HOUR);
	assert_false(torc_future_is_ready(&sleep.done));
	torc_future_cancel(&sleep.done);
	torc_future_cancel(&sleep.done);
	assert_true(torc_future_is_ready(&sleep.done));
	assert_int_equal(torc_await(&sleep.done), -ECANCELED);
	return 0;
}

static void
a_cancelled_sleep_is_ready_at_once(void **state)
{
	fake_shard_run(*state, cancel_a_started_sleep, NULL);

	assert_int_equal(fake_elapsed_ns(), 0);
}

static int
sleep_for_ever(void *arg)
{
	(void)arg;
	trace("%s", torc_sleep(UINT64_MAX) == -ECANCELED ? "canceled" : "?");
	trace("%s",
		torc_sleep_until(UINT64_MAX) == -ECANCELED ? "canceled" : "?");
	return 0;
}

static int
end_the_eternal_sleep(void *arg)
{
	struct torc_task *task;

	(void)arg;
	assert_int_equal(torc_spawn(&task, sleep_for_ever, NULL), 0);
	assert_int_equal(torc_sleep(24 * HOUR), 0);
	trace("day");
	torc_cancel_join(task, NULL);
	return 0;
}

static void
the_longest_sleep_lasts_until_it_is_cancelled(void **state)
{
	assert_trace(
		*state, end_the_eternal_sleep, NULL, "day canceled canceled");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_sleep_is_never_early_and_at_most_a_tick_late),
		WITH_SHARD(long_work_before_a_sleep_does_not_change_it),
		WITH_SHARD(a_point_in_the_past_is_reached_at_once),
		WITH_SHARD(now_is_the_time_of_this_turn),
		cmocka_unit_test(outside_a_shard_there_is_no_now),
		WITH_SHARD(many_sleepers_wake_in_the_order_of_their_time),
		WITH_SHARD(a_crowd_of_sleepers_wakes_in_the_order_of_its_times),
		WITH_SHARD(a_cancelled_sleep_is_ready_at_once),
		WITH_SHARD(the_longest_sleep_lasts_until_it_is_cancelled),
	};

	return cmocka_run_group_tests_name("core/sleep", tests, NULL, NULL);
}
