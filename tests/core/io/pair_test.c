/* SPDX-License-Identifier: MIT */
/*
 * Goal    Two streams of one process carry bytes and messages between tasks,
 *         in both directions, each message whole; what does not fit is an
 *         error and never cut in silence.
 * Method  The real kernel, one shard. Where the other side must misbehave it
 *         is a plain socket.
 */
#include <limits.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "tests/core/io/fixture.h"

#define LARGE ((size_t)4 << 20)

struct ends {
	struct torc_stream *a, *b;
};

static int
send_large(void *arg)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	ssize_t ret = torc_send_all(arg, large, LARGE);

	free(large);
	must_be(ret, LARGE);
	return torc_shutdown(arg);
}

static void
expect_large(struct torc_stream *stream)
{
	const void *data;
	size_t got = 0;
	ssize_t ret;

	while ((ret = torc_recv(stream, &data)) > 0) {
		must(is_right(data, got, (size_t)ret));
		got += (size_t)ret;
	}
	must_be(ret, 0);
	must_be(got, LARGE);
}

static int
a_pair_carries_bytes_in_both_directions(void *unused)
{
	struct torc_task *there, *back;
	struct ends ends;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_spawn(&there, send_large, ends.a), 0);
	must_be(torc_spawn(&back, send_large, ends.b), 0);

	expect_large(ends.b);
	expect_large(ends.a);

	must_be(torc_join(there, NULL), 0);
	must_be(torc_join(back, NULL), 0);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
closing_one_end_is_an_end_for_the_other(void *unused)
{
	struct ends ends;
	const void *data;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_send_all(ends.a, bytes_at(0), 10), 10);
	torc_close(ends.a);

	must_be(torc_recv(ends.b, &data), 10);
	must_be(torc_recv(ends.b, &data), 0);
	must_be(torc_send_all(ends.b, bytes_at(0), 10), -ECONNRESET);

	torc_close(ends.b);
	return 0;
}

static int
a_pair_has_addresses_of_its_kind(void *unused)
{
	struct torc_address at;
	struct ends ends;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_stream_peer(ends.a, &at), 0);
	must_be(at.type, TORC_UNIX);
	torc_close(ends.a);
	torc_close(ends.b);
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	must_be(torc_stream_local(ends.b, &at), 0);
	must_be(at.type, TORC_UNIX_SEQPACKET);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
pairs_left_open_are_closed_at_the_end(void *unused)
{
	static struct torc_future readable;
	struct ends ends;

	(void)unused;
	must_be(torc_stream_pair(&ends.a, &ends.b), 0);
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	torc_recv_start(ends.a, &readable);
	turn();
	return 0;
}

/* ---- packets ---- */

/* Lengths that are told apart; what they hold too. */
static size_t
length_of(size_t i)
{
	return 1 + i * 7919 % 9000;
}

static int
send_messages(void *arg)
{
	static struct torc_send sends[50];
	struct torc_stream *stream = arg;
	struct iovec iov[3];

	for (size_t i = 0; i < 50; i++) {
		sends[i].data = bytes_at(i * 10000);
		sends[i].bytes = length_of(i);
		torc_send_start(stream, &sends[i]);
	}
	for (size_t i = 50; i < 80; i++) {
		size_t half = length_of(i) / 2;

		iov[0] = (struct iovec){ (void *)(uintptr_t)bytes_at(i * 10000),
			half };
		iov[1] = (struct iovec){ NULL, 0 };
		iov[2] = (struct iovec){
			(void *)(uintptr_t)(bytes_at(i * 10000) + half),
			length_of(i) - half
		};
		must_be(torc_send_vec(stream, iov, 3), length_of(i));
	}
	for (size_t i = 80; i < 500; i++)
		must_be(torc_send_all(
				stream, bytes_at(i * 10000), length_of(i)),
			length_of(i));
	for (size_t i = 0; i < 50; i++)
		must_be(torc_await(&sends[i].done), length_of(i));
	return torc_shutdown(stream);
}

static void
expect_messages(struct torc_stream *stream)
{
	const void *data;

	for (size_t i = 0; i < 500; i++) {
		must_be(torc_recv(stream, &data), length_of(i));
		must(is_right(data, i * 10000, length_of(i)));
	}
	must_be(torc_recv(stream, &data), 0);
}

