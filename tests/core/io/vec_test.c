/* SPDX-License-Identifier: MIT */
/*
 * Goal    What lies in several places leaves once and in order, among other
 *         sends and however many pieces it has; what arrives is spread over
 *         several places, none skipped.
 * Method  The real kernel, one shard. The other end is a plain socket that
 *         reads when the test says so.
 */
#include <limits.h>

#include "tests/core/io/fixture.h"

/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)
#define PIECES_MAX 3000

static struct iovec pieces[PIECES_MAX];

/* Cut `bytes` of the stream from `from` on into pieces, some of them empty. */
static unsigned
cut(const uint8_t *from, size_t bytes, size_t piece_max)
{
	unsigned count = 0;

	while (bytes > 0) {
		size_t part = random_u64() % (piece_max + 1);

		must(count < PIECES_MAX);
		if (part > bytes)
			part = bytes;
		pieces[count++] =
			(struct iovec){ (void *)(uintptr_t)from, part };
		from += part;
		bytes -= part;
	}
	return count;
}

static int
pieces_arrive_as_one(void *unused)
{
	static const size_t sizes[] = { 1, 100, 40000, 65536 };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	for (size_t i = 0; i < 4; i++)
		for (size_t max = 1 + sizes[i] / 40; max < 40000; max *= 7) {
			unsigned count = cut(bytes_at(0), sizes[i], max);

			must_be(torc_send_vec(pair.stream, pieces, count),
				sizes[i]);
			raw_expect(pair.peer, 0, sizes[i]);
		}
	pair_close(&pair);
	return 0;
}

static int
a_vector_of_nothing_sends_nothing(void *unused)
{
	struct iovec empty[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	struct pair pair;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);

	must_be(torc_send_vec(pair.stream, empty, 3), 0);
	must_be(torc_send_vec(pair.stream, NULL, 0), 0);

	torc_sleep(TORC_MS);
	must_be(raw_recv_some(pair.peer, &byte, 1), -EAGAIN);
	pair_close(&pair);
	return 0;
}

/* Short sends end inside a piece, between two, and behind an empty one. */
static int
a_vector_larger_than_the_sockets_goes_on_where_it_was(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send send;
	struct pair pair;

	(void)unused;
	for (size_t max = 20000; max <= LARGE / 2; max *= 20) {
		unsigned count = cut(large, LARGE, max);

		pair_open(&pair, TCP);
		torc_send_vec_start(pair.stream, &send, pieces, count);
		raw_expect(pair.peer, 0, LARGE);
		must_be(torc_await(&send.done), LARGE);
		must_be(send.sent_bytes, LARGE);
		pair_close(&pair);
	}
	free(large);
	return 0;
}

/* Every third is a vector; the queue is longer than one send takes. */
static int
vectors_and_plain_sends_keep_the_order_of_the_calls(void *unused)
{
	static struct torc_send sends[90];
	static struct iovec iov[90][5];
	struct pair pair;
	size_t total = 0;

	(void)unused;
	pair_open(&pair, TCP);
	for (unsigned i = 0; i < 90; i++) {
		if (i % 3 != 0) {
			sends[i].data = bytes_at(total);
			sends[i].bytes = random_size(3000);
			torc_send_start(pair.stream, &sends[i]);
			total += sends[i].bytes;
			continue;
		}
		for (unsigned k = 0; k < 5; k++) {
			iov[i][k] = (struct iovec){ (void *)(uintptr_t)bytes_at(
							    total),
				random_size(2000) };
			total += iov[i][k].iov_len;
		}
		torc_send_vec_start(pair.stream, &sends[i], iov[i], 5);
	}

	raw_expect(pair.peer, 0, total);

	for (unsigned i = 0; i < 90; i++)
		must_be(torc_await(&sends[i].done), sends[i].bytes);
	/* And those behind are plain sends again. */
	must_be(torc_send_all(pair.stream, bytes_at(0), 9), 9);
	must(!pair.stream->is_mixed);
	pair_close(&pair);
	return 0;
}

static int
a_vector_cancelled_in_flight_says_how_far_it_came(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send send, behind = { .data = large, .bytes = 500 };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_vec_start(
		pair.stream, &send, pieces, cut(large, LARGE, 90000));
	torc_send_start(pair.stream, &behind);
	torc_sleep(5 * TORC_MS);

	torc_future_cancel(&send.done);

	must_be(torc_await(&send.done), -ECANCELED);
	must(send.sent_bytes > 0 && send.sent_bytes < LARGE);
	raw_expect(pair.peer, 0, send.sent_bytes);
	raw_expect(pair.peer, 0, 500);
	must_be(torc_await(&behind.done), 500);
	pair_close(&pair);
	free(large);
	return 0;
}

static int
send_a_vector(void *arg)
{
	return (int)torc_send_vec(
		arg, &(struct iovec){ (void *)(uintptr_t) "x", 1 }, 1);
}

