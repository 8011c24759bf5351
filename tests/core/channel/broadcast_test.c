/* SPDX-License-Identifier: MIT */
/*
 * Goal    Every subscriber sees every item from its own start on; one that is
 *         too slow is told exactly how many it has missed; nobody waits for
 *         what is there, or for what will never come.
 * Method  Tasks of one fake shard. What panics does so in a child.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/channel/broadcast.h>
#include <torc/core/sleep.h>

#define CAPACITY 4
#define MANY 1000

static struct torc_broadcast *broadcast;

static int
set_up(void **state)
{
	assert_int_equal(
		torc_broadcast_create(&broadcast, sizeof(int), CAPACITY), 0);
	return fake_shard_set_up(state);
}

static int
tear_down(void **state)
{
	torc_broadcast_release(broadcast);
	return fake_shard_tear_down(state);
}

static int
send_item(int item)
{
	return torc_broadcast_send(broadcast, &item);
}

/* The item, or -errno. */
static int
try_recv_item(struct torc_subscriber *subscriber)
{
	int item = -1;
	int ret = torc_broadcast_try_recv(subscriber, &item);

	return ret < 0 ? ret : item;
}

static void
each_sees_all_from_its_own_start_on(void **state)
{
	struct torc_subscriber early, late;

	(void)state;
	assert_int_equal(send_item(0), 0);
	torc_broadcast_subscribe(broadcast, &early);
	assert_int_equal(send_item(1), 1);
	torc_broadcast_subscribe(broadcast, &late);
	assert_int_equal(send_item(2), 2);

	assert_int_equal(try_recv_item(&early), 1);
	assert_int_equal(try_recv_item(&early), 2);
	assert_int_equal(try_recv_item(&early), -EAGAIN);
	assert_int_equal(try_recv_item(&late), 2);
	assert_int_equal(try_recv_item(&late), -EAGAIN);
	torc_broadcast_unsubscribe(&early);
	assert_int_equal(send_item(3), 1);
	torc_broadcast_unsubscribe(&late);
}

static void
who_is_too_slow_is_told_how_many_it_missed(void **state)
{
	struct torc_subscriber slow;

	(void)state;
	torc_broadcast_subscribe(broadcast, &slow);
	for (int i = 0; i < CAPACITY; i++)
		assert_int_equal(send_item(i), 1);
	assert_int_equal(try_recv_item(&slow), 0);
	assert_int_equal(send_item(4), 1);
	/* As far behind as it may be; then one further. */
	assert_int_equal(try_recv_item(&slow), 1);
	for (int i = 5; i < 9; i++)
		assert_int_equal(send_item(i), 1);
	assert_int_equal(try_recv_item(&slow), -EOVERFLOW);

	assert_int_equal(slow.missed_count, 3);
	for (int i = 5; i < 9; i++)
		assert_int_equal(try_recv_item(&slow), i);
	assert_int_equal(try_recv_item(&slow), -EAGAIN);
	torc_broadcast_unsubscribe(&slow);
}

static int
recv_and_trace(void *arg)
{
	struct torc_subscriber subscriber;
	int item, ret;

	torc_broadcast_subscribe(broadcast, &subscriber);
	while ((ret = torc_broadcast_recv(&subscriber, &item)) == 0)
		trace("%s%d", (const char *)arg, item);
	trace(ret == -EPIPE ? "over" : ret == -ECANCELED ? "canceled" : "?");
	torc_broadcast_unsubscribe(&subscriber);
	return ret;
}

static int
send_to_two(void *arg)
{
	char a[] = "a", b[] = "b";
	struct torc_task *task;

	(void)arg;
	assert_int_equal(torc_spawn(NULL, recv_and_trace, a), 0);
	task = fake_shard_spawn(recv_and_trace, b);
	assert_int_equal(torc_yield(), 0);
	assert_int_equal(send_item(1), 2);
	assert_int_equal(torc_yield(), 0);
	torc_cancel_join(task, NULL);
	assert_int_equal(send_item(2), 1);
	torc_broadcast_close(broadcast);
	torc_broadcast_close(broadcast);
	assert_int_equal(send_item(3), -EPIPE);
	assert_int_equal(torc_yield(), 0);
	return 0;
}

