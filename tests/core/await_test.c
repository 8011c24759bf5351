/* SPDX-License-Identifier: MIT */
/*
 * Goal    A deadline bounds every await in its scope and nothing outside it;
 *         a select leaves no future behind; nobody who always finds data
 *         ready keeps the others waiting.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait:
 *         the test knows to the tick when something must happen.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)
#define TICK ((uint64_t)1 << TORC_TICK_BITS)

/* ---- deadlines ---- */

static int
sleep_past_a_deadline(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	assert_int_equal(torc_sleep(HOUR), -ETIMEDOUT);
	assert_in_range(fake_elapsed_ns(), 10 * TORC_MS, 10 * TORC_MS + TICK);
	trace_outcome(torc_sleep(HOUR));
	trace_outcome(torc_yield());
	trace_outcome(torc_interrupted());
	torc_deadline_end(&scope);
	trace_outcome(torc_interrupted());
	trace_outcome(torc_sleep(TORC_MS));
	return 0;
}

static void
a_deadline_ends_all_awaits_of_its_scope_only(void **state)
{
	assert_trace(*state, sleep_past_a_deadline, NULL,
		"timeout@10 timeout@10 timeout@10 ok@10 ok@11");
}

static int
nest_a_longer_scope(void *arg)
{
	struct torc_deadline outer, inner;

	(void)arg;
	torc_deadline_begin(&outer, 10 * TORC_MS);
	torc_deadline_begin(&inner, 20 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&inner);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&outer);
	trace_outcome(torc_sleep(TORC_MS));
	return 0;
}

static void
an_inner_scope_cannot_lengthen_the_outer(void **state)
{
	assert_trace(*state, nest_a_longer_scope, NULL,
		"timeout@10 timeout@10 ok@11");
}

static int
nest_a_shorter_scope(void *arg)
{
	struct torc_deadline outer, inner;

	(void)arg;
	torc_deadline_begin(&outer, 20 * TORC_MS);
	torc_deadline_begin(&inner, 10 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&inner);
	trace_outcome(torc_sleep(5 * TORC_MS));
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&outer);
	trace_outcome(torc_sleep(TORC_MS));
	return 0;
}

static void
the_outer_scope_is_back_when_the_inner_ends(void **state)
{
	assert_trace(*state, nest_a_shorter_scope, NULL,
		"timeout@10 ok@15 timeout@20 ok@21");
}

static int
pass_both_deadlines_at_once(void *arg)
{
	struct torc_deadline outer, inner;

	torc_deadline_begin(&outer, 20 * TORC_MS);
	torc_deadline_begin(&inner, 10 * TORC_MS);
	/* A long computation: nobody awaits as the time goes by. */
	fake_sleep_ns(&((struct fake_shard *)arg)->shard.ring, 30 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&inner);
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&outer);
	trace_outcome(torc_sleep(TORC_MS));
	return 0;
}

static void
an_outer_deadline_that_passed_meanwhile_still_counts(void **state)
{
	assert_trace(*state, pass_both_deadlines_at_once, *state,
		"timeout@30 timeout@30 ok@31");
}

static int
leave_before_the_deadline(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	trace_outcome(torc_sleep(5 * TORC_MS));
	torc_deadline_end(&scope);
	trace_outcome(torc_sleep(50 * TORC_MS));
	return 0;
}

static void
a_scope_that_was_left_in_time_does_nothing(void **state)
{
	assert_trace(*state, leave_before_the_deadline, NULL, "ok@5 ok@55");
}

static int
set_odd_deadlines(void *arg)
{
	static const uint64_t spans[] = { 0, 1, UINT64_MAX - 1, UINT64_MAX };

	(void)arg;
	for (unsigned i = 0; i < 4; i++) {
		struct torc_deadline scope;

		torc_deadline_begin(&scope, spans[i]);
		trace_outcome(torc_sleep(100 * TORC_MS));
		torc_deadline_end(&scope);
	}
	return 0;
}

