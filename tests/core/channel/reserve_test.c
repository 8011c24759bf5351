/* SPDX-License-Identifier: MIT */
/*
 * Goal    Room that is reserved is there when it is used: no other send takes
 *         it, a close does not, and it is given back exactly once; who waits
 *         to reserve and who waits to send are served in one order.
 * Method  Tasks of one fake shard, so that who comes when is exact. What
 *         panics does so in a child.
 */
#include "core/channel/channel_priv.h"
#include "tests/core/channel/fixture.h"

static void
send_reserved(int item)
{
	torc_channel_send_reserved(channel, &item);
}

static void
nobody_takes_room_that_is_reserved(void **state)
{
	(void)state;
	make_channel(3);
	assert_int_equal(torc_channel_try_reserve(channel), 0);
	assert_int_equal(torc_channel_try_reserve(channel), 0);

	assert_int_equal(try_send(1), 0);
	assert_int_equal(try_send(2), -EAGAIN);
	assert_int_equal(torc_channel_try_reserve(channel), -EAGAIN);
	assert_int_equal(torc_channel_count(channel), 1);
	send_reserved(3);
	send_reserved(4);
	assert_int_equal(try_send(5), -EAGAIN);
	assert_int_equal(try_recv(), 1);
	assert_int_equal(try_recv(), 3);
	assert_int_equal(try_recv(), 4);
	assert_int_equal(try_recv(), -EAGAIN);
}

static void
an_item_has_its_place_from_when_it_is_sent(void **state)
{
	(void)state;
	make_channel(4);
	assert_int_equal(torc_channel_try_reserve(channel), 0);
	assert_int_equal(try_send(1), 0);
	/* One who has reserved and does nothing is in nobody's way. */
	assert_int_equal(try_recv(), 1);
	assert_int_equal(try_recv(), -EAGAIN);
	assert_int_equal(try_send(2), 0);
	send_reserved(3);
	assert_int_equal(try_send(4), 0);
	for (int item = 2; item <= 4; item++)
		assert_int_equal(try_recv(), item);
}

static void
what_is_given_back_is_for_others(void **state)
{
	(void)state;
	make_channel(1);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(torc_channel_try_reserve(channel), 0);
		assert_int_equal(try_send(1), -EAGAIN);
		torc_channel_unreserve(channel);
		assert_int_equal(try_send(i), 0);
		assert_int_equal(torc_channel_try_reserve(channel), -EAGAIN);
		assert_int_equal(try_recv(), i);
		/* And then no send takes the lock any more. */
		assert_false(channel->is_held_back);
	}
}

static void
the_bound_holds_lap_after_lap(void **state)
{
	(void)state;
	make_channel(3);
	for (int i = 0; i < 1000; i += 3) {
		assert_int_equal(torc_channel_try_reserve(channel), 0);
		assert_int_equal(try_send(i), 0);
		assert_int_equal(torc_channel_try_reserve(channel), 0);
		assert_int_equal(try_send(9), -EAGAIN);
		send_reserved(i + 1);
		assert_int_equal(try_recv(), i);
		send_reserved(i + 2);
		assert_int_equal(try_recv(), i + 1);
		assert_int_equal(try_recv(), i + 2);
	}
}

/* ---- waiting ---- */

static int
send_and_trace(void *arg)
{
	int item = (int)(uintptr_t)arg;

	trace("s%d%s", item, mark_of(torc_channel_send(channel, &item)));
	return 0;
}

static int
reserve_and_trace(void *arg)
{
	trace("r%d%s", (int)(uintptr_t)arg,
		mark_of(torc_channel_reserve(channel)));
	return 0;
}

static void
start(torc_task_fn *fn, void *arg)
{
	assert_int_equal(torc_spawn(NULL, fn, arg), 0);
}

