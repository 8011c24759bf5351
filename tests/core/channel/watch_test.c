/* SPDX-License-Identifier: MIT */
/*
 * Goal    A watch gives the latest value and never an old one, wakes all who
 *         wait for a newer one, and says when no more will come.
 * Method  Tasks of one fake shard. What panics does so in a child.
 */
#include <errno.h>
#include <string.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/channel/watch.h>

static struct torc_watch *watch;

static int
set_up(void **state)
{
	int item = 10;

	assert_int_equal(torc_watch_create(&watch, sizeof(item), &item), 0);
	return fake_shard_set_up(state);
}

static int
tear_down(void **state)
{
	torc_watch_release(watch);
	return fake_shard_tear_down(state);
}

static int
send_item(int item)
{
	return torc_watch_send(watch, &item);
}

static int
get_item(uint64_t *seen)
{
	int item = -1;

	torc_watch_get(watch, &item, seen);
	return item;
}

static void
the_latest_value_is_what_one_gets(void **state)
{
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(get_item(NULL), 10);
	assert_int_equal(get_item(&seen), 10);
	assert_int_equal(seen, 1);
	for (int i = 11; i < 15; i++)
		assert_int_equal(send_item(i), 0);
	assert_int_equal(get_item(&seen), 14);
	assert_int_equal(seen, torc_watch_version(watch));
	torc_watch_close(watch);
	assert_int_equal(send_item(15), -EPIPE);
	assert_int_equal(get_item(&seen), 14);
}

static int
follow(void *arg)
{
	uint64_t seen = (uintptr_t)arg;
	int ret;

	while ((ret = torc_watch_changed(watch, &seen)) == 0)
		trace("%d", get_item(&seen));
	trace(ret == -EPIPE ? "over" : ret == -ECANCELED ? "canceled" : "?");
	return ret;
}

static int
send_to_three(void *arg)
{
	struct torc_task *task;

	(void)arg;
	/* One has seen nothing yet, two have seen the first. */
	assert_int_equal(torc_spawn(NULL, follow, (void *)0), 0);
	assert_int_equal(torc_spawn(NULL, follow, (void *)1), 0);
	task = fake_shard_spawn(follow, (void *)1);
	assert_int_equal(torc_yield(), 0);
	trace("|");
	assert_int_equal(send_item(11), 0);
	assert_int_equal(send_item(12), 0);
	assert_int_equal(torc_yield(), 0);
	trace("|");
	torc_cancel_join(task, NULL);
	assert_int_equal(send_item(13), 0);
	torc_watch_close(watch);
	torc_watch_close(watch);
	return 0;
}

static void
all_see_the_newest_and_then_the_end(void **state)
{
	assert_trace(*state, send_to_three, NULL,
		"10 | 12 12 12 | canceled 13 over 13 over");
}

static bool
add_if_even(void *item, void *arg)
{
	int value;

	memcpy(&value, item, sizeof(value));
	if (value % 2 != 0)
		return false;
	value += *(int *)arg;
	memcpy(item, &value, sizeof(value));
	return true;
}

static int
update_in_place(void *arg)
{
	struct torc_channel_wait wait;
	int three = 3;

	(void)arg;
	torc_watch_changed_start(watch, 1, &wait);
	assert_int_equal(torc_watch_update(watch, add_if_even, &three), 0);
	assert_true(torc_future_is_ready(&wait.done));
	assert_int_equal(get_item(NULL), 13);
	torc_watch_changed_start(watch, 2, &wait);
	assert_int_equal(torc_watch_update(watch, add_if_even, &three), 0);
	assert_false(torc_future_is_ready(&wait.done));
	assert_int_equal(torc_watch_version(watch), 2);
	torc_watch_close(watch);
	assert_int_equal(wait.done.value, -EPIPE);
	assert_int_equal(torc_watch_update(watch, add_if_even, &three), -EPIPE);
	return 0;
}

static void
an_update_tells_only_when_it_changed_something(void **state)
{
	fake_shard_run(*state, update_in_place, NULL);
}

static int
cancel_at_each_stage(void *arg)
{
	struct torc_channel_wait wait;
	uint64_t seen = 1;

	(void)arg;
	torc_watch_changed_start(watch, seen, &wait);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, -ECANCELED);
	torc_watch_changed_start(watch, seen, &wait);
	assert_int_equal(send_item(11), 0);
	torc_future_cancel(&wait.done);
	assert_int_equal(wait.done.value, 0);
	torc_cancel(torc_self());
	assert_int_equal(torc_watch_changed(watch, &seen), -ECANCELED);
	assert_int_equal(seen, 1);
	return 0;
}

static void
a_cancelled_wait_leaves_what_was_seen(void **state)
{
	fake_shard_run(*state, cancel_at_each_stage, NULL);
}

/* The last one would name whoever waits. */
static void
who_holds_it_keeps_it(void **state)
{
	struct torc_channel_wait wait;

	(void)state;
	torc_watch_changed_start(watch, 1, &wait);
	assert_ptr_equal(torc_watch_hold(watch), watch);
	torc_watch_release(watch);
	assert_int_equal(send_item(11), 0);
	assert_int_equal(wait.done.value, 0);
	assert_int_equal(get_item(NULL), 11);
}

static void
one_too_big_is_refused(void **state)
{
	struct torc_watch *none;

	(void)state;
	assert_int_equal(
		torc_watch_create(&none, ((size_t)1 << 30) + 1, NULL), -EINVAL);
}

static int
release_under_a_receiver(void)
{
	static struct fake_shard child;
	struct torc_channel_wait wait;

	fake_shard_open(&child);
	assert_int_equal(torc_watch_create(&watch, 0, NULL), 0);
	torc_watch_changed_start(watch, 1, &wait);
	torc_watch_release(watch);
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
		CASE(the_latest_value_is_what_one_gets),
		CASE(all_see_the_newest_and_then_the_end),
		CASE(an_update_tells_only_when_it_changed_something),
		CASE(a_cancelled_wait_leaves_what_was_seen),
		CASE(who_holds_it_keeps_it),
		CASE(one_too_big_is_refused),
		cmocka_unit_test(a_release_under_somebody_who_waits_is_named),
	};

	return cmocka_run_group_tests_name("core/watch", tests, NULL, NULL);
}
