/* SPDX-License-Identifier: MIT */
/*
 * Goal    A mutex has one holder, goes to the one that waited longest, and
 *         is never held by a task that was told it is not.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/mutex.h>

#include "tests/core/sync/support.h"

static struct torc_mutex mutex;

/* Holds it for a millisecond. */
static int
hold(void *name)
{
	int ret;

	torc_task_name_set(name);
	ret = torc_mutex_lock(&mutex);
	trace("%s-%s", (char *)name, ending(ret));
	if (ret < 0)
		return ret;
	torc_sleep(TORC_MS);
	trace("%s-", (char *)name);
	torc_mutex_unlock(&mutex);
	return 0;
}

static int
lock_and_unlock(void *arg)
{
	(void)arg;
	assert_false(torc_mutex_is_locked(&mutex));
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_true(torc_mutex_is_locked(&mutex));
	torc_mutex_unlock(&mutex);
	assert_int_equal(torc_mutex_try_lock(&mutex), 0);
	assert_int_equal(torc_mutex_try_lock(&mutex), -EAGAIN);
	torc_mutex_unlock(&mutex);
	torc_mutex_fini(&mutex);
	return 0;
}

static void
a_free_mutex_is_had_at_once(void **state)
{
	fake_shard_run(*state, lock_and_unlock, NULL);
}

static int
spawn_three(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, hold, "a"), 0);
	assert_int_equal(torc_spawn(NULL, hold, "b"), 0);
	assert_int_equal(torc_spawn(NULL, hold, "c"), 0);
	return 0;
}

static void
it_is_handed_over_in_the_order_of_the_calls(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, spawn_three, NULL);

	assert_string_equal(f->trace, "a-ok a- b-ok b- c-ok c-");
	assert_false(torc_mutex_is_locked(&mutex));
}