static int
let_both_wait(void *arg)
{
	struct torc_task *tasks[5];

	(void)arg;
	assert_int_equal(try_send(100), 0);
	for (uintptr_t i = 0; i < 5; i++)
		tasks[i] = fake_shard_spawn(
			i % 2 ? send_and_trace : reserve_and_trace, (void *)i);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(torc_channel_try_reserve(channel), -EAGAIN);
	torc_cancel_join(tasks[2], NULL);
	assert_int_equal(recv_item(), 100);
	/* The first has reserved the one place; the second waits for it. */
	assert_int_equal(torc_yield(), 0);
	send_reserved(7);
	assert_int_equal(recv_item(), 7);
	assert_int_equal(recv_item(), 1);
	assert_int_equal(recv_item(), 3);
	assert_int_equal(torc_join(tasks[4], NULL), 0);
	torc_channel_unreserve(channel);
	for (int i = 0; i < 4; i++)
		if (i != 2)
			assert_int_equal(torc_join(tasks[i], NULL), 0);
	return 0;
}

static void
who_reserves_and_who_sends_wait_in_one_line(void **state)
{
	make_channel(1);
	assert_trace(*state, let_both_wait, NULL, "r2c r0 s1 s3 r4");
}

static int
give_back_to_those_who_wait(void *arg)
{
	(void)arg;
	assert_int_equal(torc_channel_reserve(channel), 0);
	assert_int_equal(torc_channel_reserve(channel), 0);
	start(send_and_trace, (void *)1);
	start(reserve_and_trace, (void *)2);
	assert_int_equal(torc_yield(), 0);
	torc_channel_unreserve(channel);
	assert_int_equal(torc_yield(), 0);
	trace("|");
	torc_channel_unreserve(channel);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(recv_item(), 1);
	torc_channel_unreserve(channel);
	return 0;
}

static void
what_is_given_back_goes_to_who_waited_longest(void **state)
{
	make_channel(2);
	assert_trace(*state, give_back_to_those_who_wait, NULL, "s1 | r2");
}

static int
start_and_cancel(void *arg)
{
	struct torc_channel_wait wait;

	(void)arg;
	assert_int_equal(try_send(1), 0);
	torc_channel_reserve_start(channel, &wait);
	assert_false(torc_future_is_ready(&wait.done));
	torc_future_cancel(&wait.done);
	assert_int_equal(torc_await(&wait.done), -ECANCELED);
	assert_int_equal(recv_item(), 1);
	assert_int_equal(try_send(2), 0);
	assert_int_equal(recv_item(), 2);
	assert_false(channel->is_held_back);

	torc_cancel(torc_self());
	assert_int_equal(torc_channel_reserve(channel), -ECANCELED);
	assert_int_equal(try_send(3), 0);
	return 0;
}

static void
a_cancelled_wait_reserves_nothing(void **state)
{
	make_channel(1);
	fake_shard_run(*state, start_and_cancel, NULL);
}

static int
select_and_lose(void *arg)
{
	struct torc_channel_wait wait;

	(void)arg;
	torc_channel_reserve_start(channel, &wait);
	assert_int_equal(lose_to_a_sleep(&wait, true), 0);
	assert_int_equal(try_send(1), -EAGAIN);
	torc_channel_unreserve(channel);

	assert_int_equal(try_send(1), 0);
	torc_channel_reserve_start(channel, &wait);
	assert_int_equal(lose_to_a_sleep(&wait, false), -ECANCELED);
	assert_int_equal(recv_item(), 1);
	return 0;
}

static void
a_select_that_loses_says_whether_it_has_reserved(void **state)
{
	make_channel(1);
	fake_shard_run(*state, select_and_lose, NULL);
}

/* ---- the end ---- */

