/* SPDX-License-Identifier: MIT */
/*
 * Goal    One item arrives once; each end learns that the other has closed;
 *         no cancel takes an item with it.
 * Method  Tasks of one fake shard, so that who comes when is exact. What
 *         panics does so in a child.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/channel/oneshot.h>

static struct torc_oneshot *oneshot;

static int
set_up(void **state)
{
	assert_int_equal(torc_oneshot_create(&oneshot, sizeof(int)), 0);
	return fake_shard_set_up(state);
}

static int
tear_down(void **state)
{
	torc_oneshot_release(oneshot);
	return fake_shard_tear_down(state);
}

static int
send_item(int item)
{
	return torc_oneshot_send(oneshot, &item);
}

/* The item, or -errno. */
static int
try_recv_item(void)
{
	int item = -1;
	int ret = torc_oneshot_try_recv(oneshot, &item);

	return ret < 0 ? ret : item;
}

static int
recv_and_trace(void *arg)
{
	int item = -1;
	int ret = torc_oneshot_recv(oneshot, &item);

	(void)arg;
	trace("%d", ret < 0 ? ret : item);
	return ret;
}

static void
an_item_that_is_there_is_taken_at_once(void **state)
{
	(void)state;
	assert_int_equal(try_recv_item(), -EAGAIN);
	assert_int_equal(send_item(7), 0);
	assert_int_equal(try_recv_item(), 7);
}

static int
recv_then_send(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, NULL), 0);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(send_item(7), 0);
	return 0;
}

static void
a_receiver_waits_for_the_item(void **state)
{
	assert_trace(*state, recv_then_send, NULL, "7");
}

static int
recv_then_close(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, NULL), 0);
	assert_int_equal(torc_yield(), 0);
	assert_false(torc_oneshot_is_closed(oneshot));
	torc_oneshot_close(oneshot);
	torc_oneshot_close(oneshot);
	assert_true(torc_oneshot_is_closed(oneshot));
	return 0;
}

static void
a_close_wakes_the_receiver(void **state)
{
	struct fake_shard *f = *state;
	char expected[16];

	fake_shard_run(f, recv_then_close, NULL);

	snprintf(expected, sizeof(expected), "%d", -EPIPE);
	assert_string_equal(f->trace, expected);
}

static void
what_was_sent_before_the_close_arrives(void **state)
{
	(void)state;
	assert_int_equal(send_item(7), 0);
	torc_oneshot_close(oneshot);
	assert_int_equal(try_recv_item(), 7);
}

static void
what_is_sent_after_the_close_goes_nowhere(void **state)
{
	(void)state;
	torc_oneshot_close(oneshot);
	assert_int_equal(send_item(7), -EPIPE);
	assert_int_equal(try_recv_item(), -EPIPE);
	assert_int_equal(try_recv_item(), -EPIPE);
}

static int
cancel_at_each_stage(void *arg)
{
	struct torc_channel_wait wait;
	struct torc_task *task;
	int result;

	(void)arg;
	task = fake_shard_spawn(recv_and_trace, NULL);
	assert_int_equal(torc_yield(), 0);
	torc_cancel_join(task, &result);
	assert_int_equal(result, -ECANCELED);

	/* Nothing is taken by a wait, cancelled or not. */
	torc_oneshot_recv_start(oneshot, &wait);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, -ECANCELED);
	torc_oneshot_recv_start(oneshot, &wait);
	assert_int_equal(send_item(9), 0);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, 0);

	torc_cancel(torc_self());
	assert_int_equal(torc_oneshot_recv(oneshot, &result), -ECANCELED);
	assert_int_equal(try_recv_item(), 9);
	return 0;
}

static void
no_cancel_takes_the_item_with_it(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_at_each_stage, NULL);
}

static void
an_item_of_no_bytes_and_one_too_big(void **state)
{
	struct torc_oneshot *other;

	(void)state;
	assert_int_equal(torc_oneshot_create(&other, 0), 0);
	assert_int_equal(torc_oneshot_send(other, NULL), 0);
	assert_int_equal(torc_oneshot_try_recv(other, NULL), 0);
	torc_oneshot_release(other);
	assert_int_equal(
		torc_oneshot_create(&other, ((size_t)1 << 30) + 1), -EINVAL);
}

/* ---- mistakes ---- */

static struct fake_shard child;

static void
open_child(void)
{
	fake_shard_open(&child);
	assert_int_equal(torc_oneshot_create(&oneshot, sizeof(int)), 0);
}

static int
send_twice(void)
{
	open_child();
	return send_item(1) + send_item(2);
}

static int
take_twice(void)
{
	open_child();
	return send_item(1) + try_recv_item() + try_recv_item();
}

static int
wait_twice(void)
{
	struct torc_channel_wait first, second;

	open_child();
	torc_oneshot_recv_start(oneshot, &first);
	torc_oneshot_recv_start(oneshot, &second);
	return 0;
}

static int
release_under_a_receiver(void)
{
	struct torc_channel_wait wait;

	open_child();
	torc_oneshot_recv_start(oneshot, &wait);
	torc_oneshot_release(oneshot);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	static const struct mistake_row mistakes[] = {
		{ send_twice, "a second torc_oneshot_send()" },
		{ take_twice, "a second torc_oneshot_recv()" },
		{ wait_twice, "two receive from one oneshot" },
		{ release_under_a_receiver, "while somebody waits" },
	};

	(void)state;
	assert_mistakes(mistakes);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_item_that_is_there_is_taken_at_once),
		CASE(a_receiver_waits_for_the_item),
		CASE(a_close_wakes_the_receiver),
		CASE(what_was_sent_before_the_close_arrives),
		CASE(what_is_sent_after_the_close_goes_nowhere),
		CASE(no_cancel_takes_the_item_with_it),
		CASE(an_item_of_no_bytes_and_one_too_big),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name("core/oneshot", tests, NULL, NULL);
}
