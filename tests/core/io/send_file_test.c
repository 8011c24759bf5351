/* SPDX-License-Identifier: MIT */
/*
 * Goal    A file's bytes arrive once and in order among other sends, whatever
 *         its size; a file that ends early, a reset, a cancel and a close end
 *         the send with what is true, and leave nothing.
 * Method  The real kernel, one shard, a file in memory whose bytes say where
 *         they stand, and a plain socket that reads when the test says so.
 */
#include <sys/mman.h>

#include "tests/core/io/fixture.h"

#define CHUNK TORC_SEND_FILE_CHUNK_BYTES
/* More than the sockets of both ends hold. */
#define LARGE ((size_t)16 << 20)

/* Without a name, so that nothing stays when a test fails. */
static struct torc_file *
file_of(size_t bytes)
{
	int fd = memfd_create("torc-send-file", MFD_CLOEXEC);
	struct torc_file *file;
	char path[40];

	must(fd >= 0);
	for (size_t done = 0; done < bytes;) {
		size_t part =
			bytes - done < POOL_PIECE ? bytes - done : POOL_PIECE;

		must_be(write(fd, bytes_at(done), part), part);
		done += part;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must_be(torc_file_open(&file, path, O_RDONLY, 0), 0);
	close(fd);
	return file;
}

static int
a_file_of_any_size_arrives_whole(void *unused)
{
	static const size_t sizes[] = { 1, 4096, CHUNK - 1, CHUNK, CHUNK + 1,
		2 * CHUNK, 3 * CHUNK + 77, LARGE };
	struct torc_send_file send;
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct torc_file *file = file_of(sizes[i]);

		torc_send_file_start(pair.stream, &send, file, 0, sizes[i]);
		raw_expect(pair.peer, 0, sizes[i]);
		must_be(torc_await(&send.done), sizes[i]);
		must_be(send.sent_bytes, sizes[i]);
		torc_file_close(file);
	}
	pair_close(&pair);
	return 0;
}

static int
a_part_begins_and_ends_where_it_is_asked_for(void *unused)
{
	struct torc_file *file = file_of(3 * CHUNK);
	struct pair pair;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);

	must_be(torc_send_file(pair.stream, file, 1000, 300), 300);
	raw_expect(pair.peer, 1000, 300);
	must_be(torc_send_file(pair.stream, file, CHUNK - 5, 10), 10);
	raw_expect(pair.peer, CHUNK - 5, 10);
	must_be(torc_send_file(pair.stream, file, 7, 0), 0);

	torc_sleep(TORC_MS);
	must_be(raw_recv_some(pair.peer, &byte, 1), -EAGAIN);
	torc_file_close(file);
	pair_close(&pair);
	return 0;
}

/* Inside a chunk, at the end of one, before the first byte. */
static int
a_file_that_ends_early_says_how_much_there_was(void *unused)
{
	static const size_t sizes[] = { 0, 1, CHUNK - 1, CHUNK, CHUNK + 1,
		2 * CHUNK, 2 * CHUNK + 500 };
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i / 2];
		struct torc_file *file = file_of(bytes);
		struct torc_send_file send;

		torc_send_file_start(pair.stream, &send, file, 0,
			i % 2 == 0 ? SIZE_MAX : bytes + 1);
		raw_expect(pair.peer, 0, bytes);
		must_be(torc_await(&send.done), bytes);
		torc_file_close(file);
	}
	must_be(torc_send_all(pair.stream, bytes_at(0), 10), 10);
	raw_expect(pair.peer, 0, 10);
	pair_close(&pair);
	return 0;
}

static int
files_and_other_sends_keep_the_order_of_the_calls(void *unused)
{
	static struct torc_send_file files[8];
	static struct torc_send sends[24];
	struct torc_file *file = file_of(4 * LARGE / 8);
	struct pair pair;
	size_t total = 0;

	(void)unused;
	pair_open(&pair, TCP);
	for (unsigned i = 0; i < 8; i++) {
		size_t bytes = random_size(3 * CHUNK);

		for (unsigned k = 3 * i; k < 3 * i + 3; k++) {
			sends[k] = (struct torc_send){ .data = bytes_at(total),
				.bytes = random_size(30000) };
			torc_send_start(pair.stream, &sends[k]);
			total += sends[k].bytes;
		}
		torc_send_file_start(
			pair.stream, &files[i], file, total, bytes);
		total += bytes;
	}

	raw_expect(pair.peer, 0, total);

	for (unsigned i = 0; i < 8; i++)
		must(torc_await(&files[i].done) > 0);
	for (unsigned i = 0; i < 24; i++)
		must_be(torc_await(&sends[i].done), sends[i].bytes);
	must_be(torc_send_all(pair.stream, bytes_at(0), 10), 10);
	must(!pair.stream->is_mixed);
	torc_file_close(file);
	pair_close(&pair);
	return 0;
}

