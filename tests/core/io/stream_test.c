/* SPDX-License-Identifier: MIT */
/*
 * Goal    A stream carries every byte, once and in order, and each half of
 *         it has an end of its own; an interrupt loses nothing.
 * Method  The real kernel, one shard. The other end is a plain socket, so
 *         that the test says when it reads, writes, stops and resets.
 */
#include "tests/core/io/stream_fixture.h"

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
		WITH_TORC(a_receive_that_timed_out_loses_no_byte),
		WITH_TORC(a_receive_that_a_select_gave_up_loses_no_byte),
	};

	return cmocka_run_group_tests_name("core/io/stream", tests, NULL, NULL);
}
