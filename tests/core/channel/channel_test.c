/* SPDX-License-Identifier: MIT */
/*
 * Goal    A channel keeps order and its bound, is fair to those who wait,
 *         says when it is over, and neither a cancel nor a select that loses
 *         takes an item with it.
 * Method  Tasks of one fake shard, so that who comes when is exact. What
 *         panics does so in a child.
 */
#include <string.h>

#include "core/channel/queue_priv.h"
#include "tests/core/channel/fixture.h"

#define MANY 1000

static void
items_come_out_in_order_lap_after_lap(void **state)
{
	(void)state;
	for (unsigned capacity = 1; capacity <= 9; capacity++) {
		int in = 0, out = 0;

		if (channel != NULL)
			torc_channel_release(channel);
		make_channel(capacity);
		assert_int_equal(torc_channel_capacity(channel), capacity);
		for (unsigned round = 0; round < 40; round++) {
			for (unsigned i = 0; i < 1 + round % capacity; i++)
				assert_int_equal(try_send(in++), 0);
			assert_int_equal(torc_channel_count(channel), in - out);
			while (out < in)
				assert_int_equal(try_recv(), out++);
			assert_int_equal(try_recv(), -EAGAIN);
		}
	}
}

static void
one_past_its_capacity_does_not_fit(void **state)
{
	(void)state;
	make_channel(3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_send(i), 0);

	assert_int_equal(try_send(3), -EAGAIN);
	assert_int_equal(torc_channel_count(channel), 3);
	assert_int_equal(try_recv(), 0);
	assert_int_equal(try_send(4), 0);
	assert_int_equal(try_send(5), -EAGAIN);
}

static void
what_cannot_be_made_is_refused(void **state)
{
	struct torc_channel *none;

	(void)state;
	make_channel(1);
	assert_int_equal(torc_channel_create(&none, 4, 0), -EINVAL);
	assert_int_equal(torc_channel_create(&none, 4, 0x80000001u), -EINVAL);
	assert_int_equal(
		torc_channel_create(&none, ((size_t)1 << 30) + 1, 1), -EINVAL);
}

struct big {
	uint8_t bytes[77];
};

static void
items_of_any_size_are_copied_whole(void **state)
{
	struct torc_channel *big, *empty;
	struct big in, out;

	(void)state;
	make_channel(1);
	assert_int_equal(torc_channel_create(&big, sizeof(in), 5), 0);
	assert_int_equal(torc_channel_create(&empty, 0, 2), 0);
	for (unsigned i = 0; i < 20; i++) {
		memset(&in, (int)i, sizeof(in));
		assert_int_equal(torc_channel_try_send(big, &in), 0);
		assert_int_equal(torc_channel_try_recv(big, &out), 0);
		assert_memory_equal(&in, &out, sizeof(in));
		assert_int_equal(torc_channel_try_send(empty, NULL), 0);
		assert_int_equal(torc_channel_try_recv(empty, NULL), 0);
	}
	torc_channel_release(big);
	torc_channel_release(empty);
}

static int
send_some_and_close(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, NULL), 0);
	assert_int_equal(torc_yield(), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(send_item(i), 0);
	torc_channel_close(channel);
	torc_channel_close(channel);
	trace("closed");
	assert_true(torc_channel_is_closed(channel));
	assert_int_equal(send_item(9), -EPIPE);
	assert_int_equal(try_send(9), -EPIPE);
	return 0;
}

static void
what_is_inside_is_received_after_the_close(void **state)
{
	make_channel(8);
	assert_trace(
		*state, send_some_and_close, NULL, "closed 0 1 2 3 4 over");
}

static int
close_on_a_waiting_receiver(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, NULL), 0);
	assert_int_equal(torc_yield(), 0);
	torc_channel_close(channel);
	return 0;
}

static void
a_close_wakes_the_receiver(void **state)
{
	make_channel(8);
	assert_trace(*state, close_on_a_waiting_receiver, NULL, "over");
}

static int
send_one_and_trace(void *arg)
{
	int item = (int)(uintptr_t)arg, ret = send_item(item);

	trace("%d%s", item, mark_of(ret));
	return 0;
}

static int
let_senders_wait(void *arg)
{
	struct torc_task *tasks[6];
	int item;

	(void)arg;
	assert_int_equal(send_item(100), 0);
	for (uintptr_t i = 0; i < 6; i++)
		tasks[i] = fake_shard_spawn(send_one_and_trace, (void *)i);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(recv_item(), 100);
	/* There is room for no moment: who waited longest has it. */
	assert_int_equal(try_send(9), -EAGAIN);
	torc_cancel_join(tasks[2], NULL);
	for (item = 0; item < 4; item++)
		assert_int_equal(recv_item(), item < 2 ? item : item + 1);
	torc_channel_close(channel);
	assert_int_equal(recv_item(), 5);
	assert_int_equal(recv_item(), -EPIPE);
	for (int i = 0; i < 6; i++)
		if (i != 2)
			assert_int_equal(torc_join(tasks[i], NULL), 0);
	return 0;
}

