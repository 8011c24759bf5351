/* SPDX-License-Identifier: MIT */
/*
 * Goal    What is held for a side that does not read is bounded, and all of
 *         it arrives when it does.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes and stops.
 */
#include "tests/core/io/stream_fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_flood_that_nobody_reads_is_bounded_and_then_read),
		WITH_TORC(a_slow_reader_never_holds_more_than_its_bound),
		TORC_CASE(with_too_few_buffers_every_connection_gets_its_bytes,
			.options.receive_bytes_max = 1),
	};

	return cmocka_run_group_tests_name(
		"core/io/stream_slow", tests, NULL, NULL);
}