static void
all_who_wait_are_woken_by_items_and_the_end(void **state)
{
	assert_trace(*state, send_to_two, NULL, "a1 b1 canceled a2 over");
}

static int
wait_without_taking(void *arg)
{
	struct torc_subscriber subscriber;
	struct torc_channel_wait wait;
	int item;

	(void)arg;
	torc_broadcast_subscribe(broadcast, &subscriber);
	torc_broadcast_recv_start(&subscriber, &wait);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, -ECANCELED);
	torc_broadcast_recv_start(&subscriber, &wait);
	assert_int_equal(send_item(5), 1);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, 0);
	torc_cancel(torc_self());
	assert_int_equal(torc_broadcast_recv(&subscriber, &item), -ECANCELED);
	assert_int_equal(try_recv_item(&subscriber), 5);
	torc_broadcast_close(broadcast);
	torc_broadcast_recv_start(&subscriber, &wait);
	assert_int_equal(wait.done.value, -EPIPE);
	torc_broadcast_unsubscribe(&subscriber);
	return 0;
}

static void
a_wait_takes_no_item(void **state)
{
	fake_shard_run(*state, wait_without_taking, NULL);
}

static int
recv_once(void *arg)
{
	struct torc_subscriber subscriber;
	unsigned *sum = arg;
	int item = 0;

	torc_broadcast_subscribe(broadcast, &subscriber);
	assert_int_equal(torc_broadcast_recv(&subscriber, &item), 0);
	*sum += (unsigned)item;
	torc_broadcast_unsubscribe(&subscriber);
	return 0;
}

static int
send_to_many(void *arg)
{
	for (int i = 0; i < MANY; i++)
		assert_int_equal(torc_spawn(NULL, recv_once, arg), 0);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	assert_int_equal(send_item(3), MANY);
	return 0;
}

static void
a_thousand_that_wait_all_see_it(void **state)
{
	unsigned sum = 0;

	fake_shard_run(*state, send_to_many, &sum);

	assert_int_equal(sum, 3 * MANY);
}

/* The last one would name whoever waits. */
static void
who_holds_it_keeps_it(void **state)
{
	struct torc_subscriber subscriber;
	struct torc_channel_wait wait;

	(void)state;
	torc_broadcast_subscribe(broadcast, &subscriber);
	torc_broadcast_recv_start(&subscriber, &wait);
	torc_broadcast_unsubscribe(&subscriber);
	assert_ptr_equal(torc_broadcast_hold(broadcast), broadcast);
	torc_broadcast_release(broadcast);
	torc_broadcast_close(broadcast);
	assert_int_equal(wait.done.value, -EPIPE);
}

static void
what_cannot_be_made_is_refused(void **state)
{
	struct torc_broadcast *none;

	(void)state;
	assert_int_equal(torc_broadcast_create(&none, 4, 0), -EINVAL);
	assert_int_equal(torc_broadcast_create(&none, 4, 0x80000001u), -EINVAL);
	assert_int_equal(torc_broadcast_create(&none, ((size_t)1 << 30) + 1, 1),
		-EINVAL);
}

static int
release_under_a_receiver(void)
{
	static struct fake_shard child;
	struct torc_subscriber subscriber;
	struct torc_channel_wait wait;

	fake_shard_open(&child);
	assert_int_equal(torc_broadcast_create(&broadcast, 0, 1), 0);
	torc_broadcast_subscribe(broadcast, &subscriber);
	torc_broadcast_recv_start(&subscriber, &wait);
	torc_broadcast_unsubscribe(&subscriber);
	torc_broadcast_release(broadcast);
	return 0;
}

static void
a_release_under_somebody_who_waits_is_named(void **state)
{
	(void)state;
	assert_says(
		last_words(release_under_a_receiver), "while somebody waits");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_sees_all_from_its_own_start_on),
		CASE(who_is_too_slow_is_told_how_many_it_missed),
		CASE(all_who_wait_are_woken_by_items_and_the_end),
		CASE(a_wait_takes_no_item),
		CASE(a_thousand_that_wait_all_see_it),
		CASE(who_holds_it_keeps_it),
		CASE(what_cannot_be_made_is_refused),
		cmocka_unit_test(a_release_under_somebody_who_waits_is_named),
	};

	return cmocka_run_group_tests_name("core/broadcast", tests, NULL, NULL);
}
