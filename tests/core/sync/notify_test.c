/* SPDX-License-Identifier: MIT */
/*
 * Goal    A notification reaches one waiter, or all of them in their order;
 *         none is lost to a cancel, and 100,000 waiters hold nobody up.
 * Method  Real tasks on a fake engine; they write down what they get.
 */
#include <torc/core/sync/notify.h>

#include "tests/core/sync/support.h"

static struct torc_notify notify;

static int
wait_named(void *name)
{
	trace("%s-%s", (char *)name, ending(torc_notify_wait(&notify)));
	return 0;
}

static int
notify_before(void *arg)
{
	struct torc_deadline scope;

	(void)arg;
	torc_notify_init(&notify);
	torc_notify_all(&notify);
	torc_notify_one(&notify);
	torc_notify_one(&notify);
	trace("%s", ending(torc_notify_wait(&notify)));
	torc_deadline_begin(&scope, TORC_MS);
	trace("%s", ending(torc_notify_wait(&notify)));
	torc_deadline_end(&scope);
	torc_notify_fini(&notify);
	return 0;
}

static void
one_notification_waits_for_a_waiter_and_no_more(void **state)
{
	assert_trace(*state, notify_before, NULL, "ok late");
}

static int
notify_in_turn(void *arg)
{
	static const char *const names[] = { "a", "b", "c", "d", NULL };

	(void)arg;
	spawn_waiters(wait_named, names);
	torc_notify_one(&notify);
	trace("one");
	let_others_wait();
	torc_notify_all(&notify);
	trace("all");
	let_others_wait();
	/* All of them are gone: this one is kept. */
	torc_notify_one(&notify);
	return torc_notify_wait(&notify);
}

static void
one_wakes_the_oldest_and_all_wakes_the_rest_in_order(void **state)
{
	struct fake_shard *f = *state;

	assert_int_equal(fake_shard_run(f, notify_in_turn, NULL), 0);

	assert_string_equal(f->trace, "one a-ok all b-ok c-ok d-ok");
}

static int
cancel_waiters(void *arg)
{
	struct torc_task *tasks[3];

	(void)arg;
	torc_notify_one(&notify);
	tasks[0] = fake_shard_spawn(wait_named, "early");
	torc_cancel(tasks[0]);
	assert_int_equal(torc_join(tasks[0], NULL), 0);
	/* The notification is still there. */
	assert_int_equal(torc_notify_wait(&notify), 0);

	tasks[1] = fake_shard_spawn(wait_named, "waiting");
	tasks[2] = fake_shard_spawn(wait_named, "next");
	let_others_wait();
	torc_cancel(tasks[1]);
	torc_notify_one(&notify);
	torc_cancel(tasks[2]);
	assert_int_equal(torc_join(tasks[1], NULL), 0);
	assert_int_equal(torc_join(tasks[2], NULL), 0);
	return 0;
}

static void
a_notification_is_not_lost_to_a_cancel(void **state)
{
	assert_trace(*state, cancel_waiters, NULL,
		"early-canceled waiting-canceled next-ok");
}

static int
lose_a_select(void *arg)
{
	static const char *const names[] = { "a", NULL };
	struct torc_waiter loser;
	struct torc_future never;
	struct torc_future *futures[] = { &never, &loser.done };

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	torc_notify_wait_start(&notify, &loser);
	spawn_waiters(wait_named, names);
	torc_future_complete(&never, 0);
	torc_notify_one(&notify);
	assert_int_equal(torc_select(futures, 2), 0);
	assert_int_equal(loser.done.value, 0);
	trace("pass");
	torc_notify_one(&notify);
	return 0;
}

static void
a_loser_of_a_select_can_pass_its_notification_on(void **state)
{
	assert_trace(*state, lose_a_select, NULL, "pass a-ok");
}

static struct torc_waiter again, other;
static bool has_waited_again;

static void
on_notify(struct torc_future *done)
{
	trace("%s-%s", (char *)torc_future_waiter(done), ending(done->value));
	torc_future_cancel(&other.done);
	if (done == &again.done && !has_waited_again) {
		has_waited_again = true;
		torc_notify_wait_start(&notify, &again);
		torc_future_then(&again.done, on_notify, "again");
	}
}

