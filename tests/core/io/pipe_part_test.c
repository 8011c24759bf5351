/* SPDX-License-Identifier: MIT */
/*
 * Goal    More than the kernel takes at a time goes in parts, none of them
 *         twice; what it takes of a part is not what was asked for.
 * Method  The fake engine: the test is the kernel, and nobody looks at the
 *         bytes, of which there are none.
 */
#include <fcntl.h>
#include <unistd.h>

#include <torc/core/io/pipe.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define GIB ((size_t)1 << 30)

static uint8_t memory[1];

static struct torc_pipe *
pipe_open(void)
{
	struct torc_pipe *pipe;

	assert_int_equal(
		torc_pipe_from_fd(&pipe, open("/dev/null", O_RDWR)), 0);
	return pipe;
}

/* The write after `nth` others asks for this; the kernel takes `res` of it. */
static void
take_part(struct fake_shard *f, uint32_t nth, size_t at, size_t bytes,
	int32_t res)
{
	const struct io_uring_sqe *sqe =
		fake_last(&f->shard.ring, IORING_OP_WRITE);

	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_WRITE), nth + 1);
	assert_int_equal(sqe->addr, (uintptr_t)memory + at);
	assert_int_equal(sqe->len, bytes);
	fake_complete(&f->shard.ring,
		fake_index(&f->shard.ring, IORING_OP_WRITE, nth), res, 0);
	fake_shard_turn(f, 2);
}

static void
a_write_of_more_than_a_part_goes_in_parts(void **state)
{
	struct torc_pipe_write write = { .data = memory, .bytes = 3 * GIB + 5 };
	struct fake_shard *f = *state;
	struct torc_pipe *pipe = pipe_open();

	torc_pipe_write_start(pipe, &write);
	fake_shard_turn(f, 1);
	take_part(f, 0, 0, GIB, GIB);
	take_part(f, 1, GIB, GIB, 7);
	take_part(f, 2, GIB + 7, GIB, GIB);
	assert_false(torc_future_is_ready(&write.done));
	take_part(f, 3, 2 * GIB + 7, GIB - 2, GIB - 2);

	assert_int_equal(write.done.value, 3 * GIB + 5);
	torc_pipe_close(pipe);
}

static void
a_read_of_more_than_a_part_asks_for_one(void **state)
{
	struct torc_pipe_read read = { .buf = memory, .bytes = 4 * GIB + 1 };
	struct fake_shard *f = *state;
	struct torc_pipe *pipe = pipe_open();
	uint32_t index;

	torc_pipe_read_start(pipe, &read);
	fake_shard_turn(f, 1);
	assert_int_equal(fake_last(&f->shard.ring, IORING_OP_READ)->len, GIB);
	/* The first read of all is the doorbell's. */
	index = fake_index(&f->shard.ring, IORING_OP_READ, 1);
	fake_complete(&f->shard.ring, index, GIB, 0);
	fake_shard_turn(f, 2);

	assert_int_equal(read.done.value, GIB);
	torc_pipe_close(pipe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNED_SHARD(a_write_of_more_than_a_part_goes_in_parts),
		WITH_TURNED_SHARD(a_read_of_more_than_a_part_asks_for_one),
	};

	return cmocka_run_group_tests_name(
		"core/io/pipe_part", tests, NULL, NULL);
}