static void
senders_that_wait_are_served_in_their_order(void **state)
{
	make_channel(1);
	assert_trace(*state, let_senders_wait, NULL, "0 2c 1 3 4 5");
}

static void
nobody_passes_those_who_wait(void **state)
{
	static _Alignas(8) unsigned char slots[16];
	struct torc_queue queue;
	uint64_t item = 1;
	bool wakes = false;

	(void)state;
	make_channel(1);
	torc__queue_init(&queue, 1, sizeof(item), slots);
	torc__queue_hold_back(&queue);
	assert_int_equal(torc__queue_put(&queue, &item, false, &wakes), -EBUSY);
	assert_int_equal(torc__queue_put(&queue, &item, true, &wakes), 0);
	torc__queue_let_pass(&queue);
	assert_int_equal(torc__queue_take(&queue, &item, &wakes), 0);
	assert_int_equal(torc__queue_put(&queue, &item, false, &wakes), 0);
	assert_false(wakes);
}

static int
close_on_waiting_senders(void *arg)
{
	(void)arg;
	assert_int_equal(send_item(100), 0);
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(
			torc_spawn(NULL, send_one_and_trace, (void *)i), 0);
	assert_int_equal(torc_yield(), 0);
	torc_channel_close(channel);
	assert_int_equal(recv_item(), 100);
	assert_int_equal(recv_item(), -EPIPE);
	return 0;
}

static void
a_close_turns_waiting_senders_away(void **state)
{
	make_channel(1);
	assert_trace(*state, close_on_waiting_senders, NULL, "0p 1p 2p");
}

static int
send_in_vain(void *arg)
{
	(void)arg;
	return send_item(7);
}

static int
cancel_many_senders(void *arg)
{
	static struct torc_task *tasks[MANY];
	int result;

	(void)arg;
	assert_int_equal(send_item(1), 0);
	for (int i = 0; i < MANY; i++)
		tasks[i] = fake_shard_spawn(send_in_vain, NULL);
	for (int i = 0; i < 2 * MANY / 256; i++)
		assert_int_equal(torc_yield(), 0);
	assert_int_equal(torc_channel_count(channel), 1);
	for (int i = MANY - 1; i >= 0; i--) {
		torc_cancel_join(tasks[i], &result);
		assert_int_equal(result, -ECANCELED);
	}
	assert_int_equal(recv_item(), 1);
	/* Nobody is held back any more, and nothing of theirs is inside. */
	assert_int_equal(try_recv(), -EAGAIN);
	assert_int_equal(try_send(2), 0);
	assert_int_equal(try_recv(), 2);
	return 0;
}

static void
a_thousand_cancelled_senders_leave_nothing_behind(void **state)
{
	make_channel(1);
	fake_shard_run(*state, cancel_many_senders, NULL);
}

static int
select_and_lose(void *arg)
{
	struct torc_channel_wait wait;

	(void)arg;
	torc_channel_recv_start(channel, &wait);
	assert_int_equal(lose_to_a_sleep(&wait, false), -ECANCELED);

	/* Both are ready when the select looks: the item stays. */
	torc_channel_recv_start(channel, &wait);
	assert_int_equal(try_send(5), 0);
	assert_int_equal(lose_to_a_sleep(&wait, true), 0);
	assert_int_equal(torc_channel_count(channel), 1);
	assert_int_equal(try_recv(), 5);
	return 0;
}

static void
a_select_that_loses_loses_no_item(void **state)
{
	make_channel(2);
	fake_shard_run(*state, select_and_lose, NULL);
}

static int
cancel_before_it_begins(void *arg)
{
	struct torc_task *task = torc_self();

	(void)arg;
	assert_int_equal(try_send(3), 0);
	torc_cancel(task);
	assert_int_equal(recv_item(), -ECANCELED);
	assert_int_equal(send_item(4), -ECANCELED);
	assert_int_equal(torc_channel_count(channel), 1);
	assert_int_equal(try_recv(), 3);
	return 0;
}

static void
a_cancelled_task_neither_sends_nor_takes(void **state)
{
	make_channel(2);
	fake_shard_run(*state, cancel_before_it_begins, NULL);
}

static int
cancel_a_woken_receiver(void *arg)
{
	struct torc_task *task;

	(void)arg;
	task = fake_shard_spawn(recv_and_trace, NULL);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(try_send(1), 0);
	torc_cancel_join(task, NULL);
	return 0;
}