/* ---- ends that are not its own ---- */

/* A file that the peer does not read, and a send that waits behind it. */
struct held {
	struct pair pair;
	struct torc_file *file;
	struct torc_send_file send;
	struct torc_send behind;
};

static void
held_open(struct held *held)
{
	held->file = file_of(LARGE);
	held->behind = (struct torc_send){ .data = bytes_at(0), .bytes = 500 };
	pair_open(&held->pair, TCP);
	torc_send_file_start(
		held->pair.stream, &held->send, held->file, 0, LARGE);
	torc_send_start(held->pair.stream, &held->behind);
	torc_sleep(10 * TORC_MS);
}

static int
a_cancel_in_flight_says_how_far_it_came(void *unused)
{
	struct held held;

	(void)unused;
	held_open(&held);

	torc_future_cancel(&held.send.done);

	must_be(torc_await(&held.send.done), -ECANCELED);
	must(held.send.sent_bytes > 0 && held.send.sent_bytes < LARGE);
	raw_expect(held.pair.peer, 0, held.send.sent_bytes);
	raw_expect(held.pair.peer, 0, 500);
	must_be(torc_await(&held.behind.done), 500);
	torc_file_close(held.file);
	pair_close(&held.pair);
	return 0;
}

/* While its first read is on its way, or was just done, or it waits. */
static int
a_cancel_at_any_time_lets_those_behind_go(void *unused)
{
	struct torc_file *file = file_of(4 * CHUNK);
	struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	for (int i = 0; i < 60; i++) {
		struct torc_send before = { .data = bytes_at(0), .bytes = 50 };
		struct torc_send behind = { .data = bytes_at(0), .bytes = 500 };
		struct torc_send_file send;

		if (i % 2 == 1)
			torc_send_start(pair.stream, &before);
		torc_send_file_start(pair.stream, &send, file, 0, 4 * CHUNK);
		torc_send_start(pair.stream, &behind);
		for (int turns = i / 2 % 5; turns > 0; turns--)
			turn();
		torc_future_cancel(&send.done);

		if (i % 2 == 1)
			raw_expect(pair.peer, 0, 50);
		if (torc_await(&send.done) >= 0)
			must_be(send.done.value, 4 * CHUNK);
		raw_expect(pair.peer, 0, send.sent_bytes);
		raw_expect(pair.peer, 0, 500);
		must_be(torc_await(&behind.done), 500);
	}
	torc_file_close(file);
	pair_close(&pair);
	return 0;
}

struct sender {
	struct torc_stream *stream;
	struct torc_file *file;
};

static int
send_a_file(void *arg)
{
	struct sender *sender = arg;

	return (int)torc_send_file(sender->stream, sender->file, 0, 10);
}

static int
a_deadline_ends_a_file_that_nobody_reads(void *unused)
{
	struct torc_file *file = file_of(LARGE);
	struct torc_deadline deadline;
	struct torc_task *task;
	struct sender sender;
	struct pair pair;
	int result;

	(void)unused;
	pair_open(&pair, TCP);
	torc_deadline_begin(&deadline, 10 * TORC_MS);
	must_be(torc_send_file(pair.stream, file, 0, LARGE), -ETIMEDOUT);
	torc_deadline_end(&deadline);

	sender = (struct sender){ pair.stream, file };
	must_be(torc_spawn(&task, send_a_file, &sender), 0);
	torc_cancel_join(task, &result);
	must_be(result, -ECANCELED);
	torc_file_close(file);
	pair_close(&pair);
	return 0;
}

static int
a_reset_ends_it_with_its_error(void *unused)
{
	struct held held;

	(void)unused;
	held_open(&held);

	raw_reset(held.pair.peer);

	must_be(torc_await(&held.send.done), -ECONNRESET);
	must_be(torc_await(&held.behind.done), -ECONNRESET);
	must_be(torc_send_file(held.pair.stream, held.file, 0, 10),
		-ECONNRESET);
	torc_file_close(held.file);
	held.pair.peer = -1;
	pair_close(&held.pair);
	return 0;
}

/* In each of the first turns. */
static int
closing_either_side_ends_it(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++) {
		struct torc_file *file = file_of(LARGE);
		struct torc_send_file send;
		struct pair pair;

		pair_open(&pair, TCP);
		torc_send_file_start(pair.stream, &send, file, 0, LARGE);
		for (int turns = i / 2; turns > 0; turns--)
			turn();
		if (i % 2 == 0) {
			torc_close(pair.stream);
			must_be(torc_await(&send.done), -ECANCELED);
			torc_file_close(file);
			pair.stream = NULL;
		} else {
			torc_file_close(file);
			torc_close(pair.stream);
			must_be(torc_await(&send.done), -ECANCELED);
			pair.stream = NULL;
		}
		pair_close(&pair);
	}
	return 0;
}