static int
close_with_room_reserved(void *arg)
{
	bool is_used = arg != NULL;

	start(recv_and_trace, NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(torc_channel_reserve(channel), 0);
	start(reserve_and_trace, (void *)1);
	start(send_and_trace, (void *)2);
	assert_int_equal(torc_yield(), 0);
	torc_channel_close(channel);
	torc_channel_close(channel);
	assert_true(torc_channel_is_closed(channel));
	assert_int_equal(try_send(3), -EPIPE);
	assert_int_equal(torc_channel_try_reserve(channel), -EPIPE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(torc_yield(), 0);
	trace("closed");
	send_reserved(8);
	assert_int_equal(torc_yield(), 0);
	trace("|");
	if (is_used)
		send_reserved(9);
	else
		torc_channel_unreserve(channel);
	assert_int_equal(try_send(3), -EPIPE);
	return 0;
}

static void
after_a_close_what_is_reserved_is_still_sent(void **state)
{
	make_channel(2);
	assert_trace(*state, close_with_room_reserved, (void *)1,
		"r1p s2p closed 8 | 9 over");
}

static void
the_end_comes_when_the_last_place_is_given_back(void **state)
{
	make_channel(2);
	assert_trace(*state, close_with_room_reserved, NULL,
		"r1p s2p closed 8 | over");
}

static int
be_greedy(void *arg)
{
	unsigned turns = 0;

	(void)arg;
	assert_int_equal(torc_spawn(NULL, yield_until_closed, &turns), 0);
	for (int i = 0; i < 20 * TORC__TASK_BUDGET; i++) {
		assert_int_equal(torc_channel_reserve(channel), 0);
		torc_channel_unreserve(channel);
	}
	torc_channel_close(channel);
	assert_in_range(turns, 19, 21);
	return torc_yield();
}

static void
who_never_waits_to_reserve_still_lets_others_run(void **state)
{
	make_channel(1);
	fake_shard_run(*state, be_greedy, NULL);
}

/* ---- mistakes ---- */

static int
send_what_is_not_reserved(void)
{
	make_channel(2);
	assert_int_equal(torc_channel_try_reserve(channel), 0);
	send_reserved(1);
	send_reserved(2);
	return 0;
}

static int
give_back_twice(void)
{
	make_channel(2);
	assert_int_equal(torc_channel_try_reserve(channel), 0);
	torc_channel_unreserve(channel);
	torc_channel_unreserve(channel);
	return 0;
}

static int
release_with_room_reserved(void)
{
	make_channel(2);
	assert_int_equal(torc_channel_try_reserve(channel), 0);
	torc_channel_release(channel);
	return 0;
}

static int
reserve_outside_a_task(void)
{
	make_channel(2);
	return torc_channel_reserve(channel);
}

static int
start_outside_a_shard(void)
{
	struct torc_channel_wait wait;

	make_channel(2);
	torc_channel_reserve_start(channel, &wait);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	static const struct mistake_row mistakes[] = {
		{ send_what_is_not_reserved,
			"torc_channel_send_reserved: nothing is reserved" },
		{ give_back_twice,
			"torc_channel_unreserve: nothing is reserved" },
		{ release_with_room_reserved, "while room is reserved" },
		{ reserve_outside_a_task, "outside a task" },
		{ start_outside_a_shard, "outside a shard" },
	};

	(void)state;
	assert_mistakes(mistakes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_takes_room_that_is_reserved),
		CASE(an_item_has_its_place_from_when_it_is_sent),
		CASE(what_is_given_back_is_for_others),
		CASE(the_bound_holds_lap_after_lap),
		CASE(who_reserves_and_who_sends_wait_in_one_line),
		CASE(what_is_given_back_goes_to_who_waited_longest),
		CASE(a_cancelled_wait_reserves_nothing),
		CASE(a_select_that_loses_says_whether_it_has_reserved),
		CASE(after_a_close_what_is_reserved_is_still_sent),
		CASE(the_end_comes_when_the_last_place_is_given_back),
		CASE(who_never_waits_to_reserve_still_lets_others_run),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/channel reserve", tests, NULL, NULL);
}
