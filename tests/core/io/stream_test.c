/* SPDX-License-Identifier: MIT */
/*
 * Goal    A stream carries every byte, once and in order; a reset is never
 *         taken for an end; and what is held for a slow side is bounded.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes, stops and resets.
 */
#include <netinet/in.h>

#include "tests/core/io/fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

static int
echo(void *arg)
{
	struct torc_stream *stream = arg;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(stream, &data)) > 0)
		if (torc_send_all(stream, data, (size_t)bytes) < 0)
			break;
	return (int)bytes;
}

/* Write and read at once, as much as either side takes. */
static void
exchange(int fd, size_t bytes)
{
	static uint8_t buf[POOL_PIECE];
	size_t sent = 0, got = 0;

	while (got < bytes) {
		ssize_t in = raw_recv_some(fd, buf, sizeof(buf));
		ssize_t out = sent < bytes
				      ? raw_send_some(fd, sent, bytes - sent)
				      : 0;

		must(out >= 0);
		sent += (size_t)out;
		if (in == -EAGAIN) {
			if (out == 0)
				torc_sleep(20 * TORC_US);
			continue;
		}
		must(in > 0);
		must(is_right(buf, got, (size_t)in));
		got += (size_t)in;
	}
}

static void
check_echo(const char *address, size_t bytes)
{
	struct torc_task *task;
	struct pair pair;
	int result;

	pair_open(&pair, address);
	must_be(torc_spawn(&task, echo, pair.stream), 0);

	exchange(pair.peer, bytes);
	shutdown(pair.peer, SHUT_WR);
	must_be(torc_join(task, &result), 0);

	must_be(result, 0);
	pair_close(&pair);
}

static int
an_echo_is_byte_exact_from_one_byte_to_8_MiB(void *unused)
{
	static const size_t sizes[] = { 1, 2, 63, 4096, 16383, 16384, 16385,
		65536, 1 << 20, 8 << 20 };

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_echo(TCP, sizes[i]);
	return 0;
}

static int
unix_streams_echo_byte_exact(void *unused)
{
	char path[64];

	(void)unused;
	snprintf(path, sizeof(path), "unix:/tmp/torc-stream-%d", getpid());
	check_echo(path, 3 << 20);
	check_echo(abstract_text(), 3 << 20);
	check_echo("[::1]:0", 100000);
	return 0;
}

static int
a_read_takes_a_part_and_recv_gives_the_rest(void *unused)
{
	struct torc_future future;
	struct pair pair;
	uint8_t buf[300];
	const void *data;

	(void)unused;
	pair_open(&pair, TCP);
	raw_send(pair.peer, 0, 1000);

	must_be(torc_read(pair.stream, buf, sizeof(buf)), 300);
	must(is_right(buf, 0, 300));
	torc_recv_start(pair.stream, &future);
	must(torc_future_is_ready(&future));
	must_be(future.value, 700);
	must_be(torc_recv(pair.stream, &data), 700);
	must(is_right(data, 300, 700));

	pair_close(&pair);
	return 0;
}

static int
read_exact_is_short_at_a_clean_end_only(void *unused)
{
	static uint8_t buf[100000];
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	raw_send(pair.peer, 0, 70000);
	must_be(torc_read_exact(pair.stream, buf, 60000), 60000);
	must(is_right(buf, 0, 60000));
	shutdown(pair.peer, SHUT_WR);

	must_be(torc_read_exact(pair.stream, buf, sizeof(buf)), 10000);

	must(is_right(buf, 60000, 10000));
	must_be(torc_read(pair.stream, buf, sizeof(buf)), 0);
	must_be(torc_read_exact(pair.stream, buf, sizeof(buf)), 0);
	pair_close(&pair);
	return 0;
}

static int
our_half_close_leaves_the_other_half_open(void *unused)
{
	struct pair pair;
	const void *data;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_send_all(pair.stream, bytes_at(0), 1000), 1000);
	must_be(torc_shutdown(pair.stream), 0);
	must_be(torc_shutdown(pair.stream), 0);

	raw_expect(pair.peer, 0, 1000);
	must_be(raw_recv(pair.peer, &byte, 1), 0);
	must_be(torc_send_all(pair.stream, "x", 1), -EPIPE);
	raw_send(pair.peer, 0, 500);
	must_be(torc_recv(pair.stream, &data), 500);
	must(is_right(data, 0, 500));

	pair_close(&pair);
	return 0;
}

static int
a_peer_that_half_closed_still_gets_its_answer(void *unused)
{
	struct pair pair;
	const void *data;

	(void)unused;
	pair_open(&pair, TCP);
	shutdown(pair.peer, SHUT_WR);

	must_be(torc_recv(pair.stream, &data), 0);
	must_be(torc_recv(pair.stream, &data), 0);
	must_be(torc_send_all(pair.stream, bytes_at(0), 50000), 50000);
	raw_expect(pair.peer, 0, 50000);

	pair_close(&pair);
	return 0;
}

