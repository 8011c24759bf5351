/* SPDX-License-Identifier: MIT */
/*
 * Goal    Each result that a group keeps is taken once, in the order in which
 *         the tasks ended, whoever is cancelled meanwhile; none stays behind.
 * Method  Real tasks on a fake engine, whose clock moves only when all wait.
 *         The fixture's end counts stacks, so a result that is kept shows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/group_fixture.h"
#include <torc/core/sleep.h>
#include <torc/test/sim.h>

/* Ends after `arg` milliseconds with that many. */
static int
count_ms(void *arg)
{
	int ret = torc_sleep((uint64_t)(uintptr_t)arg * TORC_MS);

	return ret < 0 ? ret : (int)(uintptr_t)arg;
}

static void
spawn(unsigned ms)
{
	assert_int_equal(torc_group_spawn(&fixture.group, count_ms,
				 (void *)(uintptr_t)ms),
		0);
}

static int
next(void)
{
	struct torc_group_result result = { 0 };
	int ret = torc_group_next(&fixture.group, &result);

	if (ret == 1)
		trace("%u=%d", (unsigned)(uintptr_t)result.arg, result.result);
	else
		trace("%d", ret);
	return ret;
}

static int
take_each(void *arg)
{
	(void)arg;
	spawn(3);
	spawn(1);
	spawn(2);
	while (next() == 1)
		;
	return torc_group_join(arg);
}

static void
results_come_in_the_order_in_which_the_tasks_ended(void **state)
{
	struct fixture *f = *state;

	run(take_each);

	assert_string_equal(f->loop.trace, "1=1 2=2 3=3 0");
}

static int
take_late(void *arg)
{
	spawn(3);
	spawn(1);
	spawn(2);
	assert_int_equal(torc_sleep(10 * TORC_MS), 0);
	assert_int_equal(torc_group_count(arg), 0);
	spawn(4);
	while (next() == 1)
		;
	return torc_group_join(arg);
}

static void
results_are_kept_until_they_are_taken(void **state)
{
	struct fixture *f = *state;

	run(take_late);

	assert_string_equal(f->loop.trace, "1=1 2=2 3=3 4=4 0");
}

static int
drop_them(void *arg)
{
	spawn(1);
	spawn(2);
	spawn(20);
	assert_int_equal(torc_sleep(10 * TORC_MS), 0);
	trace("%d", torc_group_join(arg));
	next();
	return 0;
}

static void
a_join_drops_what_nobody_took(void **state)
{
	struct fixture *f = *state;

	run(drop_them);

	assert_string_equal(f->loop.trace, "0 0");
	assert_int_equal(f->loop.shard.stacks.taken_count, 0);
}

static int
time_out_once(void *arg)
{
	struct torc_deadline scope;

	spawn(20);
	torc_deadline_begin(&scope, 10 * TORC_MS);
	next();
	next();
	torc_deadline_end(&scope);
	next();
	return torc_group_join(arg);
}

static void
an_interrupted_next_takes_and_cancels_nothing(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	run(time_out_once);

	snprintf(expected, sizeof(expected), "%d %d 20=20", -ETIMEDOUT,
		-ETIMEDOUT);
	assert_string_equal(f->loop.trace, expected);
}

static int
select_on_next(void *arg)
{
	struct torc_group_waiter waiter;
	struct torc_sleep sleep;
	struct torc_future *both[] = { &waiter.done, &sleep.done };

	spawn(20);
	torc_group_next_start(arg, &waiter);
	torc_sleep_start(&sleep, 10 * TORC_MS);
	trace("%d", torc_select(both, 2));
	assert_int_equal(waiter.done.value, -ECANCELED);
	torc_group_next_start(arg, &waiter);
	torc_sleep_start(&sleep, 20 * TORC_MS);
	trace("%d", torc_select(both, 2));
	trace("%d:%d", (int)waiter.done.value, waiter.result.result);
	torc_group_next_start(arg, &waiter);
	trace("%d", (int)torc_await(&waiter.done));
	return torc_group_join(arg);
}

static void
next_can_be_selected_on(void **state)
{
	struct fixture *f = *state;

	run(select_on_next);

	assert_string_equal(f->loop.trace, "1 0 1:20 0");
}

/* The waiter is cancelled in the turn in which a task ends. */
static int
wait_for_next(void *arg)
{
	(void)arg;
	next();
	return 0;
}

static int
return_at_once(void *arg)
{
	return (int)(uintptr_t)arg;
}

static int
cancel_the_waiter_as_a_task_ends(void *arg)
{
	struct torc_task *waiter = fake_shard_spawn(wait_for_next, NULL);
	struct torc_task *other = fake_shard_spawn(wait_for_next, NULL);

	torc_cancel(other);
	assert_int_equal(torc_join(other, NULL), 0);
	assert_int_equal(torc_join(waiter, NULL), 0);
	spawn(20);
	waiter = fake_shard_spawn(wait_for_next, NULL);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(torc_group_spawn(arg, return_at_once, (void *)5), 0);
	assert_int_equal(torc_yield(), 0);
	torc_cancel(waiter);
	assert_int_equal(torc_join(waiter, NULL), 0);
	torc_group_cancel_join(arg);
	return 0;
}

