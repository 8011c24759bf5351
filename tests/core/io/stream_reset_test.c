/* SPDX-License-Identifier: MIT */
/*
 * Goal    A reset is never taken for a clean end, whatever was being done
 *         when it came, and the bytes that came before it are not lost.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes, stops and resets.
 */
#include "tests/core/io/stream_fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

static int
a_reset_comes_after_the_bytes_that_came_before_it(void *unused)
{
	struct pair pair;
	const void *data;

	(void)unused;
	/* Half of the time the receive is armed before the bytes come. */
	for (int i = 0; i < 20; i++) {
		struct torc_future future;
		size_t got = 0;

		pair_open(&pair, TCP);
		if (i % 2 == 0) {
			torc_recv_start(pair.stream, &future);
			turn();
			torc_future_cancel(&future);
		}
		raw_send(pair.peer, 0, 100000);
		raw_wait_delivered(pair.peer);
		raw_reset(pair.peer);
		pair.peer = -1;

		must_be(drain(pair.stream, &got), -ECONNRESET);
		must_be(got, 100000);
		must_be(torc_recv(pair.stream, &data), -ECONNRESET);
		must_be(torc_send_all(pair.stream, "x", 1), -ECONNRESET);
		pair_close(&pair);
	}
	return 0;
}

/* Some of it is read, so that the send in flight has come part of the way. */
static void
read_a_little(int fd)
{
	static uint8_t buf[POOL_PIECE];

	for (uint64_t n = random_u64() % 40; n > 0; n--)
		if (raw_recv_some(fd, buf, sizeof(buf)) <= 0)
			turn();
}

/*
 * A socket reports its reset once, to whoever asks first: the send that is
 * in flight or the receive. Whatever the order, neither may end well.
 */
static void
check_reset_in_mid_send(struct pair *pair, uint8_t *large, int order)
{
	struct torc_send send = { .data = large, .bytes = LARGE };
	struct torc_task *reader = NULL;
	bool is_reader_first = order % 2 == 0;
	bool is_late = order / 2 % 2 != 0;
	int result;

	pair_connect(pair);
	if (is_reader_first)
		must_be(torc_spawn(&reader, receive_to_the_end, pair->stream),
			0);
	turn();
	if (!is_late)
		torc_send_start(pair->stream, &send);
	for (uint64_t n = random_u64() % 4; n > 0; n--)
		turn();
	read_a_little(pair->peer);
	raw_reset(pair->peer);
	if (is_late)
		torc_send_start(pair->stream, &send);
	if (!is_reader_first)
		must_be(torc_spawn(&reader, receive_to_the_end, pair->stream),
			0);

	must_be(torc_join(reader, &result), 0);
	must_be(result, -ECONNRESET);
	must_be(torc_await(&send.done), -ECONNRESET);
	torc_close(pair->stream);
}

static int
a_reset_with_a_send_in_flight_is_never_a_clean_end(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_address address = address_of(TCP);
	struct pair pair;

	(void)unused;
	must_be(torc_listen(&pair.listener, &address, NULL), 0);
	torc_listener_address(pair.listener, &pair.address);

	for (int i = 0; i < 500; i++)
		check_reset_in_mid_send(&pair, large, i);

	torc_listener_close(pair.listener);
	free(large);
	return 0;
}

/* The send that took the reset with it is given up in the same moment. */
static int
a_reset_is_not_lost_with_a_cancelled_send(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);

	(void)unused;
	for (int i = 0; i < 200; i++) {
		struct torc_send send = { .data = large, .bytes = LARGE };
		struct torc_task *reader;
		struct pair pair;
		int result;

		pair_open(&pair, TCP);
		must_be(torc_spawn(&reader, receive_to_the_end, pair.stream),
			0);
		torc_send_start(pair.stream, &send);
		turn();
		turn();
		read_a_little(pair.peer);
		if (i % 2 == 0)
			torc_future_cancel(&send.done);
		raw_reset(pair.peer);
		torc_future_cancel(&send.done);

		must_be(torc_join(reader, &result), 0);
		must_be(result, -ECONNRESET);
		must(torc_await(&send.done) < 0);
		pair.peer = -1;
		pair_close(&pair);
	}
	free(large);
	return 0;
}

struct canceler {
	struct torc_stream *trigger;
	struct torc_send *send;
};

static int
cancel_when_triggered(void *arg)
{
	struct canceler *c = arg;
	const void *data;

	must_be(torc_recv(c->trigger, &data), 1);
	torc_future_cancel(&c->send->done);
	return 0;
}

/*
 * The kernel gives the reset to the send, which returns the part that had
 * left; before that is seen, something else cancels the send.
 */
static int
a_reset_swallowed_by_a_cancelled_send_is_still_one(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct pair trigger, pair;

	(void)unused;
	pair_open(&trigger, TCP);
	for (int i = 0; i < 20; i++) {
		struct torc_send send = { .data = large, .bytes = LARGE };
		struct canceler canceler = { trigger.stream, &send };
		struct torc_task *reader, *task;
		int result;

		pair_open(&pair, TCP);
		must_be(torc_spawn(&reader, receive_to_the_end, pair.stream),
			0);
		must_be(torc_spawn(&task, cancel_when_triggered, &canceler), 0);
		torc_sleep(TORC_MS);
		torc_send_start(pair.stream, &send);
		torc_sleep(TORC_MS);

		raw_send(trigger.peer, 0, 1);
		raw_reset(pair.peer);

		must(torc_await(&send.done) < 0);
		must_be(torc_join(reader, &result), 0);
		must_be(result, -ECONNRESET);
		must_be(torc_join(task, NULL), 0);
		pair.peer = -1;
		pair_close(&pair);
	}
	pair_close(&trigger);
	free(large);
	return 0;
}

static int
a_reset_after_the_end_can_be_waited_for(void *unused)
{
	struct torc_deadline deadline;
	struct torc_future future;
	struct pair pair;
	const void *data;

	(void)unused;
	for (int i = 0; i < 10; i++) {
		pair_open(&pair, TCP);
		shutdown(pair.peer, SHUT_WR);
		must_be(torc_recv(pair.stream, &data), 0);

		torc_reset_start(pair.stream, &future);
		torc_deadline_begin(&deadline, TORC_MS);
		must_be(torc_await(&future), -ETIMEDOUT);
		torc_deadline_end(&deadline);
		must_be(torc_send_all(pair.stream, bytes_at(0), 1000), 1000);
		raw_expect(pair.peer, 0, 1000);
		if (i % 2 == 0)
			must_be(torc_shutdown(pair.stream), 0);
		torc_reset_start(pair.stream, &future);
		turn();
		must(!torc_future_is_ready(&future));
		if (i % 2 == 0) {
			/* Both halves ended: there is nothing to reset. */
			torc_close(pair.stream);
			must_be(torc_await(&future), -ECANCELED);
			close(pair.peer);
		} else {
			raw_reset(pair.peer);
			must_be(torc_await(&future), -ECONNRESET);
			must_be(torc_recv(pair.stream, &data), -ECONNRESET);
			torc_close(pair.stream);
		}
		torc_listener_close(pair.listener);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_reset_comes_after_the_bytes_that_came_before_it),
		WITH_TORC(a_reset_with_a_send_in_flight_is_never_a_clean_end),
		WITH_TORC(a_reset_is_not_lost_with_a_cancelled_send),
		WITH_TORC(a_reset_swallowed_by_a_cancelled_send_is_still_one),
		WITH_TORC(a_reset_after_the_end_can_be_waited_for),
	};

	return cmocka_run_group_tests_name(
		"core/io/stream_reset", tests, NULL, NULL);
}
