/* SPDX-License-Identifier: MIT */
/*
 * Goal    It is done once, by one task at a time; a failure or a cancel lets
 *         the next one try, and nobody waits for what is done.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/once.h>

#include "tests/core/sync/support.h"

static struct torc_once once;
static int failures_left;

static int
do_it(void *name)
{
	int ret = torc_sleep(TORC_MS);

	if (ret == 0 && failures_left > 0) {
		failures_left--;
		ret = -EPIPE;
	}
	trace("%s!%s", (char *)name, ending(ret));
	return ret == 0 ? 7 : ret;
}

static int
want_it(void *name)
{
	trace("%s-%s", (char *)name, ending(torc_once_run(&once, do_it, name)));
	return 0;
}

static void
spawn_all(const char *const *names)
{
	for (; *names != NULL; names++)
		assert_int_equal(
			torc_spawn(NULL, want_it, (void *)(uintptr_t)*names),
			0);
	let_others_wait();
}

static int
three_want_it(void *failures)
{
	static const char *const names[] = { "a", "b", "c", NULL };

	torc_once_init(&once);
	failures_left = (int)(intptr_t)failures;
	spawn_all(names);
	assert_false(torc_once_is_done(&once));
	return 0;
}

static void
the_first_does_it_and_the_others_wait(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, three_want_it, NULL);

	assert_string_equal(f->trace, "a!ok a-ok b-ok c-ok");
	assert_true(torc_once_is_done(&once));
	assert_in_range(fake_elapsed_ns(), TORC_MS, TORC_MS * 3 / 2);
	torc_once_fini(&once);
}

static void
after_a_failure_the_next_one_tries(void **state)
{
	assert_trace(*state, three_want_it, (void *)2,
		"a!closed a-closed b!closed b-closed c!ok c-ok");
}

static int
fail_then_do(void *arg)
{
	(void)arg;
	torc_once_init(&once);
	failures_left = 1;
	want_it("a");
	assert_false(torc_once_is_done(&once));
	want_it("b");
	want_it("c");
	return 0;
}

static void
after_a_failure_without_waiters_the_next_to_come_tries(void **state)
{
	assert_trace(
		*state, fail_then_do, NULL, "a!closed a-closed b!ok b-ok c-ok");
}

static int
cancel_all_but_one(void *arg)
{
	static const char *const names[] = { "d", NULL };
	struct torc_task *early, *runner, *waiter, *next;

	(void)arg;
	torc_once_init(&once);
	failures_left = 0;
	early = fake_shard_spawn(want_it, "early");
	torc_cancel(early);
	runner = fake_shard_spawn(want_it, "runner");
	waiter = fake_shard_spawn(want_it, "waiter");
	next = fake_shard_spawn(want_it, "next");
	spawn_all(names);
	torc_cancel(waiter);
	torc_cancel(runner);
	assert_int_equal(torc_join(runner, NULL), 0);
	/* Its turn has come, and it has not run since. */
	torc_cancel(next);
	assert_int_equal(torc_join(next, NULL), 0);
	assert_int_equal(torc_join(waiter, NULL), 0);
	return torc_join(early, NULL);
}

static void
a_cancel_at_any_point_lets_the_next_one_try(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_all_but_one, NULL);

	assert_string_equal(f->trace,
		"early-canceled waiter-canceled runner!canceled "
		"runner-canceled next-canceled d!ok d-ok");
	torc_once_fini(&once);
}

static int
do_it_in_halves(void *arg)
{
	struct torc_waiter waiter;
	struct torc_deadline scope;

	(void)arg;
	torc_once_init(&once);
	failures_left = 0;
	assert_int_equal(torc_once_begin(&once), 1);
	torc_once_end(&once, false);
	assert_int_equal(torc_spawn(NULL, want_it, "a"), 0);
	let_others_wait();
	torc_deadline_begin(&scope, TORC_MS / 2);
	trace("%s", ending(torc_once_begin(&once)));
	torc_deadline_end(&scope);
	torc_once_begin_start(&once, &waiter);
	assert_false(torc_future_is_ready(&waiter.done));
	trace("%s", ending(torc_await(&waiter.done)));
	assert_int_equal(torc_once_begin(&once), 0);
	return 0;
}

static void
the_two_halves_do_the_same(void **state)
{
	assert_trace(*state, do_it_in_halves, NULL, "late a!ok a-ok ok");
}

/* ---- mistakes ---- */

static int
recurse(void *arg)
{
	torc_task_name_set("anna");
	return torc_once_run(&once, recurse, arg);
}

static int
run_from_itself(void *arg)
{
	torc_once_init(&once);
	return recurse(arg);
}

static int
end_anothers(void *arg)
{
	(void)arg;
	torc_once_init(&once);
	assert_int_equal(torc_spawn(NULL, want_it, "a"), 0);
	let_others_wait();
	torc_task_name_set("bert");
	torc_once_end(&once, true);
	return 0;
}

static int
end_it_begun(void *arg)
{
	torc_once_init(&once);
	torc_task_name_set("carl");
	assert_int_equal(torc_once_begin(&once), 1);
	if (arg != NULL) {
		assert_int_equal(torc_spawn(NULL, want_it, "a"), 0);
		let_others_wait();
	}
	torc_once_fini(&once);
	return 0;
}

static int
leave_it_begun(void *arg)
{
	torc_once_init(&once);
	torc_task_name_set("dora");
	if (arg == NULL)
		return torc_once_begin(&once);
	failures_left = 1;
	assert_int_equal(torc_spawn(NULL, want_it, arg), 0);
	let_others_wait();
	/* Its turn comes by the failure of the other. */
	return torc_once_begin(&once);
}

static void
a_mistake_is_named_with_who_made_it(void **state)
{
	(void)state;
	assert_mistake(run_from_itself, NULL, "does itself", "task anna");
	assert_mistake(end_anothers, NULL, "did not begin", "task bert");
	assert_mistake(end_it_begun, NULL, "a once ends", "task carl");
	assert_mistake(end_it_begun, "", "a once ends", "waits for it");
	assert_mistake(leave_it_begun, NULL, "task dora ended", "1 lock");
	assert_mistake(leave_it_begun, "a", "task dora ended", "1 lock");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(the_first_does_it_and_the_others_wait),
		WITH_SHARD(after_a_failure_the_next_one_tries),
		WITH_SHARD(
			after_a_failure_without_waiters_the_next_to_come_tries),
		WITH_SHARD(a_cancel_at_any_point_lets_the_next_one_try),
		WITH_SHARD(the_two_halves_do_the_same),
		cmocka_unit_test(a_mistake_is_named_with_who_made_it),
	};

	return cmocka_run_group_tests_name("core/sync/once", tests, NULL, NULL);
}
