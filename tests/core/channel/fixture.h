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

/* How a call ended, as the end of a word in a trace. */
static inline const char *
mark_of(int ret)
{
	switch (ret) {
	case 0:
		return "";
	case -EPIPE:
		return "p";
	case -ECANCELED:
		return "c";
	}
	return "?";
}

/* A task that writes down all it receives, and then why there is no more. */
static inline int
recv_and_trace(void *arg)
{
	int got;

	(void)arg;
	while ((got = recv_item()) >= 0)
		trace("%d", got);
	trace(got == -EPIPE ? "over" : got == -ECANCELED ? "canceled" : "?");
	return 0;
}

/*
 * What a wait gets that loses a select to a sleep; `is_over`: one that is
 * ready when the select looks.
 */
static inline int64_t
lose_to_a_sleep(struct torc_channel_wait *wait, bool is_over)
{
	struct torc_sleep sleep;
	struct torc_future *futures[] = { &sleep.done, &wait->done };

	torc_sleep_start(&sleep, TORC_MS);
	if (is_over)
		torc_future_cancel(&sleep.done);
	assert_int_equal(torc_select(futures, 2), 0);
	return wait->done.value;
}

/* For a mistake in a child: a shard and a channel that nobody closes. */
static inline struct fake_shard *
open_with_channel(uint32_t capacity)
{
	static struct fake_shard child;

	fake_shard_open(&child);
	make_channel(capacity);
	return &child;
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
