/* SPDX-License-Identifier: MIT */
/*
 * Goal    No task outlives its group, whichever way the group is left.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/core/group_fixture.h"
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)

static void
spawn(torc_task_fn *fn, void *arg)
{
	assert_int_equal(torc_group_spawn(&fixture.group, fn, arg), 0);
}

/* Ends after `arg` milliseconds, with minus that many. */
static int
fail_after(void *arg)
{
	int ms = (int)(intptr_t)arg;
	int ret = torc_sleep((uint64_t)ms * TORC_MS);

	trace("%d%s", ms, ret == 0 ? "" : "!");
	return ret == 0 ? -ms : ret;
}

static int
succeed_after(void *arg)
{
	int ret = fail_after(arg);

	return ret == -ECANCELED ? ret : 0;
}

static void *
ms(intptr_t count)
{
	return (void *)count;
}

static int
join_three(void *arg)
{
	spawn(succeed_after, ms(3));
	spawn(succeed_after, ms(1));
	spawn(succeed_after, ms(2));
	assert_int_equal(torc_group_count(arg), 3);
	trace("%d", torc_group_join(arg));
	return 0;
}

static void
a_join_returns_after_the_last_task(void **state)
{
	struct fixture *f = *state;

	run(join_three);

	assert_string_equal(f->loop.trace, "1 2 3 0");
}

static int
join_none(void *arg)
{
	trace("%d", torc_group_join(arg));
	return 0;
}

static void
an_empty_group_is_joined_at_once(void **state)
{
	struct fixture *f = *state;

	run(join_none);

	assert_string_equal(f->loop.trace, "0");
}

static int
join_failures(void *arg)
{
	spawn(fail_after, ms(3));
	spawn(succeed_after, ms(1));
	spawn(fail_after, ms(2));
	trace("%d", torc_group_join(arg));
	return 0;
}

static void
the_first_error_in_time_is_the_groups(void **state)
{
	struct fixture *f = *state;

	run(join_failures);

	assert_string_equal(f->loop.trace, "1 2 3 -2");
	assert_int_equal(f->group.first_error, -2);
}

static void
cancel_on_error_cancels_the_rest_and_keeps_the_error(void **state)
{
	struct fixture *f = *state;

	f->group.cancel_on_error = true;
	run(join_failures);

	assert_string_equal(f->loop.trace, "1 2 3! -2");
	assert_true(fake_elapsed_ns() < 3 * TORC_MS);
}

static int
join_within_a_deadline(void *arg)
{
	struct torc_deadline scope;

	spawn(succeed_after, ms(10));
	spawn(succeed_after, ms(30));
	torc_deadline_begin(&scope, 20 * TORC_MS);
	assert_int_equal(torc_group_join(arg), -ETIMEDOUT);
	trace("%u", torc_group_count(arg));
	torc_deadline_end(&scope);
	return 0;
}

static void
an_interrupted_join_cancels_all_and_waits_for_them(void **state)
{
	struct fixture *f = *state;

	run(join_within_a_deadline);

	assert_string_equal(f->loop.trace, "10 30! 0");
	assert_in_range(fake_elapsed_ns(), 20 * TORC_MS, 21 * TORC_MS);
}

/* Needs some time although it was cancelled. */
static int
end_slowly(void *arg)
{
	struct torc_shield shield;

	trace("%s", torc_sleep(HOUR) == -ECANCELED ? "canceled" : "?");
	torc_shield_begin(&shield);
	assert_int_equal(torc_sleep(5 * TORC_MS), 0);
	torc_shield_end(&shield);
	trace("%s", (char *)arg);
	return 0;
}

static int
cancel_and_join(void *arg)
{
	spawn(end_slowly, "a");
	spawn(end_slowly, "b");
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(torc_self());
	torc_group_cancel_join(arg);
	trace("%d", torc_interrupted() == -ECANCELED);
	return 0;
}

static void
cancel_join_waits_even_when_its_caller_is_cancelled(void **state)
{
	struct fixture *f = *state;

	run(cancel_and_join);

	assert_string_equal(f->loop.trace, "canceled canceled a b 1");
}

static int
spawn_after_the_cancel(void *arg)
{
	torc_group_cancel(arg);
	spawn(succeed_after, ms(1));
	trace("%d", torc_group_join(arg) == -ECANCELED);
	return 0;
}

static void
a_task_spawned_into_a_cancelled_group_starts_cancelled(void **state)
{
	struct fixture *f = *state;

	run(spawn_after_the_cancel);

	assert_string_equal(f->loop.trace, "1! 1");
}

static int
breed(void *arg)
{
	intptr_t left = (intptr_t)arg;

	if (left > 0) {
		spawn(breed, ms(left - 1));
		spawn(breed, ms(left - 1));
	}
	return torc_sleep(TORC_MS);
}

static int
join_a_family(void *arg)
{
	spawn(breed, ms(6));
	trace("%d", torc_group_join(arg));
	return 0;
}

static void
tasks_may_spawn_into_the_group_that_they_are_in(void **state)
{
	struct fixture *f = *state;

	run(join_a_family);

	assert_string_equal(f->loop.trace, "0");
}

static int
cancel_a_family(void *arg)
{
	spawn(breed, ms(6));
	assert_int_equal(torc_yield(), 0);
	torc_group_cancel(arg);
	trace("%d", torc_group_join(arg) == -ECANCELED);
	return 0;
}

static void
a_cancel_reaches_those_that_are_spawned_after_it(void **state)
{
	struct fixture *f = *state;

	run(cancel_a_family);

	assert_string_equal(f->loop.trace, "1");
	assert_int_equal(fake_elapsed_ns(), 0);
}

static int
join_inner_group(void *arg)
{
	struct torc_group inner;
	int ret;

	(void)arg;
	torc_group_init(&inner);
	assert_int_equal(torc_group_spawn(&inner, succeed_after, ms(50)), 0);
	ret = torc_group_join(&inner);
	trace("%s", ret == -ECANCELED ? "inner" : "?");
	return ret;
}

static int
cancel_outer_group(void *arg)
{
	spawn(join_inner_group, NULL);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_group_cancel_join(arg);
	trace("outer");
	return 0;
}

static void
a_group_inside_a_task_of_a_group_is_cancelled_with_it(void **state)
{
	struct fixture *f = *state;

	run(cancel_outer_group);

	assert_string_equal(f->loop.trace, "50! inner outer");
}

#define WITH_GROUP(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GROUP(a_join_returns_after_the_last_task),
		WITH_GROUP(an_empty_group_is_joined_at_once),
		WITH_GROUP(the_first_error_in_time_is_the_groups),
		WITH_GROUP(
			cancel_on_error_cancels_the_rest_and_keeps_the_error),
		WITH_GROUP(an_interrupted_join_cancels_all_and_waits_for_them),
		WITH_GROUP(cancel_join_waits_even_when_its_caller_is_cancelled),
		WITH_GROUP(
			a_task_spawned_into_a_cancelled_group_starts_cancelled),
		WITH_GROUP(tasks_may_spawn_into_the_group_that_they_are_in),
		WITH_GROUP(a_cancel_reaches_those_that_are_spawned_after_it),
		WITH_GROUP(
			a_group_inside_a_task_of_a_group_is_cancelled_with_it),
	};

	return cmocka_run_group_tests_name("core/group", tests, NULL, NULL);
}
