/* SPDX-License-Identifier: MIT */
/*
 * Goal    Ticks come when they are due, and after a late one exactly as the
 *         ticker was told: nothing drifts, none is lost to a cancel.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait
 *         or a test says so: each tick is written down as due@came, in ms.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>
#include <torc/core/ticker.h>
#include <torc/test/sim.h>

#define PERIOD (10 * TORC_MS)
#define TICK ((uint64_t)1 << TORC_TICK_BITS)

struct fixture {
	struct fake_shard shard;
	struct torc_ticker ticker;
	uint64_t begin_ns;
};

static struct fixture f;

static int
set_up(void **state)
{
	fake_shard_open(&f.shard);
	f.begin_ns = f.shard.fake->now_ns;
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fake_shard_close(&f.shard);
	return 0;
}

/* A long computation. */
static void
work(uint64_t span_ns)
{
	fake_sleep_ns(&f.shard.shard.ring, span_ns);
}

static void
note_tick(void)
{
	trace("%u@%u", (unsigned)((f.ticker.due_ns - f.begin_ns) / TORC_MS),
		(unsigned)(fake_elapsed_ns() / TORC_MS));
}

static void
next(unsigned count)
{
	for (; count > 0; count--) {
		assert_int_equal(torc_ticker_next(&f.ticker), 0);
		note_tick();
	}
}

static int
tick_in_time(void *arg)
{
	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	next(2);
	work(7 * TORC_MS);
	next(2);
	return 0;
}

static void
the_first_tick_comes_at_once_the_others_a_period_apart(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, tick_in_time, NULL);

	assert_string_equal(f.shard.trace, "0@0 10@10 20@20 30@30");
}

/* Comes back for the second tick at 35, as in the header. */
static int
be_late(void *late)
{
	torc_ticker_init(&f.ticker, PERIOD, *(enum torc_ticker_late *)late);
	next(1);
	work(35 * TORC_MS);
	next(5);
	return 0;
}

static void
late_ticks_follow_as_the_header_draws_it(void **state)
{
	static const struct {
		enum torc_ticker_late late;
		const char *expected;
	} rows[] = {
		{ TORC_TICKER_BURST, "0@0 10@35 20@35 30@35 40@40 50@50" },
		{ TORC_TICKER_DELAY, "0@0 10@35 45@45 55@55 65@65 75@75" },
		{ TORC_TICKER_SKIP, "0@0 10@35 40@40 50@50 60@60 70@70" },
	};

	for (unsigned i = 0; i < 3; i++) {
		enum torc_ticker_late late = rows[i].late;

		tear_down(state);
		set_up(state);
		fake_shard_run(&f.shard, be_late, &late);
		assert_string_equal(f.shard.trace, rows[i].expected);
	}
}

/* Its turn began at 12, when the second tick was due but hardly late. */
static int
be_late_within_a_turn(void *late)
{
	torc_ticker_init(&f.ticker, PERIOD, *(enum torc_ticker_late *)late);
	next(1);
	assert_int_equal(torc_sleep(12 * TORC_MS), 0);
	work(23 * TORC_MS);
	next(3);
	return 0;
}

static int
compute_in_two_turns(void *arg)
{
	(void)arg;
	assert_int_equal(torc_sleep(9 * TORC_MS), 0);
	work(2 * TORC_MS);
	assert_int_equal(torc_yield(), 0);
	work(24 * TORC_MS);
	return 0;
}

/* Its timer fires in a turn that began at 11, after the other computed. */
static int
be_late_behind_another(void *late)
{
	struct torc_task *other = fake_shard_spawn(compute_in_two_turns, NULL);

	torc_ticker_init(&f.ticker, PERIOD, *(enum torc_ticker_late *)late);
	next(4);
	return torc_join(other, NULL);
}

static void
how_late_a_tick_is_the_turns_old_clock_does_not_say(void **state)
{
	static const struct {
		enum torc_ticker_late late;
		const char *expected;
	} rows[] = {
		{ TORC_TICKER_BURST, "0@0 10@35 20@35 30@35" },
		{ TORC_TICKER_DELAY, "0@0 10@35 45@45 55@55" },
		{ TORC_TICKER_SKIP, "0@0 10@35 40@40 50@50" },
	};
	static torc_task_fn *const fns[] = { be_late_within_a_turn,
		be_late_behind_another };

	for (unsigned i = 0; i < 6; i++) {
		enum torc_ticker_late late = rows[i / 2].late;

		tear_down(state);
		set_up(state);
		fake_shard_run(&f.shard, fns[i % 2], &late);
		assert_string_equal(f.shard.trace, rows[i / 2].expected);
	}
}

/* A whole number of periods late: that tick has not been missed. */
static int
be_late_by_whole_periods(void *late)
{
	torc_ticker_init(&f.ticker, PERIOD, *(enum torc_ticker_late *)late);
	next(1);
	work(30 * TORC_MS);
	next(2);
	return 0;
}