static void
a_result_that_was_handed_over_survives_the_cancel(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	run(cancel_the_waiter_as_a_task_ends);

	snprintf(expected, sizeof(expected), "0 %d 5=5", -ECANCELED);
	assert_string_equal(f->loop.trace, expected);
}

static int
try_before_and_after(void *arg)
{
	struct torc_group_result result;

	assert_int_equal(torc_group_try_next(arg, &result), 0);
	spawn(5);
	assert_int_equal(torc_group_try_next(arg, &result), -EAGAIN);
	assert_int_equal(torc_sleep(10 * TORC_MS), 0);
	assert_int_equal(torc_group_try_next(arg, &result), 1);
	assert_int_equal(result.result, 5);
	assert_int_equal(torc_group_try_next(arg, &result), 0);
	return torc_group_join(arg);
}

static void
try_next_never_waits(void **state)
{
	(void)state;
	run(try_before_and_after);
}

static int
spawn_one_for_each(void *arg)
{
	unsigned ended = 0;

	for (unsigned ms = 1; ms <= 4; ms++)
		spawn(ms);
	while (next() == 1)
		if (++ended <= 4)
			spawn(10);
	return torc_group_join(arg);
}

static void
tasks_may_be_added_while_results_are_taken(void **state)
{
	struct fixture *f = *state;

	run(spawn_one_for_each);

	assert_string_equal(
		f->loop.trace, "1=1 2=2 3=3 4=4 10=10 10=10 10=10 10=10 0");
}

static int
fail_one_of_three(void *arg)
{
	((struct torc_group *)arg)->cancel_on_error = true;
	spawn(30);
	assert_int_equal(torc_group_spawn(arg, return_at_once, (void *)-7), 0);
	spawn(40);
	while (next() == 1)
		;
	trace("%d", torc_group_join(arg));
	return 0;
}

static void
an_error_cancels_the_rest_whose_results_come_too(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	run(fail_one_of_three);

	snprintf(expected, sizeof(expected), "%u=-7 30=%d 40=%d 0 -7",
		(unsigned)-7, -ECANCELED, -ECANCELED);
	assert_string_equal(f->loop.trace, expected);
	assert_int_equal(fake_elapsed_ns(), 0);
}

static int
select_on_join(void *arg)
{
	struct torc_future joined;
	struct torc_sleep sleep;
	struct torc_future *both[] = { &joined, &sleep.done };

	spawn(5);
	torc_group_join_start(arg, &joined);
	torc_sleep_start(&sleep, 10 * TORC_MS);
	trace("%d", torc_select(both, 2));
	trace("%d", (int)joined.value);
	spawn(50);
	torc_group_join_start(arg, &joined);
	torc_sleep_start(&sleep, 10 * TORC_MS);
	trace("%d", torc_select(both, 2));
	trace("%d", (int)joined.value);
	assert_int_equal(torc_group_count(arg), 0);
	return 0;
}

static void
a_join_that_loses_a_select_ends_its_tasks(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	run(select_on_join);

	snprintf(expected, sizeof(expected), "0 0 1 %d", -ECANCELED);
	assert_string_equal(f->loop.trace, expected);
}

struct job {
	struct torc_group group;
	struct torc_group_waiter next;
	struct torc_future joined;
};

/* What takes the freed group's place, for who still looks there. */
static struct torc_future trap;
static struct job job;

static void
end_job(struct torc_future *joined)
{
	trace("joined=%d", (int)joined->value);
	torc_future_init(&trap, NULL, NULL);
	memset(&job, 0, sizeof(job));
	job.group._joiner = &trap;
}

static void
join_job(struct torc_future *next)
{
	trace("next=%d", (int)next->value);
	torc_group_join_start(&job.group, &job.joined);
	torc_future_then(&job.joined, end_job, NULL);
}

static int
let_the_last_result_end_the_job(void *arg)
{
	(void)arg;
	torc_group_init(&job.group);
	job.group.collect = true;
	assert_int_equal(torc_group_spawn(&job.group, count_ms, (void *)1), 0);
	torc_group_next_start(&job.group, &job.next);
	torc_future_then(&job.next.done, join_job, NULL);
	return torc_sleep(10 * TORC_MS);
}

static void
who_gets_the_last_result_may_join_and_free_the_group(void **state)
{
	struct fixture *f = *state;

	run(let_the_last_result_end_the_job);

	assert_string_equal(f->loop.trace, "next=1 joined=0");
	assert_false(torc_future_is_ready(&trap));
	assert_ptr_equal(job.group._joiner, &trap);
}

