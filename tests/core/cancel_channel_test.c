/* SPDX-License-Identifier: MIT */
/*
 * Goal    A cancel or a deadline ends every wait for a channel, in whatever
 *         moment it comes; an item is there once, received or not.
 * Method  tests/core/waits.h runs each row in every way, on a real ring.
 */
#include "tests/core/waits.h"

static struct torc_channel *channel;

static void
arrange_channel(void)
{
	must_be(torc_channel_create(&channel, sizeof(int), 1), 0);
}

static int64_t
wait_channel_recv(void)
{
	int item;

	return torc_channel_recv(channel, &item);
}

static void
complete_channel_recv(void)
{
	must_be(torc_channel_try_send(channel, &(int){ 7 }), 0);
}

static void
clear_channel_recv(void)
{
	must_be(torc_channel_count(channel),
		wait_completes() && wait_result < 0);
	torc_channel_release(channel);
}

static void
arrange_full_channel(void)
{
	arrange_channel();
	complete_channel_recv();
}

static int64_t
wait_channel_send(void)
{
	return torc_channel_send(channel, &(int){ 8 });
}

static void
complete_channel_send(void)
{
	int item;

	must_be(torc_channel_try_recv(channel, &item), 0);
	must_be(item, 7);
}

static void
clear_channel_send(void)
{
	must_be(torc_channel_count(channel),
		!wait_completes() || wait_result >= 0);
	torc_channel_release(channel);
}

static struct torc_oneshot *oneshot;

static void
arrange_oneshot(void)
{
	must_be(torc_oneshot_create(&oneshot, sizeof(int)), 0);
}

static int64_t
wait_oneshot(void)
{
	int item;

	return torc_oneshot_recv(oneshot, &item);
}

static void
complete_oneshot(void)
{
	must_be(torc_oneshot_send(oneshot, &(int){ 7 }), 0);
}

static void
clear_oneshot(void)
{
	int item;

	if (wait_completes() && wait_result < 0)
		must_be(torc_oneshot_try_recv(oneshot, &item), 0);
	torc_oneshot_release(oneshot);
}

static struct torc_broadcast *broadcast;
static struct torc_subscriber subscriber;

static void
arrange_broadcast(void)
{
	must_be(torc_broadcast_create(&broadcast, sizeof(int), 4), 0);
	torc_broadcast_subscribe(broadcast, &subscriber);
}

static int64_t
wait_broadcast(void)
{
	int item;

	return torc_broadcast_recv(&subscriber, &item);
}

static void
complete_broadcast(void)
{
	must_be(torc_broadcast_send(broadcast, &(int){ 7 }), 1);
}

static void
clear_broadcast(void)
{
	int item;

	must_be(torc_broadcast_try_recv(&subscriber, &item),
		wait_completes() && wait_result < 0 ? 0 : -EAGAIN);
	torc_broadcast_unsubscribe(&subscriber);
	torc_broadcast_release(broadcast);
}

static struct torc_watch *watch;
static uint64_t seen;

static void
arrange_watch(void)
{
	int item;

	must_be(torc_watch_create(&watch, sizeof(int), &(int){ 1 }), 0);
	torc_watch_get(watch, &item, &seen);
}

static int64_t
wait_watch(void)
{
	return torc_watch_changed(watch, &seen);
}

static void
complete_watch(void)
{
	must_be(torc_watch_send(watch, &(int){ 2 }), 0);
}

static void
clear_watch(void)
{
	must_be(seen < torc_watch_version(watch),
		wait_completes() && wait_result < 0);
	torc_watch_release(watch);
}

static const struct wait_row channel_rows[] = {
	{ "channel recv", arrange_channel, wait_channel_recv,
		complete_channel_recv, clear_channel_recv, WAIT_HURRIES },
	{ "channel send", arrange_full_channel, wait_channel_send,
		complete_channel_send, clear_channel_send, WAIT_HURRIES },
	{ "oneshot", arrange_oneshot, wait_oneshot, complete_oneshot,
		clear_oneshot, WAIT_HURRIES },
	{ "broadcast", arrange_broadcast, wait_broadcast, complete_broadcast,
		clear_broadcast, WAIT_HURRIES },
	{ "watch", arrange_watch, wait_watch, complete_watch, clear_watch,
		WAIT_HURRIES },
};

WAIT_CASE(waits_for_channels_end_when_they_are_told, channel_rows)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(waits_for_channels_end_when_they_are_told),
	};

	return cmocka_run_group_tests_name(
		"core/cancel_channel", tests, NULL, NULL);
}