static int
notify_functions(void *arg)
{
	(void)arg;
	torc_notify_wait_start(&notify, &again);
	torc_future_then(&again.done, on_notify, "first");
	torc_notify_wait_start(&notify, &other);
	torc_future_then(&other.done, on_notify, "other");
	torc_notify_all(&notify);
	trace("|");
	torc_future_cancel(&again.done);
	torc_notify_fini(&notify);
	return 0;
}

static void
a_function_that_waits_again_is_not_woken_twice(void **state)
{
	assert_trace(*state, notify_functions, NULL,
		"first-ok other-ok | again-canceled");
}

/* ---- very many ---- */

#define MANY 100000

static struct {
	uint32_t woken_count;
	uint32_t disorders_count;
	uint32_t polite_count; /* how often the polite task had its turn */
	uint32_t nops_count;   /* how many of its operations are done */
} many;

static int
wait_in_turn(void *arg)
{
	assert_int_equal(torc_notify_wait(&notify), 0);
	many.disorders_count += many.woken_count != (uint32_t)(uintptr_t)arg;
	many.woken_count++;
	return 0;
}

/* Has an operation in flight all the time. */
static int
be_polite(void *arg)
{
	struct nop nop;

	(void)arg;
	while (many.woken_count < MANY) {
		nop_start(&nop);
		assert_int_equal(torc_await(&nop.done), 0);
		many.polite_count++;
	}
	return 0;
}

/* One turn, and what it has submitted is done. */
static void
turn_and_complete(struct fake_shard *f)
{
	fake_shard_turn(f, 1);
	if (fake_count(&f->shard.ring, IORING_OP_NOP) > many.nops_count)
		nop_complete(many.nops_count++, 0);
}

static int
spawn_very_many(void *arg)
{
	(void)arg;
	for (uintptr_t i = 0; i < MANY; i++)
		if (torc_spawn(NULL, wait_in_turn, (void *)i) < 0)
			fail_msg("no memory for %u stacks", MANY);
	return torc_spawn(NULL, be_polite, NULL);
}

static void
a_hundred_thousand_wake_in_order_and_hold_nobody_up(void **state)
{
	struct fake_shard *f = *state;
	uint32_t turns = 0;

#if defined(TORC__ASAN) || defined(TORC__TSAN)
	skip(); /* a sanitizer's shadow of so many stacks takes too much */
#endif
	assert_int_equal(torc_spawn(NULL, spawn_very_many, NULL), 0);
	fake_shard_turn(f, MANY / TORC__READY_MAX + 2);

	torc_notify_all(&notify);
	assert_int_equal(many.woken_count, 0);
	for (; many.woken_count < MANY; turns++) {
		uint32_t before = many.woken_count;

		turn_and_complete(f);
		/* One more is resumed by the loop itself. */
		assert_in_range(
			many.woken_count - before, 1, TORC__READY_MAX + 1);
	}
	turn_and_complete(f);
	turn_and_complete(f);

	assert_int_equal(many.disorders_count, 0);
	assert_in_range(turns, MANY / TORC__READY_MAX, MANY);
	/* One turn submits, the next one brings the completion. */
	assert_in_range(many.polite_count, turns / 2 - 1, turns / 2 + 1);
}

/* ---- mistakes ---- */

static int
end_it_waited_for(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, wait_named, "a"), 0);
	let_others_wait();
	torc_notify_fini(&notify);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	(void)state;
	assert_mistake(end_it_waited_for, NULL, "a notify ends", "waits");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(one_notification_waits_for_a_waiter_and_no_more),
		WITH_SHARD(
			one_wakes_the_oldest_and_all_wakes_the_rest_in_order),
		WITH_SHARD(a_notification_is_not_lost_to_a_cancel),
		WITH_SHARD(a_loser_of_a_select_can_pass_its_notification_on),
		WITH_SHARD(a_function_that_waits_again_is_not_woken_twice),
		WITH_SHARD(a_hundred_thousand_wake_in_order_and_hold_nobody_up),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/sync/notify", tests, NULL, NULL);
}
