/* SPDX-License-Identifier: MIT */
/*
 * Goal    A cancel reaches a task wherever it waits, and loses nothing: what
 *         was on its way is delivered, and what is shielded is not disturbed.
 * Method  Real tasks on a fake engine: time passes only when all wait. Each
 *         test writes words down as things happen and compares the line.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/group.h>
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)

static int
say(void *arg)
{
	trace("%s", (char *)arg);
	return 7;
}

/* Sleeps, and again: a cancel is for ever. */
static int
sleep_thrice(void *arg)
{
	(void)arg;
	trace("%s", outcome(torc_sleep(HOUR)));
	trace("%s", outcome(torc_sleep(HOUR)));
	trace("%s", outcome(torc_yield()));
	return torc_interrupted();
}

static int
cancel_before_it_ran(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);

	(void)arg;
	torc_cancel(task);
	trace("main");
	trace("%s", outcome(fake_shard_join(task)));
	return 0;
}

static void
a_task_cancelled_before_it_ran_still_runs(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_before_it_ran, NULL);

	assert_string_equal(
		f->trace, "main canceled canceled canceled canceled");
	assert_int_equal(fake_elapsed_ns(), 0);
}

static int
cancel_a_sleeper(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	torc_cancel(task);
	trace("%s", outcome(fake_shard_join(task)));
	return 0;
}

static void
a_cancel_ends_a_sleep_and_every_later_await(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_a_sleeper, NULL);

	assert_string_equal(f->trace, "canceled canceled canceled canceled");
	assert_true(fake_elapsed_ns() < 2 * TORC_MS);
}

static int
await_forever(void *arg)
{
	trace("%d", (int)torc_await(arg));
	trace("%s", outcome(torc_interrupted()));
	return 0;
}

static int
cancel_what_cannot_be_hurried(void *arg)
{
	struct torc_future slow;
	struct torc_task *task;

	(void)arg;
	torc_future_init(&slow, NULL, NULL);
	task = fake_shard_spawn(await_forever, &slow);
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	trace("still");
	torc_future_complete(&slow, 42);
	return fake_shard_join(task);
}

static void
a_future_that_cannot_be_hurried_is_waited_for(void **state)
{
	assert_trace(*state, cancel_what_cannot_be_hurried, NULL,
		"still 42 canceled");
}

static int
await_nop_and_sleep(void *arg)
{
	struct nop nop;

	(void)arg;
	nop_start(&nop);
	trace("%d", (int)torc_await(&nop.done));
	trace("%s", outcome(torc_sleep(HOUR)));
	return 0;
}

static int
cancel_an_op(void *arg)
{
	struct torc_task *task = fake_shard_spawn(await_nop_and_sleep, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return fake_shard_join(task);
}

static void
a_cancel_waits_for_the_answer_of_the_kernel(void **state)
{
	struct fake_shard *f = *state;
	char expected[64];

	fake_shard_run(f, cancel_an_op, NULL);

	snprintf(expected, sizeof(expected), "%d canceled", -ECANCELED);
	assert_string_equal(f->trace, expected);
	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_ASYNC_CANCEL), 1);
}

static void
a_success_that_was_on_its_way_beats_the_cancel(void **state)
{
	struct fake_shard *f = *state;

	nop_completes_late(f, 99);
	fake_shard_run(f, cancel_an_op, NULL);

	assert_string_equal(f->trace, "99 canceled");
}

static int
try_join(void *arg)
{
	trace("%s", outcome(torc_join(arg, NULL)));
	return 0;
}

static int
cancel_a_joiner(void *arg)
{
	struct torc_task *target = fake_shard_spawn(sleep_thrice, NULL);
	struct torc_task *joiner = fake_shard_spawn(try_join, target);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(joiner);
	fake_shard_join(joiner);
	trace("again");
	torc_cancel(target);
	fake_shard_join(target);
	return 0;
}

static void
an_interrupted_join_leaves_the_task_to_be_joined_again(void **state)
{
	assert_trace(*state, cancel_a_joiner, NULL,
		"canceled again canceled canceled canceled");
}

/* Both end in the same turn: the joiner by its cancel, and its target. */
static int
cancel_a_joiner_as_its_target_ends(void *arg)
{
	struct torc_future go;
	struct torc_task *target, *joiner;

	(void)arg;
	torc_future_init(&go, NULL, NULL);
	target = fake_shard_spawn(await_forever, &go);
	joiner = fake_shard_spawn(try_join, target);
	assert_int_equal(torc_yield(), 0);
	torc_future_complete(&go, 1);
	torc_cancel(joiner);
	fake_shard_join(joiner);
	fake_shard_join(target);
	return 0;
}

static void
a_join_may_be_cancelled_while_its_target_ends(void **state)
{
	assert_trace(*state, cancel_a_joiner_as_its_target_ends, NULL,
		"1 ok canceled");
}

static int
join_group(void *arg)
{
	(void)arg;
	struct torc_group group;

	torc_group_init(&group);
	assert_int_equal(torc_group_spawn(&group, sleep_thrice, NULL), 0);
	trace("%s", outcome(torc_group_join(&group)));
	return 0;
}

