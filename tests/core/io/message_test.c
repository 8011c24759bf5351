/* SPDX-License-Identifier: MIT */
/*
 * Goal    What a real kernel does too rarely: a message that is too large in
 *         the middle of a burst, a send that finds no memory, a receive that
 *         a signal ended, a descriptor that arrives after its stream was
 *         closed. And what a caller must not do is named.
 * Method  Streams on a fake engine, whose SQEs are answered by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torc.h>

#include "core/io/stream_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define MORE_BUFFER(id)                            \
	(IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | \
		(id) << IORING_CQE_BUFFER_SHIFT)

static struct torc_stream *
open_stream(struct fake_shard *f, int type)
{
	struct torc_stream *stream =
		torc__stream_of_type(&f->shard, 1000, type);

	assert_non_null(stream);
	return stream;
}

/* Plays the kernel until the stream is gone; it answers cancels again. */
static void
close_stream(struct fake_shard *f, struct torc_stream *stream)
{
	f->fake->keeps_cancels = false;
	torc_close(stream);
	fake_shard_turn(f, 3);
	fake_shard_answer(f, IORING_OP_CLOSE, 0, 0);
}

/* ---- messages ---- */

static void
a_seqpackets_receive_tells_lengths_and_has_no_cap(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX_SEQPACKET);
	struct torc_future readable;

	torc_recv_start(s, &readable);
	fake_shard_turn(f, 1);

	assert_int_equal(fake_last(&f->shard.ring, IORING_OP_RECV)->msg_flags,
		MSG_TRUNC);
	assert_int_equal(fake_last(&f->shard.ring, IORING_OP_RECV)->optlen, 0);
	close_stream(f, s);
}

/* Two that fit, one that does not, and two that came before the cancel. */
static void
what_comes_behind_a_message_that_was_cut_is_dropped(void **state)
{
	static const int32_t lengths[] = { 10, TORC_STREAM_BUF_BYTES,
		TORC_STREAM_BUF_BYTES + 1, 20, 30 };
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX_SEQPACKET);
	struct torc_future readable;
	struct torc_buf *buf;

	torc_recv_start(s, &readable);
	fake_shard_turn(f, 1);
	f->fake->keeps_cancels = true;
	for (uint32_t i = 0; i < 5; i++)
		fake_shard_answer(
			f, IORING_OP_RECV, lengths[i], MORE_BUFFER(i));

	fake_shard_answer(f, IORING_OP_RECV, -ECANCELED, 0);
	f->fake->keeps_cancels = false;

	assert_int_equal(readable.value, 10);
	assert_int_equal(s->rx_held, 2);
	for (int i = 0; i < 2; i++) {
		buf = torc__stream_take(s);
		assert_int_equal(buf->bytes, lengths[i]);
		torc__stream_put(buf);
	}
	torc_recv_start(s, &readable);
	assert_int_equal(readable.value, -EMSGSIZE);
	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_RECV), 1);
	assert_int_equal(f->shard.streams.taken_count, 0);
	close_stream(f, s);
}

static void
a_message_that_found_no_memory_ends_alone(void **state)
{
	static const int errors[] = { -ENOBUFS, -ENOMEM, -EMSGSIZE };
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX_SEQPACKET);

	for (int i = 0; i < 3; i++) {
		struct torc_send first = { .data = "abc", .bytes = 3 };
		struct torc_send second = { .data = "defg", .bytes = 4 };

		torc_send_start(s, &first);
		torc_send_start(s, &second);
		fake_shard_turn(f, 1);
		assert_int_equal(
			fake_last(&f->shard.ring, IORING_OP_SEND)->len, 3);
		fake_shard_answer(f, IORING_OP_SEND, errors[i], 0);
		assert_int_equal(first.done.value, errors[i]);
		fake_shard_turn(f, 1);
		fake_shard_answer(f, IORING_OP_SEND, 4, 0);
		assert_int_equal(second.done.value, 4);
	}
	close_stream(f, s);
}