static void
an_item_that_beat_the_cancel_is_delivered(void **state)
{
	make_channel(2);
	assert_trace(*state, cancel_a_woken_receiver, NULL, "1 canceled");
}

static int
cancel_a_waiting_receiver(void *arg)
{
	struct torc_task *task;

	(void)arg;
	task = fake_shard_spawn(recv_and_trace, NULL);
	assert_int_equal(torc_yield(), 0);
	torc_cancel_join(task, NULL);
	assert_int_equal(try_send(1), 0);
	assert_int_equal(recv_item(), 1);
	return 0;
}

static void
a_cancelled_receiver_may_be_followed_by_another(void **state)
{
	make_channel(2);
	assert_trace(*state, cancel_a_waiting_receiver, NULL, "canceled");
}

static int
be_greedy(void *arg)
{
	unsigned turns = 0;

	(void)arg;
	assert_int_equal(torc_spawn(NULL, yield_until_closed, &turns), 0);
	for (int i = 0; i < 20 * TORC__TASK_BUDGET; i++) {
		assert_int_equal(send_item(i), 0);
		assert_int_equal(recv_item(), i);
	}
	torc_channel_close(channel);
	assert_in_range(turns, 39, 41);
	assert_int_equal(torc_yield(), 0);
	return 0;
}

static void
a_task_that_never_waits_still_lets_others_run(void **state)
{
	make_channel(4);
	fake_shard_run(*state, be_greedy, NULL);
}

/* ---- mistakes ---- */

static int
recv_twice(void)
{
	struct torc_channel_wait first, second;

	open_with_channel(1);
	torc_channel_recv_start(channel, &first);
	torc_channel_recv_start(channel, &second);
	return 0;
}

static int
take_what_another_was_woken_for(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, NULL), 0);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(try_send(1), 0);
	assert_int_equal(try_recv(), 1);
	return torc_yield();
}

static int
recv_beside_one_who_waits(void)
{
	return fake_shard_run(
		open_with_channel(1), take_what_another_was_woken_for, NULL);
}

static int
release_under_a_receiver(void)
{
	struct torc_channel_wait wait;

	open_with_channel(1);
	torc_channel_recv_start(channel, &wait);
	torc_channel_release(channel);
	return 0;
}

static int
release_under_a_sender(void)
{
	struct torc_channel_wait wait;
	int item = 0;

	open_with_channel(1);
	assert_int_equal(try_send(1), 0);
	torc_channel_send_start(channel, &item, &wait);
	torc_channel_release(channel);
	return 0;
}

static int
recv_outside_a_task(void)
{
	make_channel(1);
	return recv_item();
}

static int
start_outside_a_shard(void)
{
	struct torc_channel_wait wait;

	make_channel(1);
	torc_channel_recv_start(channel, &wait);
	return 0;
}

static int
block_on_a_shard(void)
{
	int item = 0;

	open_with_channel(1);
	return torc_channel_send_blocking(channel, &item);
}

static int
recv_blocking_on_a_shard(void)
{
	int item = 0;

	open_with_channel(1);
	assert_int_equal(try_send(1), 0);
	return torc_channel_recv_blocking(channel, &item);
}

static void
a_mistake_is_named(void **state)
{
	static const struct mistake_row mistakes[] = {
		{ recv_twice, "two receive from one channel" },
		{ recv_beside_one_who_waits, "two receive from one channel" },
		{ release_under_a_receiver, "while somebody waits" },
		{ release_under_a_sender, "while somebody waits" },
		{ recv_outside_a_task, "outside a task" },
		{ start_outside_a_shard, "outside a shard" },
		{ block_on_a_shard, "use torc_channel_send()" },
		{ recv_blocking_on_a_shard, "use torc_channel_recv()" },
	};

	(void)state;
	assert_mistakes(mistakes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(items_come_out_in_order_lap_after_lap),
		CASE(one_past_its_capacity_does_not_fit),
		CASE(what_cannot_be_made_is_refused),
		CASE(items_of_any_size_are_copied_whole),
		CASE(what_is_inside_is_received_after_the_close),
		CASE(a_close_wakes_the_receiver),
		CASE(senders_that_wait_are_served_in_their_order),
		CASE(nobody_passes_those_who_wait),
		CASE(a_close_turns_waiting_senders_away),
		CASE(a_thousand_cancelled_senders_leave_nothing_behind),
		CASE(a_select_that_loses_loses_no_item),
		CASE(a_cancelled_task_neither_sends_nor_takes),
		CASE(an_item_that_beat_the_cancel_is_delivered),
		CASE(a_cancelled_receiver_may_be_followed_by_another),
		CASE(a_task_that_never_waits_still_lets_others_run),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name("core/channel", tests, NULL, NULL);
}