/* What comes until the send is done, and all that it says has left. */
static void
expect_sent(struct torc_send_file *send, int fd)
{
	static uint8_t buf[POOL_PIECE];
	size_t got = 0;

	while (!torc_future_is_ready(&send->done)) {
		ssize_t ret = raw_recv_some(fd, buf, sizeof(buf));

		must(ret > 0 || ret == -EAGAIN);
		if (ret < 0) {
			turn();
			continue;
		}
		must(is_right(buf, got, (size_t)ret));
		got += (size_t)ret;
	}
	must_be_at_most(got, send->sent_bytes);
	raw_expect(fd, got, send->sent_bytes - got);
}

/* Before its first read, with one on its way, and with none. */
static int
closing_the_file_ends_it_behind_what_was_read(void *unused)
{
	(void)unused;
	for (int turns = 0; turns < 10; turns++) {
		struct torc_file *file = file_of(LARGE);
		struct torc_send_file send;
		struct pair pair;

		pair_open(&pair, TCP);
		torc_send_file_start(pair.stream, &send, file, 0, LARGE);
		for (int i = 0; i < turns; i++)
			turn();
		if (turns == 9)
			torc_sleep(20 * TORC_MS);

		torc_file_close(file);

		expect_sent(&send, pair.peer);
		must_be(send.done.value, -ECANCELED);
		must(turns < 9 || send.sent_bytes > 0);
		must_be_at_most(send.sent_bytes, LARGE - 1);
		must_be(torc_send_all(pair.stream, bytes_at(0), 10), 10);
		raw_expect(pair.peer, 0, 10);
		pair_close(&pair);
	}
	return 0;
}

static int
a_read_that_fails_ends_it(void *unused)
{
	struct torc_send behind = { .data = bytes_at(0), .bytes = 500 };
	struct torc_send_file send;
	struct torc_file *dir;
	struct pair pair;

	(void)unused;
	must_be(torc_file_open(&dir, "/tmp", O_RDONLY, 0), 0);
	pair_open(&pair, TCP);
	torc_send_file_start(pair.stream, &send, dir, 0, 1000);
	torc_send_start(pair.stream, &behind);

	must_be(torc_await(&send.done), -EISDIR);
	must_be(send.sent_bytes, 0);
	raw_expect(pair.peer, 0, 500);
	must_be(torc_await(&behind.done), 500);
	torc_file_close(dir);
	pair_close(&pair);
	return 0;
}

static int
a_seqpacket_takes_no_file(void *unused)
{
	struct torc_file *file = file_of(10);
	struct torc_stream *a, *b;

	(void)unused;
	must_be(torc_packet_pair(&a, &b), 0);
	must_be(torc_send_file(a, file, 0, 10), -EOPNOTSUPP);
	torc_close(a);
	torc_close(b);
	torc_file_close(file);
	return 0;
}

static int
what_is_left_sending_ends_with_the_runtime(void *unused)
{
	static struct torc_send_file send;
	static struct pair pair;

	(void)unused;
	pair_open(&pair, TCP);
	torc_send_file_start(pair.stream, &send, file_of(LARGE), 0, LARGE);
	torc_sleep(5 * TORC_MS);
	close(pair.peer);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(a_file_of_any_size_arrives_whole),
		WITH_TORC(a_part_begins_and_ends_where_it_is_asked_for),
		WITH_TORC(a_file_that_ends_early_says_how_much_there_was),
		WITH_TORC(files_and_other_sends_keep_the_order_of_the_calls),
		WITH_TORC(a_cancel_in_flight_says_how_far_it_came),
		WITH_TORC(a_cancel_at_any_time_lets_those_behind_go),
		WITH_TORC(a_deadline_ends_a_file_that_nobody_reads),
		WITH_TORC(a_reset_ends_it_with_its_error),
		WITH_TORC(closing_either_side_ends_it),
		WITH_TORC(closing_the_file_ends_it_behind_what_was_read),
		WITH_TORC(a_read_that_fails_ends_it),
		WITH_TORC(a_seqpacket_takes_no_file),
		LEFT_OPEN(what_is_left_sending_ends_with_the_runtime),
	};

	(void)argc;
	forget_stacks(argv);
	return cmocka_run_group_tests_name(
		"core/io/send_file", tests, NULL, NULL);
}