static void
free_job(struct torc_future *joined)
{
	free(torc_future_waiter(joined));
	trace("freed");
}

static void
join_job_of_its_own(struct torc_future *next)
{
	struct job *own = torc_future_waiter(next);

	torc_group_join_start(&own->group, &own->joined);
	torc_future_then(&own->joined, free_job, own);
}

static int
let_the_last_result_free_the_job(void *arg)
{
	struct job *own = malloc(sizeof(*own));

	(void)arg;
	assert_non_null(own);
	torc_group_init(&own->group);
	own->group.collect = true;
	assert_int_equal(torc_group_spawn(&own->group, count_ms, (void *)1), 0);
	torc_group_next_start(&own->group, &own->next);
	torc_future_then(&own->next.done, join_job_of_its_own, own);
	return torc_sleep(10 * TORC_MS);
}

/* For the address sanitizer. */
static void
nobody_looks_at_a_group_that_its_last_result_freed(void **state)
{
	struct fixture *f = *state;

	run(let_the_last_result_free_the_job);

	assert_string_equal(f->loop.trace, "freed");
}

/* ---- simulated ---- */

static int
sleep_at_random(void *arg)
{
	int ret = torc_sleep(torc_sim_random(TORC_S));

	return ret < 0 ? ret : (int)(uintptr_t)arg;
}

static int
collect_in_a_simulation(void *arg)
{
	struct torc_group group;
	struct torc_group_result result;
	uint32_t seen = 0;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	group.collect = true;
	for (uintptr_t i = 0; i < 20 && ret == 0; i++)
		ret = torc_group_spawn(&group, sleep_at_random, (void *)i);
	while (ret >= 0 && (ret = torc_group_next(&group, &result)) == 1) {
		uint32_t bit = UINT32_C(1) << (uintptr_t)result.arg;

		if (result.result != (int)(uintptr_t)result.arg || seen & bit)
			ret = -EPROTO;
		seen |= bit;
		if (torc_sim_random(60) == 0)
			break;
	}
	if (ret == 0 && seen != (UINT32_C(1) << 20) - 1)
		ret = -EPROTO;
	torc_group_cancel_join(&group);
	return ret < 0 ? ret : 0;
}

static void
simulated_results_come_once_each(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };

	(void)state;
	assert_int_equal(torc_sim_search(&options, NULL, 50,
				 collect_in_a_simulation, NULL, NULL),
		0);
}

/* ---- mistakes ---- */

static int
next_without_collect(void *arg)
{
	((struct torc_group *)arg)->collect = false;
	return next();
}

static int
two_wait_for_next(void *arg)
{
	struct torc_group_waiter a, b;

	spawn(1);
	torc_group_next_start(arg, &a);
	torc_group_next_start(arg, &b);
	return 0;
}

static int
join_while_one_waits_for_next(void *arg)
{
	struct torc_group_waiter a;

	spawn(1);
	torc_group_next_start(arg, &a);
	return torc_group_join(arg);
}

static torc_task_fn *mistake;

static int
make_the_mistake(void)
{
	void *state;

	set_up_collecting(&state);
	run(mistake);
	return 0;
}

static void
a_mistake_ends_the_process_and_is_named(void **state)
{
	static const struct {
		torc_task_fn *fn;
		const char *words;
	} rows[] = {
		{ next_without_collect, "set its collect" },
		{ two_wait_for_next, "torc_group_next: somebody waits" },
		{ join_while_one_waits_for_next,
			"torc_group_join: somebody waits" },
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		mistake = rows[i].fn;
		assert_says(last_words(make_the_mistake), rows[i].words);
	}
}

#define WITH_GROUP(test) \
	cmocka_unit_test_setup_teardown(test, set_up_collecting, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GROUP(results_come_in_the_order_in_which_the_tasks_ended),
		WITH_GROUP(results_are_kept_until_they_are_taken),
		WITH_GROUP(a_join_drops_what_nobody_took),
		WITH_GROUP(an_interrupted_next_takes_and_cancels_nothing),
		WITH_GROUP(next_can_be_selected_on),
		WITH_GROUP(a_result_that_was_handed_over_survives_the_cancel),
		WITH_GROUP(try_next_never_waits),
		WITH_GROUP(tasks_may_be_added_while_results_are_taken),
		WITH_GROUP(an_error_cancels_the_rest_whose_results_come_too),
		WITH_GROUP(a_join_that_loses_a_select_ends_its_tasks),
		WITH_GROUP(
			who_gets_the_last_result_may_join_and_free_the_group),
		WITH_GROUP(nobody_looks_at_a_group_that_its_last_result_freed),
		cmocka_unit_test(simulated_results_come_once_each),
		cmocka_unit_test(a_mistake_ends_the_process_and_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/group_next", tests, NULL, NULL);
}
