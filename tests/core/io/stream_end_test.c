/* SPDX-License-Identifier: MIT */
/*
 * Goal    A stream that is closed or aborted ends all that it was asked for,
 *         tells its peer which it was, and leaves nothing.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes, stops and resets.
 */
#include "tests/core/io/stream_fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

static int
closing_ends_a_receive_that_waits(void *unused)
{
	struct torc_task *reader;
	struct pair pair;
	int result;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_spawn(&reader, receive_to_the_end, pair.stream), 0);
	torc_sleep(TORC_MS);

	pair_close(&pair);

	must_be(torc_join(reader, &result), 0);
	must_be(result, -ECANCELED);
	return 0;
}

static int
closing_ends_the_sends_that_are_not_done(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send first = { .data = large, .bytes = LARGE };
	struct torc_send second = first, third = first;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_start(pair.stream, &first);
	torc_sleep(5 * TORC_MS);
	torc_send_start(pair.stream, &second);
	torc_send_start(pair.stream, &third);

	pair_close(&pair);

	must_be(torc_await(&first.done), -ECANCELED);
	must_be(torc_await(&second.done), -ECANCELED);
	must_be(torc_await(&third.done), -ECANCELED);
	must(first.sent_bytes > 0 && second.sent_bytes == 0);
	free(large);
	return 0;
}

static int
a_stream_closed_in_the_turn_of_its_send_ends_it(void *unused)
{
	struct torc_send send = { .data = bytes_at(0), .bytes = 100 };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_start(pair.stream, &send);

	pair_close(&pair);

	must_be(torc_await(&send.done), -ECANCELED);
	must_be(send.sent_bytes, 0);
	return 0;
}

static int
what_was_sent_before_the_close_arrives(void *unused)
{
	struct pair pair;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_send_all(pair.stream, bytes_at(0), 60000), 60000);
	torc_close(pair.stream);

	raw_expect(pair.peer, 0, 60000);
	must_be(raw_recv(pair.peer, &byte, 1), 0);

	close(pair.peer);
	torc_listener_close(pair.listener);
	return 0;
}

static int
an_abort_is_a_reset_for_the_peer(void *unused)
{
	static uint8_t buf[POOL_PIECE];
	uint8_t *large = copy_of_bytes(0, LARGE);

	(void)unused;
	/* Idle, with a reader, with a send in flight. */
	for (int i = 0; i < 30; i++) {
		struct torc_send send = { .data = large, .bytes = LARGE };
		struct torc_future future;
		struct pair pair;
		ssize_t ret;

		pair_open(&pair, TCP);
		if (i % 3 == 1)
			torc_recv_start(pair.stream, &future);
		if (i % 3 == 2)
			torc_send_start(pair.stream, &send);
		torc_sleep(i % 2 * TORC_MS);

		torc_abort(pair.stream);

		if (i % 3 == 1)
			must_be(torc_await(&future), -ECANCELED);
		if (i % 3 == 2)
			must_be(torc_await(&send.done), -ECANCELED);
		while ((ret = raw_recv(pair.peer, buf, sizeof(buf))) > 0)
			;
		must_be(ret, -ECONNRESET);
		close(pair.peer);
		torc_listener_close(pair.listener);
	}
	free(large);
	return 0;
}

static int
two_thousand_connections_leave_no_descriptor(void *unused)
{
	struct torc_address address = address_of(TCP);
	struct torc_listener *listener;
	unsigned before;

	(void)unused;
	must_be(torc_listen(&listener, &address, NULL), 0);
	torc_listener_address(listener, &address);
	before = fds_count();
	for (int i = 0; i < 2000; i++) {
		struct torc_stream *ours, *theirs;

		must_be(torc_connect(&ours, &address), 0);
		must_be(torc_accept(listener, &theirs), 0);
		must_be(torc_send_all(ours, "x", 1), 1);
		if (i % 3 == 0)
			torc_abort(ours);
		else
			torc_close(ours);
		torc_close(theirs);
	}

	wait_until(fds_count() == before);
	torc_listener_close(listener);
	return 0;
}

static int
a_stream_knows_both_of_its_ends(void *unused)
{
	char ours[TORC_ADDRESS_TEXT_MAX], theirs[TORC_ADDRESS_TEXT_MAX];
	struct torc_address local, peer, name;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	name.len = sizeof(name.storage);
	name.type = TORC_TCP;
	must_be(getsockname(pair.peer, &name.sa, &name.len), 0);

	must_be(torc_stream_local(pair.stream, &local), 0);
	must_be(torc_stream_peer(pair.stream, &peer), 0);

	must(torc_address_format(&local, ours, sizeof(ours)) > 0);
	must(torc_address_format(&pair.address, theirs, sizeof(theirs)) > 0);
	must_be(strcmp(ours, theirs), 0);
	must(torc_address_format(&peer, ours, sizeof(ours)) > 0);
	must(torc_address_format(&name, theirs, sizeof(theirs)) > 0);
	must_be(strcmp(ours, theirs), 0);
	pair_close(&pair);

	pair_open(&pair, abstract_text());
	must_be(torc_stream_local(pair.stream, &local), 0);
	must_be(torc_stream_peer(pair.stream, &peer), 0);
	must(torc_address_format(&local, ours, sizeof(ours)) > 0);
	must_be(strcmp(ours, abstract_text()), 0);
	must(torc_address_format(&peer, ours, sizeof(ours)) > 0);
	must_be(strcmp(ours, "unix:"), 0);
	pair_close(&pair);
	return 0;
}

/* The runtime closes what its main task left open, in whatever state. */
static int
streams_left_open_are_closed_at_the_end(void *unused)
{
	static struct torc_future waiting[4];
	static struct torc_send send;
	static uint8_t large[LARGE];

	(void)unused;
	for (int i = 0; i < 4; i++) {
		struct pair pair;

		pair_open(&pair, TCP);
		if (i % 2 == 1)
			torc_recv_start(pair.stream, &waiting[i]);
		if (i == 2) {
			send = (struct torc_send){ .data = large,
				.bytes = LARGE };
			torc_send_start(pair.stream, &send);
		}
		if (i == 3)
			raw_send(pair.peer, 0, 100000);
		turn();
		close(pair.peer);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(closing_ends_a_receive_that_waits),
		WITH_TORC(closing_ends_the_sends_that_are_not_done),
		WITH_TORC(a_stream_closed_in_the_turn_of_its_send_ends_it),
		WITH_TORC(what_was_sent_before_the_close_arrives),
		WITH_TORC(an_abort_is_a_reset_for_the_peer),
		WITH_TORC(two_thousand_connections_leave_no_descriptor),
		WITH_TORC(a_stream_knows_both_of_its_ends),
		LEFT_OPEN(streams_left_open_are_closed_at_the_end),
	};

	return cmocka_run_group_tests_name(
		"core/io/stream_end", tests, NULL, NULL);
}