static int
lock_again_at_once(void *arg)
{
	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_int_equal(torc_spawn(NULL, hold, "a"), 0);
	let_others_wait();
	torc_mutex_unlock(&mutex);
	trace("unlocked");
	assert_int_equal(torc_mutex_try_lock(&mutex), -EAGAIN);
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	trace("mine");
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
who_unlocks_gets_it_again_after_those_that_wait(void **state)
{
	assert_trace(*state, lock_again_at_once, NULL, "unlocked a-ok a- mine");
}

static int
cancel_at_each_point(void *arg)
{
	struct torc_task *task[3];

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	task[0] = fake_shard_spawn(hold, "early");
	torc_cancel(task[0]);
	task[1] = fake_shard_spawn(hold, "waiting");
	task[2] = fake_shard_spawn(hold, "next");
	let_others_wait();
	torc_cancel(task[1]);
	let_others_wait();
	torc_mutex_unlock(&mutex);
	/* It has the mutex, and has not run since. */
	torc_cancel(task[2]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(torc_join(task[i], NULL), 0);
	torc_mutex_fini(&mutex);
	return 0;
}

static void
a_cancel_leaves_the_queue_or_comes_too_late(void **state)
{
	assert_trace(*state, cancel_at_each_point, NULL,
		"early-canceled waiting-canceled next-ok next-");
}

static int
cancel_the_middle(void *arg)
{
	struct torc_task *task;

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_int_equal(torc_spawn(NULL, hold, "a"), 0);
	task = fake_shard_spawn(hold, "b");
	assert_int_equal(torc_spawn(NULL, hold, "c"), 0);
	let_others_wait();
	torc_cancel_join(task, NULL);
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
a_cancel_in_the_middle_of_the_queue_leaves_its_order(void **state)
{
	assert_trace(
		*state, cancel_the_middle, NULL, "b-canceled a-ok a- c-ok c-");
}

static int
lock_within_a_deadline(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	assert_int_equal(torc_spawn(NULL, hold, "a"), 0);
	let_others_wait();
	torc_deadline_begin(&scope, TORC_MS / 2);
	trace("%s", ending(torc_mutex_lock(&mutex)));
	torc_deadline_end(&scope);
	trace("%s", ending(torc_mutex_lock(&mutex)));
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
a_deadline_ends_the_wait(void **state)
{
	assert_trace(*state, lock_within_a_deadline, NULL, "a-ok late a- ok");
}

static int
select_on_a_lock(void *arg)
{
	struct torc_waiter waiter;
	struct torc_sleep sleep;
	struct torc_future *futures[] = { &waiter.done, &sleep.done };

	(void)arg;
	assert_int_equal(torc_spawn(NULL, hold, "a"), 0);
	let_others_wait();
	torc_mutex_lock_start(&mutex, &waiter);
	torc_sleep_start(&sleep, TORC_MS / 2);
	assert_int_equal(torc_select(futures, 2), 1);
	trace("%s", ending(waiter.done.value));
	torc_mutex_lock_start(&mutex, &waiter);
	torc_sleep_start(&sleep, TORC_S);
	assert_int_equal(torc_select(futures, 2), 0);
	trace("%s", ending(waiter.done.value));
	torc_mutex_unlock(&mutex);
	torc_mutex_fini(&mutex);
	return 0;
}

static void
a_lock_can_be_selected_on(void **state)
{
	assert_trace(*state, select_on_a_lock, NULL, "a-ok canceled a- ok");
}

static void
on_lock(struct torc_future *done)
{
	trace("callback-%s", ending(done->value));
	torc_mutex_unlock(&mutex);
}

static int
lock_with_a_function(void *arg)
{
	struct torc_waiter waiter;

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_mutex_unlock(&mutex);
	torc_mutex_lock_start(&mutex, &waiter);
	assert_true(torc_future_is_ready(&waiter.done));
	torc_future_then(&waiter.done, on_lock, NULL);
	assert_false(torc_mutex_is_locked(&mutex));
	return 0;
}

static void
a_function_can_be_called_with_the_lock(void **state)
{
	assert_trace(*state, lock_with_a_function, NULL, "callback-ok");
}

static int
lock_for_ever(void *is_over)
{
	while (!*(bool *)is_over) {
		assert_int_equal(torc_mutex_lock(&mutex), 0);
		torc_mutex_unlock(&mutex);
	}
	return 0;
}

static int
be_polite(void *is_over)
{
	for (int i = 0; i < 3; i++)
		assert_int_equal(torc_yield(), 0);
	*(bool *)is_over = true;
	return 0;
}

static int
be_greedy(void *arg)
{
	static bool is_over;

	(void)arg;
	is_over = false;
	assert_int_equal(torc_spawn(NULL, lock_for_ever, &is_over), 0);
	assert_int_equal(torc_spawn(NULL, be_polite, &is_over), 0);
	return 0;
}

static void
a_task_that_always_finds_it_free_yields_all_the_same(void **state)
{
	fake_shard_run(*state, be_greedy, NULL);
}

/* ---- mistakes ---- */

static int
unlock_named(void *name)
{
	torc_task_name_set(name);
	torc_mutex_unlock(&mutex);
	return 0;
}

static int
unlock_anothers(void *arg)
{
	(void)arg;
	torc_task_name_set("anna");
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_int_equal(torc_spawn(NULL, unlock_named, "bert"), 0);
	return torc_sleep(TORC_S);
}

static int
lock_twice(void *arg)
{
	(void)arg;
	torc_task_name_set("carl");
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	return torc_mutex_lock(&mutex);
}

static int
end_it_locked(void *arg)
{
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_task_name_set("dora");
	if (arg != NULL) {
		assert_int_equal(torc_spawn(NULL, hold, "waits"), 0);
		let_others_wait();
	}
	torc_mutex_fini(&mutex);
	return 0;
}

static int
end_with_it(void *by_try)
{
	torc_task_name_set("fred");
	if (by_try != NULL)
		return torc_mutex_try_lock(&mutex);
	return torc_mutex_lock(&mutex);
}

/* Two, of which the second was handed over. */
static int
end_with_two(void *arg)
{
	static struct torc_mutex another;

	if (arg != NULL) {
		assert_int_equal(torc_mutex_lock(&mutex), 0);
		assert_int_equal(torc_spawn(NULL, end_with_two, NULL), 0);
		let_others_wait();
		torc_mutex_unlock(&mutex);
		return 0;
	}
	torc_task_name_set("gina");
	assert_int_equal(torc_mutex_lock(&another), 0);
	return torc_mutex_lock(&mutex);
}

static int
end_while_it_waits(void *arg)
{
	static struct torc_waiter waiter;

	if (arg != NULL) {
		assert_int_equal(torc_mutex_lock(&mutex), 0);
		assert_int_equal(torc_spawn(NULL, end_while_it_waits, NULL), 0);
		return torc_sleep(TORC_S);
	}
	torc_task_name_set("hugo");
	torc_mutex_lock_start(&mutex, &waiter);
	return 0;
}

static int
use_from_another_shard(void *arg)
{
	static struct torc_shard other;

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_int_equal(torc_spawn(NULL, hold, "waits"), 0);
	let_others_wait();
	mutex._waiters._shard = &other;
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
on_timer(struct torc_future *done)
{
	(void)done;
	if (torc_mutex_lock(&mutex) == 0)
		torc_mutex_unlock(&mutex);
}

static int
lock_outside_a_task(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	torc_sleep_start(&sleep, TORC_MS);
	torc_future_then(&sleep.done, on_timer, NULL);
	return torc_sleep(TORC_S);
}

static void
a_mistake_is_named_with_who_made_it(void **state)
{
	(void)state;
	assert_mistake(unlock_anothers, NULL, "task bert does not hold",
		"task anna does");
	assert_mistake(unlock_named, "emil", "task emil", "nor does another");
	assert_mistake(lock_twice, NULL, "holds already", "task carl");
	assert_mistake(end_it_locked, NULL, "a mutex ends", "task dora holds");
	assert_mistake(end_it_locked, "", "a mutex ends", "waits for it");
	assert_mistake(use_from_another_shard, NULL, "another shard", "");
	assert_mistake(lock_outside_a_task, NULL,
		"torc_mutex_lock outside a task", "");
	assert_mistake(end_with_it, NULL, "task fred ended holding 1 lock", "");
	assert_mistake(end_with_it, "", "task fred ended holding 1 lock", "");
	assert_mistake(end_with_two, "", "task gina ended holding 2 locks", "");
	assert_mistake(end_while_it_waits, "", "task hugo ended", "waiting");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_free_mutex_is_had_at_once),
		WITH_SHARD(it_is_handed_over_in_the_order_of_the_calls),
		WITH_SHARD(who_unlocks_gets_it_again_after_those_that_wait),
		WITH_SHARD(a_cancel_leaves_the_queue_or_comes_too_late),
		WITH_SHARD(
			a_cancel_in_the_middle_of_the_queue_leaves_its_order),
		WITH_SHARD(a_deadline_ends_the_wait),
		WITH_SHARD(a_lock_can_be_selected_on),
		WITH_SHARD(a_function_can_be_called_with_the_lock),
		WITH_SHARD(
			a_task_that_always_finds_it_free_yields_all_the_same),
		cmocka_unit_test(a_mistake_is_named_with_who_made_it),
	};

	return cmocka_run_group_tests_name(
		"core/sync/mutex", tests, NULL, NULL);
}
