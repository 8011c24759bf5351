/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_CHANNEL_FIXTURE_H
#define TORC_TESTS_CORE_CHANNEL_FIXTURE_H

/*
 * fixture - a channel of int among the tasks of one fake shard
 *
 * A case makes it with the capacity that it wants. The last reference goes
 * with the case: nobody may wait then, and nothing may be reserved.
 */

#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/channel/channel.h>
#include <torc/core/sleep.h>

static struct torc_channel *channel;

static inline int
tear_down(void **state)
{
	torc_channel_release(channel);
	channel = NULL;
	return fake_shard_tear_down(state);
}

static inline void
make_channel(uint32_t capacity)
{
	assert_int_equal(
		torc_channel_create(&channel, sizeof(int), capacity), 0);
}

static inline int
try_send(int item)
{
	return torc_channel_try_send(channel, &item);
}

static inline int
send_item(int item)
{
	return torc_channel_send(channel, &item);
}

/* The item, or -errno. */
static inline int
recv_item(void)
{
	int item = -1;
	int ret = torc_channel_recv(channel, &item);

	return ret < 0 ? ret : item;
}

static inline int
try_recv(void)
{
	int item = -1;
	int ret = torc_channel_try_recv(channel, &item);

	return ret < 0 ? ret : item;
}

/* A polite task, which counts its turns. */
static inline int
yield_until_closed(void *turns)
{
	while (!torc_channel_is_closed(channel)) {
		++*(unsigned *)turns;
		assert_int_equal(torc_yield(), 0);
	}
	return 0;
}

#define CASE(test) \
	cmocka_unit_test_setup_teardown(test, fake_shard_set_up, tear_down)

#endif /* TORC_TESTS_CORE_CHANNEL_FIXTURE_H */
