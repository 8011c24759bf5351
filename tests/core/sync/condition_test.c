/* SPDX-License-Identifier: MIT */
/*
 * Goal    A wait leaves the mutex and returns with it, whatever ended it; a
 *         signal wakes the oldest, a broadcast all, each with the mutex.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/condition.h>

#include "tests/core/sync/support.h"

static struct torc_condition changed;
static struct torc_mutex mutex;

/* Keeps the mutex for a while after it was woken. */
static int
wait_named(void *name)
{
	int ret = torc_mutex_lock(&mutex);

	torc_task_name_set(name);
	if (ret == 0) {
		ret = torc_condition_wait(&changed, &mutex);
		trace("%s-%s", (char *)name, ending(ret));
		torc_sleep(TORC_MS);
		trace("%s-", (char *)name);
		torc_mutex_unlock(&mutex);
	}
	return ret;
}

static int
signal_in_turn(void *arg)
{
	static const char *const names[] = { "a", "b", "c", "d", NULL };

	(void)arg;
	torc_condition_init(&changed);
	torc_condition_signal(&changed);
	torc_condition_broadcast(&changed);
	spawn_waiters(wait_named, names);
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_condition_signal(&changed);
	let_others_wait();
	trace("unlock");
	torc_mutex_unlock(&mutex);
	assert_int_equal(torc_sleep(2 * TORC_MS), 0);
	trace("all");
	torc_condition_broadcast(&changed);
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	trace("mine");
	torc_mutex_unlock(&mutex);
	torc_condition_fini(&changed);
	return 0;
}

static void
a_signal_wakes_one_and_a_broadcast_all(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, signal_in_turn, NULL);

	assert_string_equal(
		f->trace, "unlock a-ok a- all b-ok b- c-ok c- d-ok d- mine");
	torc_mutex_fini(&mutex);
}

static int
cancel_with_the_mutex_held(void *arg)
{
	static const char *const names[] = { "b", NULL };
	struct torc_task *task;

	(void)arg;
	task = fake_shard_spawn(wait_named, "a");
	spawn_waiters(wait_named, names);
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_cancel(task);
	let_others_wait();
	trace("unlock");
	/* It was no waiter any more: the signal is for the other. */
	torc_condition_signal(&changed);
	torc_mutex_unlock(&mutex);
	assert_int_equal(torc_join(task, NULL), 0);
	return 0;
}

static void
a_cancelled_wait_has_the_mutex_and_no_signal(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_with_the_mutex_held, NULL);

	assert_string_equal(f->trace, "unlock a-canceled a- b-ok b-");
	torc_mutex_fini(&mutex);
}

static int
cancel_before_and_after(void *arg)
{
	struct torc_task *early, *late;

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_mutex_unlock(&mutex);
	late = fake_shard_spawn(wait_named, "late");
	let_others_wait();
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_condition_signal(&changed);
	torc_cancel(late);
	torc_mutex_unlock(&mutex);
	assert_int_equal(torc_join(late, NULL), 0);
	early = torc_self();
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_cancel(early);
	trace("%s", ending(torc_condition_wait(&changed, &mutex)));
	assert_true(torc_mutex_is_locked(&mutex));
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
a_signal_before_the_cancel_counts(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_before_and_after, NULL);

	assert_string_equal(f->trace, "late-ok late- canceled");
	torc_mutex_fini(&mutex);
}

static int
wait_within_a_deadline(void *arg)
{
	struct torc_deadline scope;
	struct torc_waiter waiter;

	(void)arg;
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_deadline_begin(&scope, TORC_MS);
	trace("%s", ending(torc_condition_wait(&changed, &mutex)));
	torc_deadline_end(&scope);
	assert_true(torc_mutex_is_locked(&mutex));
	torc_condition_wait_start(&changed, &mutex, &waiter);
	assert_false(torc_mutex_is_locked(&mutex));
	torc_future_cancel(&waiter.done);
	trace("%s", ending(torc_await(&waiter.done)));
	torc_mutex_unlock(&mutex);
	return 0;
}

static void
a_deadline_ends_the_wait_with_the_mutex(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, wait_within_a_deadline, NULL);

	assert_string_equal(f->trace, "late canceled");
	torc_mutex_fini(&mutex);
}

/* ---- mistakes ---- */

static int
wait_without_it(void *arg)
{
	torc_task_name_set("anna");
	if (arg != NULL)
		torc_cancel(torc_self());
	return torc_condition_wait(&changed, &mutex);
}

static int
wait_with_anothers(void *arg)
{
	torc_task_name_set("bert");
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	assert_int_equal(torc_spawn(NULL, wait_without_it, arg), 0);
	return torc_sleep(TORC_S);
}

static int
end_it_waited_for(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, wait_named, "a"), 0);
	let_others_wait();
	torc_condition_fini(&changed);
	return 0;
}

static int
end_while_it_waits(void *arg)
{
	static struct torc_waiter waiter;

	(void)arg;
	torc_task_name_set("carl");
	assert_int_equal(torc_mutex_lock(&mutex), 0);
	torc_condition_wait_start(&changed, &mutex, &waiter);
	return 0;
}

static void
a_mistake_is_named_with_who_made_it(void **state)
{
	(void)state;
	assert_mistake(wait_without_it, NULL, "task anna", "nor does another");
	assert_mistake(wait_without_it, "", "task anna", "nor does another");
	assert_mistake(wait_with_anothers, NULL, "anna does not", "bert does");
	assert_mistake(end_it_waited_for, NULL, "a condition ends", "waits");
	assert_mistake(end_while_it_waits, NULL, "task carl ended", "1 lock");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_signal_wakes_one_and_a_broadcast_all),
		WITH_SHARD(a_cancelled_wait_has_the_mutex_and_no_signal),
		WITH_SHARD(a_signal_before_the_cancel_counts),
		WITH_SHARD(a_deadline_ends_the_wait_with_the_mutex),
		cmocka_unit_test(a_mistake_is_named_with_who_made_it),
	};

	return cmocka_run_group_tests_name(
		"core/sync/condition", tests, NULL, NULL);
}
