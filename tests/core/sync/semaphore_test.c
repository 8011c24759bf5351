/* SPDX-License-Identifier: MIT */
/*
 * Goal    Permits are neither lost nor made, whoever asks for many is not
 *         overtaken, and a close ends all waiting.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/semaphore.h>

#include "tests/core/sync/support.h"

static struct torc_semaphore semaphore;

/* Takes as many as the name says and keeps them for a millisecond. */
static int
take(void *name)
{
	uint32_t count = (uint32_t)(*(char *)name - '0');
	int ret = torc_semaphore_acquire(&semaphore, count);

	trace("%s-%s", (char *)name, ending(ret));
	if (ret < 0)
		return ret;
	torc_sleep(TORC_MS);
	torc_semaphore_release(&semaphore, count);
	return 0;
}

static void
spawn_takers(const char *const *names)
{
	for (; *names != NULL; names++)
		assert_int_equal(
			torc_spawn(NULL, take, (void *)(uintptr_t)*names), 0);
}

static int
take_and_try(void *arg)
{
	(void)arg;
	torc_semaphore_init(&semaphore, 3);
	assert_int_equal(torc_semaphore_acquire(&semaphore, 2), 0);
	assert_int_equal(torc_semaphore_available(&semaphore), 1);
	assert_int_equal(torc_semaphore_try_acquire(&semaphore, 2), -EAGAIN);
	assert_int_equal(torc_semaphore_try_acquire(&semaphore, 1), 0);
	assert_int_equal(torc_semaphore_try_acquire(&semaphore, 0), 0);
	assert_int_equal(torc_semaphore_acquire(&semaphore, 0), 0);
	assert_int_equal(torc_semaphore_try_acquire(&semaphore, 1), -EAGAIN);
	torc_semaphore_release(&semaphore, 3);
	assert_int_equal(torc_semaphore_available(&semaphore), 3);
	torc_semaphore_fini(&semaphore);
	return 0;
}

static void
permits_that_are_there_are_had_at_once(void **state)
{
	fake_shard_run(*state, take_and_try, NULL);
}

static int
ask_for_many(void *arg)
{
	static const char *const names[] = { "2", "3", "1", "1", NULL };

	(void)arg;
	torc_semaphore_init(&semaphore, 3);
	spawn_takers(names);
	let_others_wait();
	/* One is left, and it is not for those who came later. */
	assert_int_equal(torc_semaphore_available(&semaphore), 1);
	assert_int_equal(torc_semaphore_try_acquire(&semaphore, 1), -EAGAIN);
	trace("|");
	assert_int_equal(torc_sleep(TORC_MS * 3 / 2), 0);
	trace("|");
	return 0;
}

static void
who_asks_for_many_is_not_overtaken(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, ask_for_many, NULL);

	assert_string_equal(f->trace, "2-ok | 3-ok | 1-ok 1-ok");
	assert_int_equal(torc_semaphore_available(&semaphore), 3);
}

static int
cancel_the_first(void *arg)
{
	static const char *const names[] = { "1", "2", "3", NULL };
	struct torc_task *task, *early;

	(void)arg;
	torc_semaphore_init(&semaphore, 3);
	task = fake_shard_spawn(take, "9");
	spawn_takers(names);
	early = fake_shard_spawn(take, "0");
	torc_cancel(early);
	let_others_wait();
	trace("|");
	torc_cancel_join(task, NULL);
	return torc_join(early, NULL);
}

static void
a_cancelled_acquire_lets_the_next_go_on(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_the_first, NULL);

	assert_string_equal(f->trace, "0-canceled | 9-canceled 1-ok 2-ok 3-ok");
	assert_int_equal(torc_semaphore_available(&semaphore), 3);
}

static int
cancel_after_the_permit(void *arg)
{
	struct torc_task *task;
	struct torc_deadline scope;

	(void)arg;
	torc_semaphore_init(&semaphore, 0);
	task = fake_shard_spawn(take, "2");
	let_others_wait();
	torc_semaphore_release(&semaphore, 2);
	torc_cancel(task);
	assert_int_equal(torc_semaphore_available(&semaphore), 0);
	assert_int_equal(torc_join(task, NULL), 0);
	assert_int_equal(torc_semaphore_available(&semaphore), 2);
	torc_deadline_begin(&scope, TORC_MS);
	trace("%s", ending(torc_semaphore_acquire(&semaphore, 3)));
	torc_deadline_end(&scope);
	assert_int_equal(torc_semaphore_available(&semaphore), 2);
	return 0;
}

static void
a_permit_that_came_before_the_cancel_is_had(void **state)
{
	assert_trace(*state, cancel_after_the_permit, NULL, "2-ok late");
}