static void
on_the_beat_the_next_is_a_whole_period_away(void **state)
{
	enum torc_ticker_late late = TORC_TICKER_SKIP;

	(void)state;
	fake_shard_run(&f.shard, be_late_by_whole_periods, &late);

	assert_string_equal(f.shard.trace, "0@0 10@30 40@40");
}

/* Each is late by what a timer may be; the sum of them would show. */
static int
tick_a_thousand_times(void *late)
{
	uint64_t due_ns;

	torc_ticker_init(&f.ticker, PERIOD, *(enum torc_ticker_late *)late);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(torc_ticker_next(&f.ticker), 0);
	due_ns = f.ticker.due_ns - f.begin_ns;
	assert_int_equal(due_ns, 999 * PERIOD);
	assert_in_range(fake_elapsed_ns(), due_ns, due_ns + TICK);
	return 0;
}

static void
the_grain_of_timers_adds_up_to_no_drift(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		enum torc_ticker_late late = (enum torc_ticker_late)i;

		tear_down(state);
		set_up(state);
		fake_shard_run(&f.shard, tick_a_thousand_times, &late);
	}
}

/* DELAY: up to the bound the beat stays, past it the next one moves. */
static int
be_late_by(void *span_ns)
{
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_DELAY);
	next(1);
	work(PERIOD + *(uint64_t *)span_ns);
	next(1);
	next(1);
	return 0;
}

static void
delay_moves_the_beat_only_past_its_bound(void **state)
{
	uint64_t within_ns = TORC_MS, past_ns = TORC_MS + 1;

	fake_shard_run(&f.shard, be_late_by, &within_ns);
	assert_string_equal(f.shard.trace, "0@0 10@11 20@20");
	tear_down(state);
	set_up(state);
	fake_shard_run(&f.shard, be_late_by, &past_ns);
	assert_string_equal(f.shard.trace, "0@0 10@11 21@21");
}

static int
lose_a_select(void *arg)
{
	struct torc_sleep sleep;
	struct torc_future *both[] = { &f.ticker.done, &sleep.done };

	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_SKIP);
	next(1);
	torc_ticker_next_start(&f.ticker);
	torc_sleep_start(&sleep, 5 * TORC_MS);
	assert_int_equal(torc_select(both, 2), 1);
	assert_int_equal(f.ticker.done.value, -ECANCELED);
	next(2);
	return 0;
}

static void
a_tick_that_was_cancelled_by_a_select_is_due_still(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, lose_a_select, NULL);

	assert_string_equal(f.shard.trace, "0@0 10@10 20@20");
}

/* Ready as soon as it begins, and behind a future that is ready, too. */
static int
lose_a_select_when_it_is_due(void *arg)
{
	struct torc_future other;
	struct torc_future *both[] = { &other, &f.ticker.done };

	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	next(1);
	work(25 * TORC_MS);
	torc_future_init(&other, NULL, NULL);
	torc_future_complete(&other, 0);
	torc_ticker_next_start(&f.ticker);
	assert_int_equal(torc_select(both, 2), 0);
	assert_int_equal(f.ticker.done.value, 0);
	next(2);
	return 0;
}

static void
a_tick_that_was_ready_was_had_though_it_lost_a_select(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, lose_a_select_when_it_is_due, NULL);

	assert_string_equal(f.shard.trace, "0@0 20@25 30@30");
}

static int
time_out(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	torc_deadline_begin(&scope, 15 * TORC_MS);
	next(2);
	assert_int_equal(torc_ticker_next(&f.ticker), -ETIMEDOUT);
	/* It is due by now, and the task interrupted all the same. */
	work(10 * TORC_MS);
	assert_int_equal(torc_ticker_next(&f.ticker), -ETIMEDOUT);
	torc_deadline_end(&scope);
	next(1);
	return 0;
}

static void
an_interrupted_wait_leaves_the_tick_due(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, time_out, NULL);

	assert_string_equal(f.shard.trace, "0@0 10@10 20@25");
}

static int
reset_between(void *arg)
{
	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	next(1);
	assert_int_equal(torc_sleep(25 * TORC_MS), 0);
	torc_ticker_reset(&f.ticker);
	next(2);
	torc_ticker_reset_at(&f.ticker, f.begin_ns + 50 * TORC_MS);
	next(2);
	return 0;
}

static void
a_reset_forgets_what_was_due(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, reset_between, NULL);

	assert_string_equal(f.shard.trace, "0@0 35@35 45@45 50@50 60@60");
}

static int
wait_for_one(void *arg)
{
	(void)arg;
	next(1);
	return 0;
}

static int
reset_under_way(void *arg)
{
	struct torc_task *task;

	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	next(1);
	task = fake_shard_spawn(wait_for_one, NULL);
	assert_int_equal(torc_sleep(5 * TORC_MS), 0);
	torc_ticker_reset(&f.ticker);
	return torc_join(task, NULL);
}