static int
a_vector_of_a_cancelled_task_sends_nothing(void *unused)
{
	struct torc_task *task;
	struct pair pair;
	int result;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);
	must_be(torc_spawn(&task, send_a_vector, pair.stream), 0);

	torc_cancel_join(task, &result);

	must_be(result, -ECANCELED);
	torc_sleep(TORC_MS);
	must_be(raw_recv_some(pair.peer, &byte, 1), -EAGAIN);
	pair_close(&pair);
	return 0;
}

static int
a_reset_ends_a_vector_with_its_error(void *unused)
{
	uint8_t *large = copy_of_bytes(0, LARGE);
	struct torc_send send;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_vec_start(
		pair.stream, &send, pieces, cut(large, LARGE, 90000));
	torc_sleep(5 * TORC_MS);

	raw_reset(pair.peer);

	must_be(torc_await(&send.done), -ECONNRESET);
	pair.peer = -1;
	pair_close(&pair);
	free(large);
	return 0;
}

/* ---- receiving ---- */

static int
what_arrives_is_spread_over_the_pieces(void *unused)
{
	uint8_t a[10], b[100], c[1000];
	struct iovec iov[] = { { a, sizeof(a) }, { NULL, 0 }, { b, sizeof(b) },
		{ c, sizeof(c) } };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	raw_send(pair.peer, 0, 1500);

	must_be(torc_read_vec(pair.stream, iov, 4), 1110);
	must(is_right(a, 0, 10));
	must(is_right(b, 10, 100));
	must(is_right(c, 110, 1000));
	must_be(torc_read_vec(pair.stream, iov, 4), 390);
	must(is_right(a, 1110, 10));
	must(is_right(b, 1120, 100));
	must(is_right(c, 1220, 280));
	pair_close(&pair);
	return 0;
}

static int
pieces_without_room_take_nothing(void *unused)
{
	struct iovec empty = { NULL, 0 };
	struct pair pair;
	const void *data;

	(void)unused;
	pair_open(&pair, TCP);
	raw_send(pair.peer, 0, 100);

	must_be(torc_read_vec(pair.stream, &empty, 1), 0);

	must_be(torc_recv(pair.stream, &data), 100);
	must(is_right(data, 0, 100));
	pair_close(&pair);
	return 0;
}

struct flood {
	int fd;
	size_t bytes;
};

static int
send_all_of_it(void *arg)
{
	struct flood *flood = arg;

	raw_send(flood->fd, 0, flood->bytes);
	shutdown(flood->fd, SHUT_WR);
	return 0;
}

/* Reads larger than a buffer, whose ends fall anywhere in the pieces. */
static int
reads_of_any_size_lose_no_byte(void *unused)
{
	static uint8_t memory[3][70000];
	struct flood flood = { .bytes = 8 << 20 };
	struct torc_task *task;
	struct pair pair;
	size_t got = 0;
	ssize_t ret;

	(void)unused;
	pair_open(&pair, TCP);
	flood.fd = pair.peer;
	must_be(torc_spawn(&task, send_all_of_it, &flood), 0);
	do {
		struct iovec iov[3];
		size_t at = 0, room = 0;

		for (unsigned i = 0; i < 3; i++) {
			iov[i] = (struct iovec){ memory[i],
				random_size(sizeof(memory[i])) };
			room += iov[i].iov_len;
		}
		ret = torc_read_vec(pair.stream, iov, 3);
		must_be_at_most(ret, room);
		for (unsigned i = 0; i < 3 && ret > (ssize_t)at; i++) {
			size_t part = (size_t)ret - at < iov[i].iov_len
					      ? (size_t)ret - at
					      : iov[i].iov_len;

			must(is_right(memory[i], got + at, part));
			at += part;
		}
		got += at;
	} while (ret > 0);

	must_be(ret, 0);
	must_be(got, flood.bytes);
	must_be(torc_join(task, NULL), 0);
	pair_close(&pair);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(pieces_arrive_as_one),
		WITH_TORC(a_vector_of_nothing_sends_nothing),
		WITH_TORC(
			a_vector_larger_than_the_sockets_goes_on_where_it_was),
		WITH_TORC(vectors_and_plain_sends_keep_the_order_of_the_calls),
		WITH_TORC(a_vector_cancelled_in_flight_says_how_far_it_came),
		WITH_TORC(a_vector_of_a_cancelled_task_sends_nothing),
		WITH_TORC(a_reset_ends_a_vector_with_its_error),
		WITH_TORC(what_arrives_is_spread_over_the_pieces),
		WITH_TORC(pieces_without_room_take_nothing),
		WITH_TORC(reads_of_any_size_lose_no_byte),
	};

	return cmocka_run_group_tests_name("core/io/vec", tests, NULL, NULL);
}