static int
messages_are_neither_merged_nor_split(void *unused)
{
	struct torc_task *task;
	struct ends ends;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	must_be(torc_spawn(&task, send_messages, ends.a), 0);

	expect_messages(ends.b);

	must_be(torc_join(task, NULL), 0);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static void
connect_and_talk(const char *text)
{
	struct torc_address address = address_of(text);
	struct torc_listener *listener;
	struct torc_task *task;
	struct ends ends;

	must_be(torc_listen(&listener, &address, NULL), 0);
	torc_listener_address(listener, &address);
	must_be(address.type, TORC_UNIX_SEQPACKET);
	must_be(torc_connect(&ends.a, &address), 0);
	must_be(torc_accept(listener, &ends.b), 0);
	must_be(torc_spawn(&task, send_messages, ends.a), 0);
	expect_messages(ends.b);
	must_be(torc_join(task, NULL), 0);
	torc_close(ends.a);
	torc_close(ends.b);
	torc_listener_close(listener);
}

static int
seqpackets_are_listened_for_and_connected_to(void *unused)
{
	char text[80];

	(void)unused;
	snprintf(
		text, sizeof(text), "unix-seqpacket:@torc-packet-%d", getpid());
	connect_and_talk(text);
	snprintf(text, sizeof(text), "unix-seqpacket:/tmp/torc-packet-%d",
		getpid());
	connect_and_talk(text);
	wait_until(access(text + sizeof("unix-seqpacket:") - 1, F_OK) < 0);
	return 0;
}

/* What a process that was killed leaves behind. */
static int
a_dead_ones_file_is_replaced_and_a_live_ones_is_not(void *unused)
{
	struct torc_address address;
	struct torc_listener *listener;
	char text[80];
	int fd;

	(void)unused;
	snprintf(text, sizeof(text), "unix-seqpacket:/tmp/torc-dead-%d",
		getpid());
	address = address_of(text);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	must_be(bind(fd, &address.sa, address.len), 0);
	must_be(listen(fd, 1), 0);
	must_be(torc_listen(&listener, &address, NULL), -EADDRINUSE);
	close(fd);

	must_be(torc_listen(&listener, &address, NULL), 0);

	torc_listener_close(listener);
	return 0;
}

static int
a_partly_read_message_gives_its_rest_and_not_the_next(void *unused)
{
	uint8_t a[30], b[300];
	struct iovec iov[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct ends ends;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	must_be(torc_send_all(ends.a, bytes_at(0), 100), 100);
	must_be(torc_send_all(ends.a, bytes_at(100), 50), 50);

	must_be(torc_read(ends.b, a, 20), 20);
	must_be(torc_read_vec(ends.b, iov, 2), 80);
	must(is_right(a, 20, 30) && is_right(b, 50, 50));
	must_be(torc_read_vec(ends.b, iov, 2), 50);
	must(is_right(a, 100, 30) && is_right(b, 130, 20));

	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
an_empty_message_is_refused(void *unused)
{
	struct iovec empty = { NULL, 0 };
	struct ends ends;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);

	must_be(torc_send_all(ends.a, "", 0), -EINVAL);
	must_be(torc_send_vec(ends.a, &empty, 1), -EINVAL);

	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

/* Those before it and behind it arrive. */
static int
a_message_too_large_to_send_ends_alone(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send before = { .data = bytes_at(0), .bytes = 100 };
	struct torc_send wrong = { .data = large, .bytes = LARGE };
	struct torc_send behind = { .data = bytes_at(100), .bytes = 200 };
	struct iovec iov[IOV_MAX + 1];
	const void *data;
	struct ends ends;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	torc_send_start(ends.a, &before);
	torc_send_start(ends.a, &wrong);
	torc_send_start(ends.a, &behind);
	for (int i = 0; i <= IOV_MAX; i++)
		iov[i] = (struct iovec){ large + i, 1 };

	must_be(torc_await(&wrong.done), -EMSGSIZE);
	must_be(wrong.sent_bytes, 0);
	must_be(torc_send_vec(ends.a, iov, IOV_MAX + 1), -EMSGSIZE);
	must_be(torc_send_vec(ends.a, iov, IOV_MAX), IOV_MAX);

	must_be(torc_recv(ends.b, &data), 100);
	must_be(torc_recv(ends.b, &data), 200);
	must_be(torc_recv(ends.b, &data), IOV_MAX);
	must(is_right(data, 0, IOV_MAX));
	must_be(torc_await(&before.done), 100);
	must_be(torc_await(&behind.done), 200);
	torc_close(ends.a);
	torc_close(ends.b);
	free(large);
	return 0;
}

/* The largest that fits, and one byte more, with others around it. */
/* Also where 32 bits of the length look like a small one, or like none. */
static int
a_message_of_gibibytes_is_refused_whole(void *unused)
{
	static const size_t lengths[] = { (size_t)1 << 30, (size_t)1 << 32,
		((size_t)1 << 32) + 5 };
	size_t room = lengths[2];
	/* Not a page of it is touched. */
	void *huge = mmap(NULL, room, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ends ends;
	const void *data;

	(void)unused;
	must(huge != MAP_FAILED);
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct iovec iov[] = { { huge, 5 }, { huge, lengths[i] - 5 } };
		struct torc_send send = { .data = huge, .bytes = lengths[i] };

		torc_send_start(ends.a, &send);
		must_be(torc_await(&send.done), -EMSGSIZE);
		must_be(send.sent_bytes, 0);
		must_be(torc_send_vec(ends.a, iov, 2), -EMSGSIZE);
	}
	must_be(torc_send_all(ends.a, bytes_at(0), 10), 10);
	must_be(torc_recv(ends.b, &data), 10);
	must_be(munmap(huge, room), 0);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_message_too_large_to_receive_is_no_silent_cut(void *unused)
{
	static const size_t lengths[] = { 10, TORC_STREAM_BUF_BYTES,
		TORC_STREAM_BUF_BYTES + 1, 30 };
	uint8_t *large = copy_of_bytes(0, 2 * TORC_STREAM_BUF_BYTES);
	struct ends ends;
	const void *data;

	(void)unused;
	for (size_t ahead = 0; ahead < 2; ahead++) {
		must_be(torc_packet_pair(&ends.a, &ends.b), 0);
		for (size_t i = ahead; i < 4; i++) {
			struct torc_send send = { .data = large,
				.bytes = lengths[i] };

			if (ahead == 1 && i == 3)
				break;
			torc_send_start(ends.a, &send);
			must_be(torc_await(&send.done), lengths[i]);
		}

		if (ahead == 0)
			must_be(torc_recv(ends.b, &data), 10);
		must_be(torc_recv(ends.b, &data), TORC_STREAM_BUF_BYTES);
		must(is_right(data, 0, TORC_STREAM_BUF_BYTES));
		must_be(torc_recv(ends.b, &data), -EMSGSIZE);
		must_be(torc_recv(ends.b, &data), -EMSGSIZE);

		torc_close(ends.a);
		torc_close(ends.b);
	}
	free(large);
	return 0;
}

static int
a_slow_reader_of_messages_stops_its_writer(void *unused)
{
	struct torc_future readable;
	struct torc_task *task;
	struct ends ends;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &ends.b), 0);
	torc_recv_start(ends.b, &readable);
	must_be(torc_spawn(&task, send_messages, ends.a), 0);
	torc_sleep(20 * TORC_MS);

	must_be_at_most(ends.b->rx_held, held_max());
	expect_messages(ends.b);

	must_be(torc_join(task, NULL), 0);
	torc_close(ends.a);
	torc_close(ends.b);
	return 0;
}

static int
a_message_cancelled_in_the_queue_is_not_sent(void *unused)
{
	static uint8_t block[60000];
	struct torc_send fill[20], gone = { .data = "wrong", .bytes = 5 };
	struct torc_stream *b;
	struct ends ends;
	const void *data;

	(void)unused;
	must_be(torc_packet_pair(&ends.a, &b), 0);
	for (int i = 0; i < 20; i++) {
		fill[i] = (struct torc_send){ .data = block,
			.bytes = sizeof(block) };
		torc_send_start(ends.a, &fill[i]);
	}
	torc_send_start(ends.a, &gone);
	torc_sleep(TORC_MS);
	torc_future_cancel(&fill[19].done);
	torc_future_cancel(&gone.done);

	must_be(torc_await(&gone.done), -ECANCELED);
	must_be(torc_await(&fill[19].done), -ECANCELED);
	for (int i = 0; i < 19; i++)
		must_be(torc_recv(b, &data), sizeof(block));
	must_be(torc_await(&fill[18].done), sizeof(block));
	must_be(torc_shutdown(ends.a), 0);
	must_be(torc_recv(b, &data), 0);
	torc_close(ends.a);
	torc_close(b);
	return 0;
}

static int
open_and_close(void *unused)
{
	for (unsigned i = 0; i < 200; i++) {
		struct torc_pipe *reader, *writer;
		struct ends ends;

		must_be(torc_stream_pair(&ends.a, &ends.b), 0);
		must_be(torc_pipe_open(&reader, &writer), 0);
		if (i % 4 == 0)
			torc_sleep(100 * TORC_US);
		torc_close(ends.a);
		torc_close(ends.b);
		torc_pipe_close(reader);
		torc_pipe_close(writer);
	}
	(void)unused;
	return 0;
}

/* No race, whatever a sanitizer knows of who closed the number before. */
static int
shards_use_a_number_one_after_the_other(void *unused)
{
	return torc_run_on_shards(open_and_close, unused);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_pair_carries_bytes_in_both_directions),
		WITH_TORC(closing_one_end_is_an_end_for_the_other),
		WITH_TORC(a_pair_has_addresses_of_its_kind),
		LEFT_OPEN(pairs_left_open_are_closed_at_the_end),
		WITH_TORC(messages_are_neither_merged_nor_split),
		WITH_TORC(seqpackets_are_listened_for_and_connected_to),
		WITH_TORC(a_dead_ones_file_is_replaced_and_a_live_ones_is_not),
		WITH_TORC(
			a_partly_read_message_gives_its_rest_and_not_the_next),
		WITH_SHARDS(shards_use_a_number_one_after_the_other, 2),
		WITH_TORC(an_empty_message_is_refused),
		WITH_TORC(a_message_too_large_to_send_ends_alone),
		WITH_TORC(a_message_of_gibibytes_is_refused_whole),
		WITH_TORC(a_message_too_large_to_receive_is_no_silent_cut),
		WITH_TORC(a_slow_reader_of_messages_stops_its_writer),
		WITH_TORC(a_message_cancelled_in_the_queue_is_not_sent),
	};

	return cmocka_run_group_tests_name("core/io/pair", tests, NULL, NULL);
}