static int
close_it(void *arg)
{
	static const char *const names[] = { "1", "2", NULL };

	(void)arg;
	torc_semaphore_init(&semaphore, 0);
	spawn_takers(names);
	let_others_wait();
	assert_false(torc_semaphore_is_closed(&semaphore));
	torc_semaphore_close(&semaphore);
	torc_semaphore_close(&semaphore);
	assert_true(torc_semaphore_is_closed(&semaphore));
	trace("|");
	torc_semaphore_release(&semaphore, 5);
	trace("%s", ending(torc_semaphore_acquire(&semaphore, 1)));
	trace("%s", ending(torc_semaphore_try_acquire(&semaphore, 1)));
	return 0;
}

static void
a_close_ends_all_waiting(void **state)
{
	assert_trace(
		*state, close_it, NULL, "| closed closed 1-closed 2-closed");
}

static struct torc_waiter chain[3];

/* The first that is woken cancels the third, and frees the semaphore. */
static void
on_permit(struct torc_future *done)
{
	trace("%d-%s", (int)(intptr_t)torc_future_waiter(done),
		ending(done->value));
	torc_future_cancel(&chain[2].done);
	memset(&semaphore, 0xff, sizeof(semaphore));
}

static int
wake_functions(void *arg)
{
	(void)arg;
	torc_semaphore_init(&semaphore, 0);
	for (intptr_t i = 0; i < 3; i++) {
		torc_semaphore_acquire_start(&semaphore, 1, &chain[i]);
		torc_future_then(&chain[i].done, on_permit, (void *)i);
	}
	torc_semaphore_release(&semaphore, 3);
	return 0;
}

static void
a_function_that_is_woken_may_cancel_others_and_free_it(void **state)
{
	assert_trace(*state, wake_functions, NULL, "0-ok 1-ok 2-ok");
}

static int
select_on_permits(void *arg)
{
	struct torc_waiter few, many;
	struct torc_future *futures[] = { &many.done, &few.done };

	(void)arg;
	torc_semaphore_init(&semaphore, 2);
	torc_semaphore_acquire_start(&semaphore, 5, &many);
	torc_semaphore_acquire_start(&semaphore, 1, &few);
	assert_false(torc_future_is_ready(&few.done));
	torc_future_cancel(&many.done);
	torc_future_cancel(&many.done);
	assert_int_equal(torc_select(futures, 2), 0);
	assert_int_equal(many.done.value, -ECANCELED);
	assert_int_equal(few.done.value, 0);
	assert_int_equal(torc_semaphore_available(&semaphore), 1);
	torc_semaphore_fini(&semaphore);
	return 0;
}

static void
an_acquire_can_be_selected_on(void **state)
{
	fake_shard_run(*state, select_on_permits, NULL);
}

/* ---- mistakes ---- */

static int
release_too_many(void *arg)
{
	(void)arg;
	torc_semaphore_init(&semaphore, UINT32_MAX - 1);
	torc_semaphore_release(&semaphore, 1);
	assert_int_equal(torc_semaphore_available(&semaphore), UINT32_MAX);
	torc_semaphore_release(&semaphore, 1);
	return 0;
}

static int
end_it_waited_for(void *arg)
{
	(void)arg;
	torc_semaphore_init(&semaphore, 0);
	assert_int_equal(torc_spawn(NULL, take, "1"), 0);
	let_others_wait();
	torc_semaphore_fini(&semaphore);
	return 0;
}

static int
wait_without_a_shard(void *arg)
{
	struct torc_waiter waiter;

	(void)arg;
	torc_semaphore_init(&semaphore, 0);
	torc__shard = NULL;
	torc_semaphore_acquire_start(&semaphore, 1, &waiter);
	return 0;
}

static void
on_timer(struct torc_future *done)
{
	(void)done;
	(void)!torc_semaphore_acquire(&semaphore, 1);
}

static int
wait_in_a_function(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	torc_semaphore_init(&semaphore, 1);
	torc_sleep_start(&sleep, TORC_MS);
	torc_future_then(&sleep.done, on_timer, NULL);
	return torc_sleep(TORC_S);
}

static void
a_mistake_is_named(void **state)
{
	(void)state;
	assert_mistake(release_too_many, NULL, "more than it can", "twice");
	assert_mistake(end_it_waited_for, NULL, "a semaphore ends", "waits");
	assert_mistake(wait_without_a_shard, NULL, "outside a task", "spawn");
	assert_mistake(wait_in_a_function, NULL, "outside a task", "spawn");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(permits_that_are_there_are_had_at_once),
		WITH_SHARD(who_asks_for_many_is_not_overtaken),
		WITH_SHARD(a_cancelled_acquire_lets_the_next_go_on),
		WITH_SHARD(a_permit_that_came_before_the_cancel_is_had),
		WITH_SHARD(a_close_ends_all_waiting),
		WITH_SHARD(
			a_function_that_is_woken_may_cancel_others_and_free_it),
		WITH_SHARD(an_acquire_can_be_selected_on),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/sync/semaphore", tests, NULL, NULL);
}
