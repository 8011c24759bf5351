/* SPDX-License-Identifier: MIT */
/*
 * Goal    A barrier lets go so many at a time, one of them as its leader,
 *         round after round; one that was cancelled has not come.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/barrier.h>

#include "tests/core/sync/support.h"

static struct torc_barrier barrier;

static int
come(void *name)
{
	trace("%s-%s", (char *)name, ending(torc_barrier_wait(&barrier)));
	return 0;
}

static void
spawn_all(const char *const *names)
{
	for (; *names != NULL; names++)
		assert_int_equal(
			torc_spawn(NULL, come, (void *)(uintptr_t)*names), 0);
	let_others_wait();
}

static int
two_rounds(void *arg)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", NULL };

	(void)arg;
	torc_barrier_init(&barrier, 3);
	spawn_all(names);
	trace("|");
	trace("f-%s", ending(torc_barrier_wait(&barrier)));
	let_others_wait();
	torc_barrier_fini(&barrier);
	return 0;
}

static void
each_round_has_one_leader_and_goes_on_in_order(void **state)
{
	assert_trace(*state, two_rounds, NULL, "c-1 a-ok b-ok | f-1 d-ok e-ok");
}

static int
come_alone(void *arg)
{
	(void)arg;
	torc_barrier_init(&barrier, 0);
	trace("%s", ending(torc_barrier_wait(&barrier)));
	torc_barrier_init(&barrier, 1);
	trace("%s", ending(torc_barrier_wait(&barrier)));
	trace("%s", ending(torc_barrier_wait(&barrier)));
	return 0;
}

static void
a_barrier_for_one_or_none_lets_all_go(void **state)
{
	assert_trace(*state, come_alone, NULL, "1 1 1");
}

static int
cancel_some(void *arg)
{
	static const char *const names[] = { "c", "d", NULL };
	struct torc_task *early, *task;

	(void)arg;
	torc_barrier_init(&barrier, 3);
	early = fake_shard_spawn(come, "early");
	torc_cancel(early);
	task = fake_shard_spawn(come, "a");
	assert_int_equal(torc_spawn(NULL, come, "b"), 0);
	let_others_wait();
	torc_cancel_join(task, NULL);
	assert_int_equal(torc_join(early, NULL), 0);
	/* Two have gone: b, c and d make three. */
	spawn_all(names);
	torc_barrier_fini(&barrier);
	return 0;
}

static void
one_that_was_cancelled_has_not_come(void **state)
{
	assert_trace(*state, cancel_some, NULL,
		"early-canceled a-canceled d-1 b-ok c-ok");
}

static int
cancel_after_the_last(void *arg)
{
	struct torc_task *task;
	struct torc_deadline scope;

	(void)arg;
	torc_barrier_init(&barrier, 2);
	task = fake_shard_spawn(come, "a");
	let_others_wait();
	trace("%s", ending(torc_barrier_wait(&barrier)));
	torc_cancel(task);
	assert_int_equal(torc_join(task, NULL), 0);
	torc_deadline_begin(&scope, TORC_MS);
	trace("%s", ending(torc_barrier_wait(&barrier)));
	torc_deadline_end(&scope);
	torc_barrier_fini(&barrier);
	return 0;
}

static void
a_cancel_after_the_last_has_come_is_too_late(void **state)
{
	assert_trace(*state, cancel_after_the_last, NULL, "1 a-ok late");
}

static struct torc_waiter waiters[3];

static void
on_last(struct torc_future *done)
{
	trace("%s", ending(done->value));
	for (int i = 0; i < 3; i++)
		torc_future_cancel(&waiters[i].done);
}

static int
come_as_functions(void *arg)
{
	(void)arg;
	torc_barrier_init(&barrier, 3);
	for (int i = 0; i < 2; i++) {
		torc_barrier_wait_start(&barrier, &waiters[i]);
		torc_future_then(&waiters[i].done, on_last, NULL);
	}
	torc_barrier_wait_start(&barrier, &waiters[2]);
	trace("%s", ending(waiters[2].done.value));
	/* The count is right: one alone waits. */
	torc_barrier_wait_start(&barrier, &waiters[0]);
	torc_barrier_wait_start(&barrier, &waiters[1]);
	assert_false(torc_future_is_ready(&waiters[1].done));
	torc_future_cancel(&waiters[0].done);
	torc_future_cancel(&waiters[1].done);
	torc_barrier_fini(&barrier);
	return 0;
}

static void
who_is_let_go_can_cancel_nobody_of_its_round(void **state)
{
	assert_trace(*state, come_as_functions, NULL, "ok ok 1");
}

/* ---- mistakes ---- */

static int
end_it_waited_for(void *arg)
{
	(void)arg;
	torc_barrier_init(&barrier, 2);
	assert_int_equal(torc_spawn(NULL, come, "a"), 0);
	let_others_wait();
	torc_barrier_fini(&barrier);
	return 0;
}

static int
forget_the_init(void *arg)
{
	(void)arg;
	memset(&barrier, 0, sizeof(barrier));
	return torc_barrier_wait(&barrier);
}

static void
a_mistake_is_named(void **state)
{
	(void)state;
	assert_mistake(end_it_waited_for, NULL, "a barrier ends", "waits");
	assert_mistake(forget_the_init, NULL, "_tasks_count > 0", "barrier");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(each_round_has_one_leader_and_goes_on_in_order),
		WITH_SHARD(a_barrier_for_one_or_none_lets_all_go),
		WITH_SHARD(one_that_was_cancelled_has_not_come),
		WITH_SHARD(a_cancel_after_the_last_has_come_is_too_late),
		WITH_SHARD(who_is_let_go_can_cancel_nobody_of_its_round),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/sync/barrier", tests, NULL, NULL);
}
