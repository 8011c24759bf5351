/* SPDX-License-Identifier: MIT */
/*
 * Goal    What a slot says at a given time, and the rates between two of them,
 *         are what the shard did: also while it sleeps, right after it has
 *         woken, when it no longer turns, and when the numbers lie.
 * Method  Slots and times by hand.
 */
#include "tests/test.h"
#include "top/rate.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static void
a_sleeper_has_slept_until_now(void **state)
{
	const struct slot slot = { .told_ns = 10 * S,
		.metrics = { .waited_ns = 4 * S, .asleep_ns = 3 * S } };
	struct reading reading = reading_of(&slot, 15 * S);

	(void)state;
	assert_true(reading.is_asleep);
	assert_int_equal(reading.at_ns, 15 * S);
	assert_int_equal(reading.metrics.waited_ns, 9 * S);
	assert_int_equal(reading.metrics.asleep_ns, 8 * S);
	assert_int_equal(reading.stuck_ns, 0);
}

static void
who_has_woken_slept_until_then(void **state)
{
	const struct slot slot = { .told_ns = 10 * S,
		.awake_since_ns = 14 * S,
		.metrics = { .waited_ns = 4 * S, .asleep_ns = 3 * S } };
	struct reading reading = reading_of(&slot, 14 * S + 50 * MS);

	(void)state;
	assert_false(reading.is_asleep);
	assert_int_equal(reading.at_ns, 14 * S);
	assert_int_equal(reading.metrics.waited_ns, 8 * S);
	assert_int_equal(reading.metrics.asleep_ns, 7 * S);
	assert_int_equal(reading.stuck_ns, 0);
}

static void
who_has_told_since_it_woke_is_taken_at_its_word(void **state)
{
	const struct slot slot = { .told_ns = 14 * S,
		.awake_since_ns = 13 * S,
		.metrics = { .waited_ns = 4 * S } };
	struct reading reading = reading_of(&slot, 14 * S + 99 * MS);

	(void)state;
	assert_int_equal(reading.at_ns, 14 * S);
	assert_int_equal(reading.metrics.waited_ns, 4 * S);
	assert_int_equal(reading.stuck_ns, 0);
}

static void
who_is_awake_and_silent_does_not_turn(void **state)
{
	const struct slot slot = { .told_ns = 14 * S,
		.awake_since_ns = 13 * S,
		.metrics = { .waited_ns = 4 * S } };
	struct reading before = reading_of(&slot, 14 * S + 499 * MS);
	struct reading reading = reading_of(&slot, 14 * S + 500 * MS);
	struct rates rates = { 0 };

	(void)state;
	assert_int_equal(before.stuck_ns, 0);
	assert_int_equal(reading.stuck_ns, 500 * MS);
	assert_int_equal(reading.at_ns, 14 * S + 500 * MS);
	rates_between(&rates, &before, &reading);
	assert_true(rates.busy == 1 && rates.turns == 0);
}

static void
nothing_told_is_nothing(void **state)
{
	const struct slot slot = { 0 };
	struct reading began = { .at_ns = 10 * S };
	struct reading reading = reading_of(&slot, 15 * S);
	struct rates rates = { 0 };

	(void)state;
	assert_int_equal(reading.at_ns, 0);
	assert_int_equal(reading.stuck_ns, 0);
	rates_between(&rates, &began, &reading);
	assert_true(rates.seconds == 0);
}

static void
rates_are_per_second_and_shares_make_one(void **state)
{
	const struct reading before = { .at_ns = 10 * S,
		.metrics = { .turns = 100, .cqes_count = 7 } };
	const struct reading after = { .at_ns = 14 * S,
		.metrics = { .turns = 500,
			.waited_ns = 3 * S,
			.asleep_ns = 2 * S,
			.sleeps_count = 8,
			.enters_count = 40,
			.sqes_count = 44,
			.cqes_count = 87,
			.messages_count = 4,
			.spawned_count = 12,
			.buffers_lack_count = 16 } };
	struct rates rates;

	(void)state;
	rates_between(&rates, &before, &after);
	assert_true(rates.seconds == 4 && rates.busy == 0.25);
	assert_true(rates.asleep == 0.5 && rates.looking == 0.25);
	assert_true(rates.turns == 100 && rates.sleeps == 2);
	assert_true(rates.enters == 10 && rates.sqes == 11);
	assert_true(rates.cqes == 20 && rates.messages == 1);
	assert_true(rates.spawned == 3 && rates.buffers_lack == 4);
}

static void
numbers_that_lie_stay_within_bounds(void **state)
{
	const struct reading before = { .at_ns = 10 * S,
		.metrics = { .turns = 100 } };
	const struct reading after = { .at_ns = 11 * S,
		.metrics = {
			.waited_ns = UINT64_MAX, .asleep_ns = UINT64_MAX } };
	struct rates rates;

	(void)state;
	rates_between(&rates, &before, &after);
	assert_true(rates.turns == 0);
	assert_true(rates.busy == 0 && rates.asleep == 1);
	assert_true(rates.looking == 0);
	rates_between(&rates, &after, &before);
	assert_true(rates.seconds == 1 && rates.asleep == 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sleeper_has_slept_until_now),
		cmocka_unit_test(who_has_woken_slept_until_then),
		cmocka_unit_test(
			who_has_told_since_it_woke_is_taken_at_its_word),
		cmocka_unit_test(who_is_awake_and_silent_does_not_turn),
		cmocka_unit_test(nothing_told_is_nothing),
		cmocka_unit_test(rates_are_per_second_and_shares_make_one),
		cmocka_unit_test(numbers_that_lie_stay_within_bounds),
	};

	return cmocka_run_group_tests_name("top/rate", tests, NULL, NULL);
}
