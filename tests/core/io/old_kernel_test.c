/* SPDX-License-Identifier: MIT */
/*
 * Goal    What a kernel does that the one below us does not: it refuses a
 *         capped receive (before Linux 6.17), or ends a watch early.
 * Method  Streams on a fake engine, whose SQEs are answered by hand. Their
 *         descriptors are numbers only.
 */
#include <errno.h>
#include <poll.h>

#include "core/io/stream_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

static struct torc_stream *
open_stream(struct fake_shard *f, int fd)
{
	struct torc_stream *stream = torc__stream_new(&f->shard, fd, false);

	assert_non_null(stream);
	return stream;
}

/* Closes it and plays the kernel until it is gone. */
static void
close_stream(struct fake_shard *f, struct torc_stream *stream)
{
	struct torc_ring *ring = &f->shard.ring;
	uint32_t before = fake_count(ring, IORING_OP_CLOSE);

	torc_close(stream);
	fake_shard_turn(f, 3);
	assert_int_equal(fake_count(ring, IORING_OP_CLOSE), before + 1);
	fake_complete(ring, fake_index(ring, IORING_OP_CLOSE, before), 0, 0);
	fake_shard_turn(f, 1);
}

static void
a_kernel_that_knows_no_cap_costs_no_stream(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_stream *a = open_stream(f, 1000);
	struct torc_stream *b = open_stream(f, 1001);
	struct torc_future from_a, from_b;

	torc_recv_start(a, &from_a);
	torc_recv_start(b, &from_b);
	fake_shard_turn(f, 1);
	assert_int_equal(fake_count(ring, IORING_OP_RECV), 2);
	assert_int_not_equal(fake_last(ring, IORING_OP_RECV)->optlen, 0);

	/* Both were on their way when the first answer came. */
	fake_complete(ring, fake_index(ring, IORING_OP_RECV, 0), -EINVAL, 0);
	fake_complete(ring, fake_index(ring, IORING_OP_RECV, 1), -EINVAL, 0);
	fake_shard_turn(f, 2);

	assert_false(torc_future_is_ready(&from_a));
	assert_false(torc_future_is_ready(&from_b));
	assert_int_equal(fake_count(ring, IORING_OP_RECV), 4);
	assert_int_equal(fake_last(ring, IORING_OP_RECV)->optlen, 0);
	close_stream(f, a);
	close_stream(f, b);
	assert_int_equal(from_a.value, -ECANCELED);
}

static void
a_refusal_of_an_uncapped_receive_ends_the_stream(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_stream *stream = open_stream(f, 1000);
	struct torc_future future;

	f->shard.is_recv_uncapped = true;
	torc_recv_start(stream, &future);
	fake_shard_turn(f, 1);
	fake_complete(ring, fake_index(ring, IORING_OP_RECV, 0), -EINVAL, 0);
	fake_shard_turn(f, 1);

	assert_true(torc_future_is_ready(&future));
	assert_int_equal(future.value, -EINVAL);
	close_stream(f, stream);
}

static void
a_watch_that_ends_early_is_armed_again(void **state)
{
	struct fake_shard *f = *state;
	struct torc_ring *ring = &f->shard.ring;
	struct torc_stream *stream = open_stream(f, 1000);
	struct torc_future future, reset;

	torc_recv_start(stream, &future);
	fake_shard_turn(f, 1);
	fake_complete(ring, fake_index(ring, IORING_OP_RECV, 0), 0, 0);
	fake_shard_turn(f, 1);
	assert_int_equal(future.value, 0);
	torc_reset_start(stream, &reset);
	fake_shard_turn(f, 1);

	fake_complete(
		ring, fake_index(ring, IORING_OP_POLL_ADD, 0), POLLRDHUP, 0);
	fake_shard_turn(f, 2);
	assert_false(torc_future_is_ready(&reset));
	assert_int_equal(fake_count(ring, IORING_OP_POLL_ADD), 2);
	fake_complete(ring, fake_index(ring, IORING_OP_POLL_ADD, 1),
		POLLERR | POLLHUP, IORING_CQE_F_MORE);
	fake_shard_turn(f, 1);

	assert_int_equal(reset.value, -ECONNRESET);
	close_stream(f, stream);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNED_SHARD(a_kernel_that_knows_no_cap_costs_no_stream),
		WITH_TURNED_SHARD(
			a_refusal_of_an_uncapped_receive_ends_the_stream),
		WITH_TURNED_SHARD(a_watch_that_ends_early_is_armed_again),
	};

	return cmocka_run_group_tests_name(
		"core/io/old_kernel", tests, NULL, NULL);
}