static void
no_time_at_all_and_all_the_time_are_deadlines_too(void **state)
{
	assert_trace(*state, set_odd_deadlines, NULL,
		"timeout@0 timeout@0 ok@100 ok@200");
}

static int
return_inside_a_scope(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	return 0;
}

static int
outlive_a_task_with_a_deadline(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, return_inside_a_scope, NULL), 0);
	trace_outcome(torc_sleep(5 * TORC_MS));
	return 0;
}

static void
a_task_takes_its_deadline_with_it(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, outlive_a_task_with_a_deadline, NULL);

	assert_string_equal(f->trace, "ok@5");
	assert_int_equal(f->shard.wheel.timers_count, 0);
}

static int
sleep_an_hour(void *arg)
{
	(void)arg;
	trace_outcome(torc_sleep(HOUR));
	return 7;
}

static int
join_within_a_deadline(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_an_hour, NULL);
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	trace_outcome(torc_join(task, NULL));
	torc_deadline_end(&scope);
	trace_outcome(torc_sleep(TORC_MS));
	torc_cancel(task);
	trace_outcome(torc_join(task, NULL));
	return 0;
}

static void
a_join_that_timed_out_may_be_joined_again(void **state)
{
	assert_trace(*state, join_within_a_deadline, NULL,
		"timeout@10 ok@11 canceled@11 ok@11");
}

static int
sleep_until_cancelled_within_a_deadline(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	trace_outcome(torc_sleep(HOUR));
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&scope);
	trace_outcome(torc_sleep(HOUR));
	return 0;
}

static int
cancel_around_the_deadline(void *arg)
{
	struct torc_task *task =
		fake_shard_spawn(sleep_until_cancelled_within_a_deadline, NULL);

	assert_int_equal(torc_sleep((uint64_t)(uintptr_t)arg), 0);
	torc_cancel(task);
	return torc_join(task, NULL);
}

static void
a_cancel_outlasts_the_scope_that_it_came_in(void **state)
{
	assert_trace(*state, cancel_around_the_deadline,
		(void *)(uintptr_t)(5 * TORC_MS),
		"canceled@5 canceled@5 canceled@5");
}

static int
time_out_behind_a_shield(void *arg)
{
	struct torc_deadline scope;
	struct torc_shield shield;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	torc_shield_begin(&shield);
	trace_outcome(torc_sleep(20 * TORC_MS));
	trace_outcome(torc_interrupted());
	torc_shield_end(&shield);
	trace_outcome(torc_interrupted());
	trace_outcome(torc_sleep(HOUR));
	torc_deadline_end(&scope);
	trace_outcome(torc_interrupted());
	return 0;
}

static void
a_deadline_waits_until_the_shield_is_gone(void **state)
{
	assert_trace(*state, time_out_behind_a_shield, NULL,
		"ok@20 ok@20 timeout@20 timeout@20 ok@20");
}

/* ---- select ---- */

static int
select_two_sleeps(void *arg)
{
	struct torc_sleep slow, fast;
	struct torc_future *both[] = { &slow.done, &fast.done };

	(void)arg;
	torc_sleep_start(&slow, HOUR);
	torc_sleep_start(&fast, TORC_MS);
	trace("%d", torc_select(both, 2));
	trace_outcome(slow.done.value);
	trace_outcome(fast.done.value);
	return 0;
}

static void
a_select_returns_the_first_and_cancels_the_rest(void **state)
{
	assert_trace(*state, select_two_sleeps, NULL, "1 canceled@1 ok@1");
}

static int
select_what_is_ready(void *arg)
{
	struct torc_future a, b;
	struct torc_sleep slow;
	struct torc_future *all[] = { &slow.done, &a, &b };

	(void)arg;
	torc_sleep_start(&slow, HOUR);
	torc_future_init(&a, NULL, NULL);
	torc_future_init(&b, NULL, NULL);
	torc_future_complete(&b, 2);
	torc_future_complete(&a, 1);
	trace("%d", torc_select(all, 3));
	trace_outcome(slow.done.value);
	return 0;
}