static int
cancel_a_group_joiner(void *arg)
{
	struct torc_task *task = fake_shard_spawn(join_group, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return fake_shard_join(task);
}

static void
a_cancelled_group_join_ends_after_its_tasks(void **state)
{
	assert_trace(*state, cancel_a_group_joiner, NULL,
		"canceled canceled canceled canceled");
}

static int
cancel_what_is_done(void *arg)
{
	struct torc_task *task = fake_shard_spawn(say, "task");

	(void)arg;
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	trace("%d", fake_shard_join(task));
	return 0;
}

static void
cancelling_a_task_that_is_done_changes_nothing(void **state)
{
	assert_trace(*state, cancel_what_is_done, NULL, "task 7");
}

static int
cancel_self(void *arg)
{
	struct torc_future ready;

	(void)arg;
	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 5);
	torc_cancel(torc_self());
	trace("%s", outcome(torc_interrupted()));
	trace("%d", (int)torc_await(&ready));
	trace("%s", outcome(torc_sleep(HOUR)));
	return 0;
}

static void
a_task_may_cancel_itself_and_still_take_what_is_ready(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_self, NULL);

	assert_string_equal(f->trace, "canceled 5 canceled");
	assert_int_equal(fake_elapsed_ns(), 0);
}

/* Takes its time to clean up. */
static int
end_slowly(void *arg)
{
	struct nop nop;

	(void)arg;
	trace("%s", outcome(torc_sleep(HOUR)));
	nop_start(&nop);
	trace("%d", (int)torc_await(&nop.done));
	return 4;
}

static int
cancel_join_while_cancelled(void *arg)
{
	struct torc_task *task = fake_shard_spawn(end_slowly, NULL);
	int result;

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(torc_self());
	torc_cancel_join(task, &result);
	trace("%d", result);
	trace("%s", outcome(torc_sleep(HOUR)));
	return 0;
}

static void
a_cancel_join_is_not_cancelled_itself(void **state)
{
	struct fake_shard *f = *state;

	nop_completes_late(f, 99);
	fake_shard_run(f, cancel_join_while_cancelled, NULL);

	assert_string_equal(f->trace, "canceled 99 4 canceled");
}

static int
sleep_behind_shields(void *arg)
{
	struct torc_shield outer, inner;

	(void)arg;
	torc_shield_begin(&outer);
	torc_shield_begin(&inner);
	trace("%s", outcome(torc_sleep(2 * TORC_MS)));
	torc_shield_end(&inner);
	trace("%s", outcome(torc_sleep(2 * TORC_MS)));
	trace("%s", outcome(torc_yield()));
	torc_shield_end(&outer);
	trace("%s", outcome(torc_sleep(HOUR)));
	return 0;
}

static int
cancel_behind_shields(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_behind_shields, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return fake_shard_join(task);
}

static void
a_cancel_waits_until_the_last_shield_is_gone(void **state)
{
	assert_trace(*state, cancel_behind_shields, NULL, "ok ok ok canceled");
}

static int
time_out_behind_a_shield(void *arg)
{
	struct torc_shield shield;
	struct torc_deadline deadline;

	(void)arg;
	torc_shield_begin(&shield);
	torc_deadline_begin(&deadline, 3 * TORC_MS);
	trace("%s", outcome(torc_sleep(2 * TORC_MS)));
	trace("%s", outcome(torc_sleep(2 * TORC_MS)));
	torc_deadline_end(&deadline);
	trace("%s", outcome(torc_sleep(2 * TORC_MS)));
	torc_shield_end(&shield);
	trace("%s", outcome(torc_sleep(HOUR)));
	return 0;
}

static int
cancel_before_the_timeout(void *arg)
{
	struct torc_task *task =
		fake_shard_spawn(time_out_behind_a_shield, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return fake_shard_join(task);
}

static void
a_cancel_waits_while_a_timeout_in_the_shield_counts(void **state)
{
	assert_trace(*state, cancel_before_the_timeout, NULL,
		"ok timeout ok canceled");
}

static int
select_on_a_join(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);
	struct torc_future done;
	struct torc_sleep sleep;
	struct torc_future *both[] = { &done, &sleep.done };

	(void)arg;
	torc_join_start(task, &done);
	torc_sleep_start(&sleep, TORC_MS);
	trace("%d", torc_select(both, 2));
	trace("%s", outcome(done.value));
	torc_cancel_join(task, NULL);
	return 0;
}

static void
a_join_that_lost_a_select_leaves_the_task_running(void **state)
{
	assert_trace(*state, select_on_a_join, NULL,
		"1 canceled canceled canceled canceled");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_task_cancelled_before_it_ran_still_runs),
		WITH_SHARD(a_cancel_ends_a_sleep_and_every_later_await),
		WITH_SHARD(a_future_that_cannot_be_hurried_is_waited_for),
		WITH_SHARD(a_cancel_waits_for_the_answer_of_the_kernel),
		WITH_SHARD(a_success_that_was_on_its_way_beats_the_cancel),
		WITH_SHARD(
			an_interrupted_join_leaves_the_task_to_be_joined_again),
		WITH_SHARD(a_join_may_be_cancelled_while_its_target_ends),
		WITH_SHARD(a_cancelled_group_join_ends_after_its_tasks),
		WITH_SHARD(cancelling_a_task_that_is_done_changes_nothing),
		WITH_SHARD(
			a_task_may_cancel_itself_and_still_take_what_is_ready),
		WITH_SHARD(a_cancel_join_is_not_cancelled_itself),
		WITH_SHARD(a_cancel_waits_until_the_last_shield_is_gone),
		WITH_SHARD(a_cancel_waits_while_a_timeout_in_the_shield_counts),
		WITH_SHARD(a_join_that_lost_a_select_leaves_the_task_running),
	};

	return cmocka_run_group_tests_name(
		"core/task_cancel", tests, NULL, NULL);
}
