/* SPDX-License-Identifier: MIT */
/*
 * Goal    When memory runs out, what needs some says -ENOMEM and nothing is
 *         left behind; what needs none goes on.
 * Method  A scenario runs with its first allocation failing, then with its
 *         second, and so on until none fails. malloc() does not fail: the
 *         runtime's own few are not in question here.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/support/failing_alloc.h"
#include "tests/test.h"
#include <torc.h>

static _Atomic uint32_t live;

static int
count_live(void *arg)
{
	(void)arg;
	live++;
	return 0;
}

/* Makes, uses and releases one of each; the first -ENOMEM, or 0. */
static int
use_all(void)
{
	struct torc_broadcast *broadcast = NULL;
	struct torc_oneshot *oneshot = NULL;
	struct torc_channel *channel = NULL;
	struct torc_watch *watch = NULL;
	int item = 5;
	int ret = torc_channel_create(&channel, sizeof(item), 2);

	if (ret == 0)
		ret = torc_oneshot_create(&oneshot, sizeof(item));
	if (ret == 0)
		ret = torc_broadcast_create(&broadcast, sizeof(item), 2);
	if (ret == 0)
		ret = torc_watch_create(&watch, sizeof(item), &item);
	if (ret == 0)
		ret = torc_channel_send(channel, &item);
	if (ret == 0)
		ret = torc_oneshot_send(oneshot, &item);
	if (ret == 0)
		ret = torc_broadcast_send(broadcast, &item);
	if (ret == 0)
		ret = torc_spawn_remote(1, count_live, NULL);
	if (ret == 0)
		ret = torc_call_remote(1, count_live, NULL, NULL);
	if (ret == 0)
		ret = torc_run_on_shards(count_live, NULL);
	if (channel != NULL)
		torc_channel_release(channel);
	if (oneshot != NULL)
		torc_oneshot_release(oneshot);
	if (broadcast != NULL)
		torc_broadcast_release(broadcast);
	if (watch != NULL)
		torc_watch_release(watch);
	return ret;
}

static bool is_wrong;

static void
judge(int result, bool has_failed)
{
	is_wrong |= result != (has_failed ? -ENOMEM : 0);
}

static int
fail_each(void *arg)
{
	uint32_t count = alloc_fail_each(use_all, judge);

	(void)arg;
	return is_wrong ? -EPROTO : (int)count;
}

static void
each_that_fails_says_so_and_leaves_nothing(void **state)
{
	struct torc_options options = { .shards = 2 };

	(void)state;
	/* Four objects, a seed, and a struct for all shards. */
	assert_int_equal(torc_run(&options, fail_each, NULL), 6);
	assert_true(live >= 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_that_fails_says_so_and_leaves_nothing),
	};

	return cmocka_run_group_tests_name(
		"core/channel faults", tests, NULL, NULL);
}
