/* SPDX-License-Identifier: MIT */
/*
 * Goal    A file whose disk is slow: the stream waits for it, one chunk is
 *         read while another leaves, and a cancel, an error or a close in
 *         the middle of a read holds up nobody and gives nothing back early.
 * Method  A stream and a file on a fake engine, whose SQEs are answered by
 *         hand.
 */
#include <errno.h>
#include <fcntl.h>

#include <torc.h>

#include "core/io/stream_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define CHUNK TORC_SEND_FILE_CHUNK_BYTES

static struct fake_shard fixture;
static struct torc_stream *stream;
static struct torc_file *file;

static uint32_t
count(uint8_t opcode)
{
	return fake_count(&fixture.shard.ring, opcode);
}

/* Of the file; the shard's doorbell is one too. */
static uint32_t
reads(void)
{
	return count(IORING_OP_READ) - 1;
}

/* The next answer to the newest SQE of this opcode. */
static void
answer(uint8_t opcode, int32_t res)
{
	struct torc_ring *ring = &fixture.shard.ring;

	fake_complete(
		ring, fake_index(ring, opcode, count(opcode) - 1), res, 0);
	fake_shard_turn(&fixture, 2);
}

static int
set_up(void **state)
{
	struct torc_file_op open;

	fake_shard_open(&fixture);
	fake_shard_turn(&fixture, 1);
	stream = torc__stream_of_type(&fixture.shard, 1000, TORC_UNIX);
	assert_non_null(stream);
	torc_file_open_start(&file, "/file", O_RDONLY, 0, &open);
	fake_shard_turn(&fixture, 1);
	answer(IORING_OP_OPENAT, 1001);
	assert_int_equal(open.done.value, 0);
	fixture.fake->keeps_cancels = true;
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	fixture.fake->keeps_cancels = false;
	torc_file_close(file);
	torc_close(stream);
	fake_shard_turn(&fixture, 3);
	answer(IORING_OP_CLOSE, 0);
	fake_shard_close(*state);
	return 0;
}

static void
one_chunk_is_read_while_another_leaves(void **state)
{
	struct torc_send_file send;

	(void)state;
	torc_send_file_start(stream, &send, file, 100, 2 * CHUNK + 5);
	fake_shard_turn(&fixture, 2);
	assert_int_equal(reads(), 1);
	assert_int_equal(count(IORING_OP_SEND), 0);
	answer(IORING_OP_READ, CHUNK);
	assert_int_equal(reads(), 2);
	assert_int_equal(count(IORING_OP_SEND), 1);
	answer(IORING_OP_READ, CHUNK);
	/* Both are full. */
	assert_int_equal(reads(), 2);
	answer(IORING_OP_SEND, CHUNK - 1);
	assert_int_equal(
		fake_last(&fixture.shard.ring, IORING_OP_SEND)->len, 1);
	assert_int_equal(reads(), 2);
	answer(IORING_OP_SEND, 1);
	assert_int_equal(
		fake_last(&fixture.shard.ring, IORING_OP_SEND)->len, CHUNK);
	assert_int_equal(reads(), 3);
	assert_int_equal(fake_last(&fixture.shard.ring, IORING_OP_READ)->off,
		100 + 2 * CHUNK);
	answer(IORING_OP_SEND, CHUNK);
	answer(IORING_OP_READ, 5);
	answer(IORING_OP_SEND, 5);

	assert_int_equal(send.done.value, 2 * CHUNK + 5);
}

static void
a_cancel_while_it_reads_lets_those_behind_go(void **state)
{
	struct torc_send behind = { .data = "abc", .bytes = 3 };
	struct torc_send_file send;

	(void)state;
	torc_send_file_start(stream, &send, file, 0, CHUNK);
	torc_send_start(stream, &behind);
	fake_shard_turn(&fixture, 2);

	torc_future_cancel(&send.done);
	fake_shard_turn(&fixture, 1);

	/* Its memory is still read into. */
	assert_false(torc_future_is_ready(&send.done));
	answer(IORING_OP_SEND, 3);
	assert_int_equal(behind.done.value, 3);
	answer(IORING_OP_READ, CHUNK);
	assert_int_equal(send.done.value, -ECANCELED);
	assert_int_equal(send.sent_bytes, 0);
}

static void
a_disk_that_fails_is_told_after_what_was_read(void **state)
{
	struct torc_send behind = { .data = "abc", .bytes = 3 };
	struct torc_send_file send;

	(void)state;
	torc_send_file_start(stream, &send, file, 0, 2 * CHUNK);
	torc_send_start(stream, &behind);
	fake_shard_turn(&fixture, 2);
	answer(IORING_OP_READ, CHUNK);
	answer(IORING_OP_READ, -EIO);
	assert_false(torc_future_is_ready(&send.done));
	answer(IORING_OP_SEND, CHUNK);

	assert_int_equal(send.done.value, -EIO);
	assert_int_equal(send.sent_bytes, CHUNK);
	assert_true(stream->is_cut);
	answer(IORING_OP_SEND, 3);
	assert_int_equal(behind.done.value, 3);
}

static void
a_reset_while_it_reads_is_told_after_the_read(void **state)
{
	struct torc_send_file send;

	(void)state;
	torc_send_file_start(stream, &send, file, 0, 2 * CHUNK);
	fake_shard_turn(&fixture, 2);
	answer(IORING_OP_READ, CHUNK);
	answer(IORING_OP_SEND, -EPIPE);
	assert_false(torc_future_is_ready(&send.done));
	answer(IORING_OP_READ, -ECANCELED);

	assert_int_equal(send.done.value, -ECONNRESET);
}

static void
a_short_read_in_the_middle_is_no_end(void **state)
{
	struct torc_send_file send;

	(void)state;
	torc_send_file_start(stream, &send, file, 0, 1000);
	fake_shard_turn(&fixture, 2);
	answer(IORING_OP_READ, 400);
	assert_int_equal(count(IORING_OP_SEND), 0);
	answer(IORING_OP_READ, 300);
	answer(IORING_OP_READ, 0);
	assert_int_equal(
		fake_last(&fixture.shard.ring, IORING_OP_SEND)->len, 700);
	answer(IORING_OP_SEND, 700);

	assert_int_equal(send.done.value, 700);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_chunk_is_read_while_another_leaves),
		CASE(a_cancel_while_it_reads_lets_those_behind_go),
		CASE(a_disk_that_fails_is_told_after_what_was_read),
		CASE(a_reset_while_it_reads_is_told_after_the_read),
		CASE(a_short_read_in_the_middle_is_no_end),
	};

	return cmocka_run_group_tests_name(
		"core/io/send_file_order", tests, NULL, NULL);
}