static void
of_several_that_are_ready_the_lowest_index_wins(void **state)
{
	assert_trace(*state, select_what_is_ready, NULL, "1 canceled@0");
}

static int
select_two_ops(void *arg)
{
	struct nop a, b;
	struct torc_future *both[] = { &a.done, &b.done };

	(void)arg;
	nop_start(&a);
	nop_start(&b);
	trace("%d", torc_select(both, 2));
	trace("%d %d", (int)a.done.value, (int)b.done.value);
	return 0;
}

/* First the winner; once the loser's cancel is out, the loser's success. */
static void
complete_one_then_the_other(struct torc_ring *ring)
{
	if (fake_count(ring, IORING_OP_ASYNC_CANCEL) == 0) {
		nop_complete(1, 11);
		return;
	}
	trace("late");
	fake_of(ring)->on_wait = NULL;
	nop_complete(0, 10);
}

static void
a_select_keeps_the_late_success_of_a_loser(void **state)
{
	struct fake_shard *f = *state;

	f->fake->keeps_cancels = true;
	f->fake->on_wait = complete_one_then_the_other;
	fake_shard_run(f, select_two_ops, NULL);

	assert_string_equal(f->trace, "late 1 10 11");
}

static int
select_within_a_deadline(void *arg)
{
	struct torc_sleep a, b;
	struct torc_future *both[] = { &a.done, &b.done };
	struct torc_deadline scope;

	(void)arg;
	torc_deadline_begin(&scope, 10 * TORC_MS);
	torc_sleep_start(&a, HOUR);
	torc_sleep_start(&b, 2 * HOUR);
	trace_outcome(torc_select(both, 2));
	torc_deadline_end(&scope);
	trace_outcome(a.done.value);
	trace_outcome(b.done.value);
	return 0;
}

static void
an_interrupted_select_leaves_nothing_pending(void **state)
{
	assert_trace(*state, select_within_a_deadline, NULL,
		"timeout@10 canceled@10 canceled@10");
}

static int
cancel_a_selector(void *arg)
{
	struct torc_task *task = fake_shard_spawn(select_two_sleeps, NULL);

	(void)arg;
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	return torc_join(task, NULL);
}

static void
a_cancelled_select_says_so(void **state)
{
	struct fake_shard *f = *state;
	char expected[64];

	fake_shard_run(f, cancel_a_selector, NULL);

	snprintf(expected, sizeof(expected), "%d canceled@0 canceled@0",
		-ECANCELED);
	assert_string_equal(f->trace, expected);
}

/* Both ops' cancels are out; one of them was too late. */
static void
complete_late_and_never(struct torc_ring *ring)
{
	if (fake_count(ring, IORING_OP_ASYNC_CANCEL) < 2)
		return;
	fake_of(ring)->on_wait = NULL;
	nop_complete(1, 11);
	nop_complete(0, -ECANCELED);
}