static int
shutdown_is_refused_while_a_send_is_not_done(void *unused)
{
	struct torc_send send = { .data = bytes_at(0), .bytes = 10 };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_start(pair.stream, &send);

	must_be(torc_shutdown(pair.stream), -EBUSY);

	must_be(torc_await(&send.done), 10);
	must_be(torc_shutdown(pair.stream), 0);
	pair_close(&pair);
	return 0;
}

/* ---- resets ---- */

/* Receive to the end; how it ended. */
static ssize_t
drain(struct torc_stream *stream, size_t *got)
{
	const void *data;
	ssize_t ret;

	while ((ret = torc_recv(stream, &data)) > 0) {
		must(is_right(data, *got, (size_t)ret));
		*got += (size_t)ret;
	}
	return ret;
}

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

static int
receive_to_the_end(void *arg)
{
	size_t got = 0;

	return (int)drain(arg, &got);
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

/* ---- what is held for a slow reader ---- */

/* Fill every buffer on the way; returns how much that took. */
static size_t
flood(int fd, size_t bytes)
{
	size_t sent = 0;
	int quiet = 0;

	while (sent < bytes && quiet < 50) {
		ssize_t ret = raw_send_some(fd, sent, bytes - sent);

		must(ret >= 0);
		sent += (size_t)ret;
		quiet = ret == 0 ? quiet + 1 : 0;
		if (ret == 0)
			torc_sleep(TORC_MS);
	}
	return sent;
}

struct flooder {
	int fd;
	size_t from;
	size_t bytes;
};

static int
send_the_rest(void *arg)
{
	struct flooder *f = arg;

	raw_send(f->fd, f->from, f->bytes - f->from);
	shutdown(f->fd, SHUT_WR);
	return 0;
}

static int
a_flood_that_nobody_reads_is_bounded_and_then_read(void *unused)
{
	struct torc_future future;
	struct torc_task *task;
	struct flooder flooder;
	struct pair pair;
	size_t got = 0;

	(void)unused;
	pair_open(&pair, TCP);
	torc_recv_start(pair.stream, &future);
	flooder = (struct flooder){ .fd = pair.peer, .bytes = 4 * LARGE };
	flooder.from = flood(pair.peer, flooder.bytes);
	must(torc_future_is_ready(&future));
	must(flooder.from < flooder.bytes);
	must(pair.stream->rx_held >= TORC_STREAM_CREDIT);
	must_be_at_most(pair.stream->rx_held, held_max());

	must_be(torc_spawn(&task, send_the_rest, &flooder), 0);
	must_be(drain(pair.stream, &got), 0);

	must_be(got, flooder.bytes);
	must_be(torc_join(task, NULL), 0);
	pair_close(&pair);
	return 0;
}

/* Each takes and gives back: held buffers never pass the bound either. */
static int
a_slow_reader_never_holds_more_than_its_bound(void *unused)
{
	struct torc_task *task;
	struct pair pair;
	const void *data;
	size_t got = 0;
	struct flooder flooder = { .bytes = LARGE };
	ssize_t ret;

	(void)unused;
	pair_open(&pair, TCP);
	flooder.fd = pair.peer;
	must_be(torc_spawn(&task, send_the_rest, &flooder), 0);
	while ((ret = torc_recv(pair.stream, &data)) > 0) {
		must(is_right(data, got, (size_t)ret));
		got += (size_t)ret;
		must_be_at_most(pair.stream->rx_held, held_max());
		if (random_u64() % 4 == 0)
			turn();
	}

	must_be(ret, 0);
	must_be(got, LARGE);
	must_be(torc_join(task, NULL), 0);
	pair_close(&pair);
	return 0;
}

#define CROWD 200
#define CROWD_BYTES ((size_t)256 << 10)

struct member {
	struct torc_stream *stream;
	struct flooder flooder;
};

static int
read_all_of_it(void *arg)
{
	struct member *m = arg;
	size_t got = 0;

	must_be(drain(m->stream, &got), 0);
	must_be(got, CROWD_BYTES);
	torc_close(m->stream);
	return 0;
}

/*
 * 128 buffers, 200 connections that send more than a socket holds, and for
 * a while nobody who reads.
 */
static int
with_too_few_buffers_every_connection_gets_its_bytes(void *unused)
{
	static struct member members[CROWD];
	struct torc_address address = address_of(TCP);
	struct torc_listener *listener;
	struct torc_group group;

	(void)unused;
	must_be(torc_listen(&listener, &address, NULL), 0);
	torc_listener_address(listener, &address);
	torc_group_init(&group);
	for (int i = 0; i < CROWD; i++) {
		struct torc_future future;
		struct member *m = &members[i];

		m->flooder = (struct flooder){ .bytes = CROWD_BYTES };
		m->flooder.fd = raw_connect(&address);
		must_be(torc_accept(listener, &m->stream), 0);
		torc_recv_start(m->stream, &future);
		turn();
		torc_future_cancel(&future);
		must_be(torc_group_spawn(&group, send_the_rest, &m->flooder),
			0);
	}
	wait_until(torc__shard->streams.exhausted_count >= CROWD / 2);
	must_be(torc__shard->streams.count, 128);

	for (int i = 0; i < CROWD; i++)
		must_be(torc_group_spawn(&group, read_all_of_it, &members[i]),
			0);

	must_be(torc_group_join(&group), 0);
	for (int i = 0; i < CROWD; i++)
		close(members[i].flooder.fd);
	torc_listener_close(listener);
	return 0;
}

/* ---- interrupts ---- */

static int
send_now_and_then(void *arg)
{
	struct flooder *f = arg;

	while (f->from < f->bytes) {
		size_t part = random_size(3000);

		if (part > f->bytes - f->from)
			part = f->bytes - f->from;
		raw_send(f->fd, f->from, part);
		f->from += part;
		torc_sleep(random_u64() % (400 * TORC_US));
	}
	shutdown(f->fd, SHUT_WR);
	return 0;
}

static int
a_receive_that_timed_out_loses_no_byte(void *unused)
{
	struct flooder flooder = { .bytes = 300000 };
	struct torc_task *task;
	struct pair pair;
	const void *data;
	unsigned timeouts = 0;
	size_t got = 0;
	ssize_t ret;

	(void)unused;
	pair_open(&pair, TCP);
	flooder.fd = pair.peer;
	must_be(torc_spawn(&task, send_now_and_then, &flooder), 0);
	do {
		struct torc_deadline deadline;

		torc_deadline_begin(&deadline, 100 * TORC_US);
		ret = torc_recv(pair.stream, &data);
		torc_deadline_end(&deadline);
		timeouts += ret == -ETIMEDOUT;
		if (ret > 0)
			must(is_right(data, got, (size_t)ret));
		if (ret > 0)
			got += (size_t)ret;
	} while (ret > 0 || ret == -ETIMEDOUT);

	must_be(ret, 0);
	must_be(got, flooder.bytes);
	must(timeouts > 10);
	must_be(torc_join(task, NULL), 0);
	pair_close(&pair);
	return 0;
}

static int
a_receive_that_a_select_gave_up_loses_no_byte(void *unused)
{
	struct pair pair;
	const void *data;

	(void)unused;
	pair_open(&pair, TCP);
	for (size_t i = 0; i < 200; i++) {
		struct torc_future readable;
		struct torc_sleep sleep;
		struct torc_future *both[] = { &readable, &sleep.done };

		torc_recv_start(pair.stream, &readable);
		torc_sleep_start(&sleep, i % 2 * 50 * TORC_US);
		if (i % 4 >= 2)
			raw_send(pair.peer, i * 10, 10);
		must(torc_select(both, 2) >= 0);
		if (i % 4 < 2)
			raw_send(pair.peer, i * 10, 10);
		must_be(torc_recv(pair.stream, &data), 10);
		must(is_right(data, i * 10, 10));
	}
	pair_close(&pair);
	return 0;
}

/* ---- the end of a stream ---- */

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
		WITH_TORC(an_echo_is_byte_exact_from_one_byte_to_8_MiB),
		WITH_TORC(unix_streams_echo_byte_exact),
		WITH_TORC(a_read_takes_a_part_and_recv_gives_the_rest),
		WITH_TORC(read_exact_is_short_at_a_clean_end_only),
		WITH_TORC(our_half_close_leaves_the_other_half_open),
		WITH_TORC(a_peer_that_half_closed_still_gets_its_answer),
		WITH_TORC(shutdown_is_refused_while_a_send_is_not_done),
		WITH_TORC(a_reset_comes_after_the_bytes_that_came_before_it),
		WITH_TORC(a_reset_with_a_send_in_flight_is_never_a_clean_end),
		WITH_TORC(a_reset_is_not_lost_with_a_cancelled_send),
		WITH_TORC(a_reset_swallowed_by_a_cancelled_send_is_still_one),
		WITH_TORC(a_reset_after_the_end_can_be_waited_for),
		WITH_TORC(a_flood_that_nobody_reads_is_bounded_and_then_read),
		WITH_TORC(a_slow_reader_never_holds_more_than_its_bound),
		TORC_CASE(with_too_few_buffers_every_connection_gets_its_bytes,
			.options.receive_bytes_max = 1),
		WITH_TORC(a_receive_that_timed_out_loses_no_byte),
		WITH_TORC(a_receive_that_a_select_gave_up_loses_no_byte),
		WITH_TORC(closing_ends_a_receive_that_waits),
		WITH_TORC(closing_ends_the_sends_that_are_not_done),
		WITH_TORC(a_stream_closed_in_the_turn_of_its_send_ends_it),
		WITH_TORC(what_was_sent_before_the_close_arrives),
		WITH_TORC(an_abort_is_a_reset_for_the_peer),
		WITH_TORC(two_thousand_connections_leave_no_descriptor),
		WITH_TORC(a_stream_knows_both_of_its_ends),
		LEFT_OPEN(streams_left_open_are_closed_at_the_end),
	};

	return cmocka_run_group_tests_name("core/io/stream", tests, NULL, NULL);
}