/* On a stream it is the stream's end: a part may have left. */
static void
a_stream_that_found_no_memory_is_over(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_send first = { .data = "abc", .bytes = 3 };

	torc_send_start(s, &first);
	fake_shard_turn(f, 1);
	fake_shard_answer(f, IORING_OP_SEND, -ENOMEM, 0);

	assert_int_equal(first.done.value, -ENOMEM);
	assert_int_equal(s->error, -ENOMEM);
	close_stream(f, s);
}

static void
one_operation_takes_no_more_than_its_length_can_say(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_send huge = { .data = "", .bytes = (size_t)5 << 30 };
	struct iovec pieces[] = { { (void *)(uintptr_t) "", (size_t)5 << 30 } };
	struct torc_send vec;

	torc_send_start(s, &huge);
	fake_shard_turn(f, 1);
	assert_int_equal(
		fake_last(&f->shard.ring, IORING_OP_SEND)->len, 1 << 30);
	fake_shard_answer(f, IORING_OP_SEND, -EPIPE, 0);
	assert_int_equal(huge.done.value, -ECONNRESET);
	close_stream(f, s);

	s = open_stream(f, TORC_UNIX);
	torc_send_vec_start(s, &vec, pieces, 1);
	fake_shard_turn(f, 1);
	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_SENDMSG), 1);
	fake_shard_answer(f, IORING_OP_SENDMSG, -EPIPE, 0);
	close_stream(f, s);
}

/* 4 GiB and five bytes are no message of five. */
static void
a_message_is_not_cut_to_what_its_length_can_say(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX_SEQPACKET);
	struct torc_send huge = { .data = "", .bytes = ((size_t)4 << 30) + 5 };

	torc_send_start(s, &huge);
	fake_shard_turn(f, 1);
	assert_int_equal(
		fake_last(&f->shard.ring, IORING_OP_SEND)->len, 1 << 30);
	fake_shard_answer(f, IORING_OP_SEND, -EMSGSIZE, 0);

	assert_int_equal(huge.done.value, -EMSGSIZE);
	assert_int_equal(huge.sent_bytes, 0);
	close_stream(f, s);
}

/* ---- descriptors ---- */

static void
begin_recv(struct fake_shard *f, struct torc_stream *s,
	struct torc_recv_fds *recv, int *fd)
{
	static char buf[8];

	*recv = (struct torc_recv_fds){
		.buf = buf, .bytes = sizeof(buf), .fds = fd, .fds_max = 1
	};
	torc_recv_fds_start(s, recv);
	fake_shard_turn(f, 1);
}

/* The kernel has the cancel, and says nothing about it. */
static void
cancel_in_flight(struct fake_shard *f, struct torc_future *done)
{
	f->fake->keeps_cancels = true;
	torc_future_cancel(done);
	fake_shard_turn(f, 1);
}

/* What the kernel writes for one descriptor. */
static int
put_fd(struct torc_recv_fds *recv)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&recv->_msg);
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	assert_true(fd >= 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	recv->_msg.msg_controllen = CMSG_SPACE(sizeof(fd));
	return fd;
}

static void
put_no_fd(struct torc_recv_fds *recv)
{
	recv->_msg.msg_controllen = 0;
}

static void
a_receive_that_a_signal_ended_is_begun_again(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_recv_fds recv;
	int fd;

	begin_recv(f, s, &recv, &fd);
	fake_shard_answer(f, IORING_OP_RECVMSG, -EINTR, 0);
	fake_shard_turn(f, 1);
	assert_false(torc_future_is_ready(&recv.done));
	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_RECVMSG), 2);
	put_no_fd(&recv);
	fake_shard_answer(f, IORING_OP_RECVMSG, 5, 0);

	assert_int_equal(recv.done.value, 5);
	assert_int_equal(recv.fds_count, 0);
	close_stream(f, s);
}

static void
a_cancel_that_came_as_a_signal_is_a_cancel(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_recv_fds recv;
	int fd;

	begin_recv(f, s, &recv, &fd);
	cancel_in_flight(f, &recv.done);
	fake_shard_answer(f, IORING_OP_RECVMSG, -EINTR, 0);

	assert_int_equal(recv.done.value, -ECANCELED);
	close_stream(f, s);
}