static int
cancel_an_op_selector(void *arg)
{
	struct torc_task *task = fake_shard_spawn(select_two_ops, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return torc_join(task, NULL);
}

static void
a_success_on_its_way_beats_the_cancel_of_a_select(void **state)
{
	struct fake_shard *f = *state;
	char expected[64];

	f->fake->keeps_cancels = true;
	f->fake->on_wait = complete_late_and_never;
	fake_shard_run(f, cancel_an_op_selector, NULL);

	snprintf(expected, sizeof(expected), "1 %d 11", -ECANCELED);
	assert_string_equal(f->trace, expected);
}

/* ---- wait_all ---- */

static int
wait_for_two(void *arg)
{
	struct torc_sleep a, b;
	struct torc_future *both[] = { &a.done, &b.done };

	(void)arg;
	torc_sleep_start(&a, 20 * TORC_MS);
	torc_sleep_start(&b, 10 * TORC_MS);
	trace_outcome(torc_wait_all(both, 2));
	trace_outcome(a.done.value);
	trace_outcome(b.done.value);
	return 0;
}

static void
wait_all_returns_after_the_last(void **state)
{
	assert_trace(*state, wait_for_two, NULL, "ok@20 ok@20 ok@20");
}

static int
wait_for_two_within(void *arg)
{
	struct torc_deadline scope;

	torc_deadline_begin(&scope, 15 * TORC_MS);
	wait_for_two(arg);
	torc_deadline_end(&scope);
	return 0;
}

static void
an_interrupted_wait_all_still_waits_for_all(void **state)
{
	assert_trace(*state, wait_for_two_within, NULL,
		"timeout@15 canceled@15 ok@15");
}

/* ---- the budget ---- */

struct race {
	unsigned awaits; /* of the greedy one */
	unsigned longest;
	bool is_over;
};

/* Always finds its value ready. */
static int
be_greedy(void *arg)
{
	struct race *race = arg;

	for (; race->awaits < 10000; race->awaits++) {
		struct torc_future ready;

		torc_future_init(&ready, NULL, NULL);
		torc_future_complete(&ready, 1);
		assert_int_equal(torc_await(&ready), 1);
	}
	race->is_over = true;
	return 0;
}

static int
be_modest(void *arg)
{
	struct race *race = arg;

	while (!race->is_over) {
		unsigned before = race->awaits;

		assert_int_equal(torc_yield(), 0);
		if (race->awaits - before > race->longest)
			race->longest = race->awaits - before;
	}
	return 0;
}

static int
race_them(void *arg)
{
	assert_int_equal(torc_spawn(NULL, be_modest, arg), 0);
	assert_int_equal(torc_spawn(NULL, be_greedy, arg), 0);
	return 0;
}

static void
a_task_that_need_not_wait_yields_all_the_same(void **state)
{
	struct race race = { 0 };

	fake_shard_run(*state, race_them, &race);

	assert_int_equal(race.awaits, 10000);
	assert_in_range(race.longest, 1, TORC__TASK_BUDGET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_deadline_ends_all_awaits_of_its_scope_only),
		WITH_SHARD(an_inner_scope_cannot_lengthen_the_outer),
		WITH_SHARD(the_outer_scope_is_back_when_the_inner_ends),
		WITH_SHARD(
			an_outer_deadline_that_passed_meanwhile_still_counts),
		WITH_SHARD(a_scope_that_was_left_in_time_does_nothing),
		WITH_SHARD(no_time_at_all_and_all_the_time_are_deadlines_too),
		WITH_SHARD(a_task_takes_its_deadline_with_it),
		WITH_SHARD(a_join_that_timed_out_may_be_joined_again),
		WITH_SHARD(a_cancel_outlasts_the_scope_that_it_came_in),
		WITH_SHARD(a_deadline_waits_until_the_shield_is_gone),
		WITH_SHARD(a_select_returns_the_first_and_cancels_the_rest),
		WITH_SHARD(of_several_that_are_ready_the_lowest_index_wins),
		WITH_SHARD(a_select_keeps_the_late_success_of_a_loser),
		WITH_SHARD(an_interrupted_select_leaves_nothing_pending),
		WITH_SHARD(a_cancelled_select_says_so),
		WITH_SHARD(a_success_on_its_way_beats_the_cancel_of_a_select),
		WITH_SHARD(wait_all_returns_after_the_last),
		WITH_SHARD(an_interrupted_wait_all_still_waits_for_all),
		WITH_SHARD(a_task_that_need_not_wait_yields_all_the_same),
	};

	return cmocka_run_group_tests_name("core/await", tests, NULL, NULL);
}