static void
a_reset_moves_a_wait_that_is_under_way(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, reset_under_way, NULL);

	assert_string_equal(f.shard.trace, "0@0 15@15");
}

static int
tick_at_the_end_of_time(void *arg)
{
	(void)arg;
	torc_ticker_init_at(&f.ticker, f.begin_ns + 5 * TORC_MS, UINT64_MAX,
		TORC_TICKER_SKIP);
	next(1);
	assert_int_equal(f.ticker._next_ns, UINT64_MAX);
	torc_ticker_next_start(&f.ticker);
	torc_future_cancel(&f.ticker.done);
	return 0;
}

static void
a_period_that_has_no_end_ticks_once(void **state)
{
	(void)state;
	fake_shard_run(&f.shard, tick_at_the_end_of_time, NULL);

	assert_string_equal(f.shard.trace, "5@5");
}

static int
count_polite_turns(void *arg)
{
	unsigned *turns = arg;

	for (unsigned i = 0; i < 10; i++, ++*turns)
		assert_int_equal(torc_yield(), 0);
	return 0;
}

static int
burst_for_long(void *arg)
{
	unsigned *turns = arg;
	struct torc_task *task = fake_shard_spawn(count_polite_turns, turns);

	torc_ticker_init(&f.ticker, 1, TORC_TICKER_BURST);
	work(TORC_MS);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(torc_ticker_next(&f.ticker), 0);
	/* It yielded 1000 / 128 times; the first time the other one began. */
	assert_int_equal(*turns, 6);
	return torc_join(task, NULL);
}

static void
a_long_burst_lets_others_run(void **state)
{
	unsigned turns = 0;

	(void)state;
	fake_shard_run(&f.shard, burst_for_long, &turns);
}

/* Under every fault there is, time is the simulation's and no tick early. */
static int
tick_in_a_simulation(void *arg)
{
	struct torc_ticker ticker;

	(void)arg;
	torc_ticker_init(
		&ticker, 1 + torc_sim_random(TORC_S), TORC_TICKER_SKIP);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t due_ns = ticker._next_ns;
		int ret = torc_sleep(torc_sim_random(3 * TORC_S));

		if (ret == 0)
			ret = torc_ticker_next(&ticker);
		if (ret < 0)
			return ret;
		if (ticker.due_ns != due_ns || torc_now_ns() < due_ns)
			return -EPROTO;
	}
	return 0;
}

static void
simulated_ticks_are_never_early(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, 50,
				 tick_in_a_simulation, NULL, NULL),
		0);
}

static int
wait_twice(void *arg)
{
	(void)arg;
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	next(1);
	torc_ticker_next_start(&f.ticker);
	torc_ticker_next_start(&f.ticker);
	return 0;
}

static int
wait_twice_at_once(void)
{
	fake_shard_open(&f.shard);
	return fake_shard_run(&f.shard, wait_twice, NULL);
}

static int
init_without_a_period(void)
{
	torc_ticker_init_at(&f.ticker, 0, 0, TORC_TICKER_BURST);
	return 0;
}

static int
init_outside_a_shard(void)
{
	torc_ticker_init(&f.ticker, PERIOD, TORC_TICKER_BURST);
	return 0;
}

static void
a_mistake_ends_the_process_and_is_named(void **state)
{
	static const struct mistake_row rows[] = {
		{ wait_twice_at_once, "somebody waits for this ticker" },
		{ init_without_a_period, "a period of 0" },
		{ init_outside_a_shard, "outside a task" },
	};

	(void)state;
	assert_mistakes(rows);
}

#define WITH_TICKER(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TICKER(
			the_first_tick_comes_at_once_the_others_a_period_apart),
		WITH_TICKER(late_ticks_follow_as_the_header_draws_it),
		WITH_TICKER(
			how_late_a_tick_is_the_turns_old_clock_does_not_say),
		WITH_TICKER(on_the_beat_the_next_is_a_whole_period_away),
		WITH_TICKER(the_grain_of_timers_adds_up_to_no_drift),
		WITH_TICKER(delay_moves_the_beat_only_past_its_bound),
		WITH_TICKER(a_tick_that_was_cancelled_by_a_select_is_due_still),
		WITH_TICKER(
			a_tick_that_was_ready_was_had_though_it_lost_a_select),
		WITH_TICKER(an_interrupted_wait_leaves_the_tick_due),
		WITH_TICKER(a_reset_forgets_what_was_due),
		WITH_TICKER(a_reset_moves_a_wait_that_is_under_way),
		WITH_TICKER(a_period_that_has_no_end_ticks_once),
		WITH_TICKER(a_long_burst_lets_others_run),
		cmocka_unit_test(simulated_ticks_are_never_early),
		cmocka_unit_test(a_mistake_ends_the_process_and_is_named),
	};

	return cmocka_run_group_tests_name("core/ticker", tests, NULL, NULL);
}