static void
a_descriptor_that_beat_its_cancel_is_delivered(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_recv_fds recv;
	int fd = -1, sent;

	begin_recv(f, s, &recv, &fd);
	cancel_in_flight(f, &recv.done);
	sent = put_fd(&recv);
	fake_shard_answer(f, IORING_OP_RECVMSG, 1, 0);

	assert_int_equal(recv.done.value, 1);
	assert_int_equal(recv.fds_count, 1);
	assert_int_equal(fd, sent);
	close(fd);
	close_stream(f, s);
}

static void
a_descriptor_for_a_closed_stream_is_closed(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX);
	struct torc_recv_fds recv;
	int fd = -1, sent;

	begin_recv(f, s, &recv, &fd);
	f->fake->keeps_cancels = true;
	torc_close(s);
	fake_shard_turn(f, 1);
	assert_false(torc_future_is_ready(&recv.done));
	sent = put_fd(&recv);
	fake_shard_answer(f, IORING_OP_RECVMSG, 1, 0);

	assert_int_equal(recv.done.value, -ECANCELED);
	assert_int_equal(recv.fds_count, 0);
	assert_int_equal(fcntl(sent, F_GETFD), -1);
	f->fake->keeps_cancels = false;
	fake_shard_turn(f, 1);
	fake_shard_answer(f, IORING_OP_CLOSE, 0, 0);
}

static void
a_descriptor_without_a_byte_is_closed_and_told(void **state)
{
	struct fake_shard *f = *state;
	struct torc_stream *s = open_stream(f, TORC_UNIX_SEQPACKET);
	struct torc_recv_fds recv;
	int fd = -1, sent;

	begin_recv(f, s, &recv, &fd);
	sent = put_fd(&recv);
	fake_shard_answer(f, IORING_OP_RECVMSG, 0, 0);

	assert_int_equal(recv.done.value, -EBADMSG);
	assert_int_equal(fcntl(sent, F_GETFD), -1);
	close_stream(f, s);
}

/* ---- mistakes ---- */

static struct fake_shard child;

static struct torc_stream *
open_for_mistake(void)
{
	fake_shard_open(&child);
	return open_stream(&child, TORC_UNIX);
}

static int
receive_both_ways(void)
{
	struct torc_stream *s = open_for_mistake();
	struct torc_recv_fds recv;
	struct torc_future future;
	int fd;

	begin_recv(&child, s, &recv, &fd);
	torc_recv_start(s, &future);
	return 0;
}

static int
receive_twice(void)
{
	struct torc_stream *s = open_for_mistake();
	struct torc_recv_fds first, second;
	int fd;

	begin_recv(&child, s, &first, &fd);
	begin_recv(&child, s, &second, &fd);
	return 0;
}

static void
a_mistake_is_named(void **state)
{
	static const struct mistake_row mistakes[] = {
		{ receive_both_ways, "torc_recv() or torc_read() after" },
		{ receive_twice, "two torc_recv_fds() at a time" },
	};

	(void)state;
	assert_mistakes(mistakes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNED_SHARD(
			a_seqpackets_receive_tells_lengths_and_has_no_cap),
		WITH_TURNED_SHARD(
			what_comes_behind_a_message_that_was_cut_is_dropped),
		WITH_TURNED_SHARD(a_message_that_found_no_memory_ends_alone),
		WITH_TURNED_SHARD(a_stream_that_found_no_memory_is_over),
		WITH_TURNED_SHARD(
			one_operation_takes_no_more_than_its_length_can_say),
		WITH_TURNED_SHARD(
			a_message_is_not_cut_to_what_its_length_can_say),
		WITH_TURNED_SHARD(a_receive_that_a_signal_ended_is_begun_again),
		WITH_TURNED_SHARD(a_cancel_that_came_as_a_signal_is_a_cancel),
		WITH_TURNED_SHARD(
			a_descriptor_that_beat_its_cancel_is_delivered),
		WITH_TURNED_SHARD(a_descriptor_for_a_closed_stream_is_closed),
		WITH_TURNED_SHARD(
			a_descriptor_without_a_byte_is_closed_and_told),
		cmocka_unit_test(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name(
		"core/io/message", tests, NULL, NULL);
}
