/* SPDX-License-Identifier: MIT */
/*
 * Goal    Simulated sockets do what the kernel's do: bytes, ends, resets,
 *         polls, datagrams.
 * Method  One ring without a runtime.
 */
#include <poll.h>

#include <torc/base/log.h>

#include "tests/sim/ring_fixture.h"

static void
bytes_arrive_and_then_the_end(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	assert_int_equal(send_text(f, client, "hello"), 5);
	assert_int_equal(
		f->ring.engine->shutdown(&f->ring, client, SHUT_WR), 0);

	assert_int_equal(recv_into(f, server, data, sizeof(data)), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(recv_into(f, server, data, sizeof(data)), 0);
	assert_int_equal(recv_into(f, server, data, sizeof(data)), 0);
	assert_int_equal(tcp_state(f, server), TCP_CLOSE_WAIT);

	/* The other half is open. */
	assert_int_equal(send_text(f, server, "answer"), 6);
	assert_int_equal(recv_into(f, client, data, sizeof(data)), 6);
	assert_int_equal(send_text(f, client, "no"), -EPIPE);
}

static void
a_reset_is_reported_once_and_then_looks_like_an_end(void **state)
{
	struct fixture *f = *state;
	struct linger linger = { .l_onoff = 1 };
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	assert_int_equal(
		f->ring.engine->setsockopt(&f->ring, client, SOL_SOCKET,
			SO_LINGER, &linger, sizeof(linger)),
		0);
	close_fd(f, client);

	assert_int_equal(recv_into(f, server, data, sizeof(data)), -ECONNRESET);
	assert_int_equal(recv_into(f, server, data, sizeof(data)), 0);
	assert_int_equal(tcp_state(f, server), TCP_CLOSE);
	assert_int_equal(send_text(f, server, "x"), -EPIPE);
	assert_int_equal(
		f->ring.engine->shutdown(&f->ring, server, SHUT_WR), -ENOTCONN);
}

static void
a_send_takes_the_error_away_from_a_receive(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	torc__sim_reset(client);

	assert_int_equal(send_text(f, server, "x"), -ECONNRESET);
	assert_int_equal(recv_into(f, server, data, sizeof(data)), 0);
}

static void
a_close_with_unread_bytes_is_a_reset(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	assert_int_equal(send_text(f, client, "unread"), 6);
	expect_silence(f);
	close_fd(f, server);

	assert_int_equal(recv_into(f, client, data, sizeof(data)), -ECONNRESET);
}

static void
what_arrived_before_a_reset_can_be_read(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	assert_int_equal(send_text(f, client, "last"), 4);
	expect_silence(f);
	torc__sim_reset(client);

	assert_int_equal(recv_into(f, server, data, sizeof(data)), 4);
	assert_int_equal(recv_into(f, server, data, sizeof(data)), -ECONNRESET);
}

static void
bytes_for_a_closed_socket_bring_a_reset(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	close_fd(f, server);
	assert_int_equal(recv_into(f, client, data, sizeof(data)), 0);

	assert_int_equal(send_text(f, client, "anybody?"), 8);
	expect_silence(f);
	/* After an end the error is -EPIPE, and receiving says the end. */
	assert_int_equal(recv_into(f, client, data, sizeof(data)), 0);
	assert_int_equal(send_text(f, client, "x"), -EPIPE);
}

static void
a_close_with_an_op_in_flight_closes_nothing(void **state)
{
	struct fixture *f = *state;
	int client, server;
	char data[16], other[16];
	struct torc_cqe cqe;

	open_pair(f, &client, &server);
	io_uring_prep_recv(sqe_new(f), server, data, sizeof(data), 0);
	close_fd(f, server);

	/* No end is seen, and the receive still works. */
	io_uring_prep_recv(sqe_new(f), client, other, sizeof(other), 0);
	expect_silence(f);
	io_uring_prep_send(sqe_new(f), client, "late", 4, 0);
	cqe = next_cqe(f);
	assert_int_equal(cqe.res, 4);
	cqe = next_cqe(f);
	assert_int_equal(cqe.res, 4);
	assert_memory_equal(data, "late", 4);
	/* Now nobody names it any more. */
	cqe = next_cqe(f);
	assert_int_equal(cqe.res, 0);
}

static void
a_send_takes_what_fits_and_the_rest_waits(void **state)
{
	struct fixture *f = *state;
	static char data[200000], back[200000];
	struct torc_cqe cqe;
	int client, server;
	int32_t sent, got = 0;

	open_pair(f, &client, &server);
	io_uring_prep_send(sqe_new(f), client, data, sizeof(data), 0);
	sent = result(f);
	assert_true(sent > 0 && sent < (int32_t)sizeof(data));
	expect_silence(f);
	/* The window is full, and the buffer fills again. */
	io_uring_prep_send(sqe_new(f), client, data, sizeof(data), 0);
	sent += result(f);
	io_uring_prep_send(sqe_new(f), client, data, sizeof(data), 0);
	expect_silence(f);
	io_uring_prep_recv(sqe_new(f), server, back, sizeof(back), 0);
	cqe = next_cqe(f);
	got = cqe.res;
	assert_true(got > 0 && got < sent);
	/* Room again: the send that waited goes on. */
	cqe = next_cqe(f);
	assert_int_equal(cqe.user_data, f->next - 1);
	assert_true(cqe.res > 0);
}

static void
a_multishot_receive_fills_buffers_until_its_cap(void **state)
{
	struct fixture *f = *state;
	char data[BUF_BYTES * 3];
	struct io_uring_sqe *sqe;
	struct torc_cqe cqe;
	int client, server;

	open_pair(f, &client, &server);
	memset(data, 'x', sizeof(data));
	sqe = sqe_new(f);
	io_uring_prep_recv_multishot(sqe, server, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->optlen = BUF_BYTES + 10;
	io_uring_prep_send(sqe_new(f), client, data, sizeof(data), 0);
	assert_int_equal(result(f), sizeof(data));

	cqe = next_cqe(f);
	assert_int_equal(cqe.res, BUF_BYTES);
	assert_true(cqe.flags & IORING_CQE_F_MORE);
	assert_int_equal(cqe.flags >> IORING_CQE_BUFFER_SHIFT, 0);
	cqe = next_cqe(f);
	assert_int_equal(cqe.res, 10);
	assert_false(cqe.flags & IORING_CQE_F_MORE);
	assert_int_equal(cqe.flags >> IORING_CQE_BUFFER_SHIFT, 1);
}

static void
a_receive_without_buffers_ends_at_once(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	int client, server;

	open_pair(f, &client, &server);
	sqe = sqe_new(f);
	io_uring_prep_recv_multishot(sqe, server, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP + 1;
	assert_int_equal(result(f), -ENOBUFS);
}

static void
a_cancel_ends_its_target_and_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	struct torc_cqe cqe;
	int client, server;
	char data[16];

	open_pair(f, &client, &server);
	io_uring_prep_recv(sqe_new(f), server, data, sizeof(data), 0);
	sqe = sqe_new(f);
	io_uring_prep_cancel64(sqe, f->next - 1, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	cqe = next_cqe(f);
	assert_int_equal(cqe.user_data, f->next - 1);
	assert_int_equal(cqe.res, -ECANCELED);
	expect_silence(f);

	sqe = sqe_new(f);
	io_uring_prep_cancel64(sqe, 12345, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	assert_int_equal(result(f), -ENOENT);
}

static void
a_poll_for_nothing_shows_a_reset(void **state)
{
	struct fixture *f = *state;
	struct torc_cqe cqe;
	int client, server;

	open_pair(f, &client, &server);
	io_uring_prep_poll_multishot(sqe_new(f), server, 0);
	expect_silence(f);
	torc__sim_reset(client);
	cqe = next_cqe(f);
	assert_true(cqe.res & POLLERR);
	assert_true(cqe.flags & IORING_CQE_F_MORE);
}

static void
a_datagram_arrives_with_its_sender(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at = address(PORT), from = address(PORT + 1);
	struct iovec piece = { (void *)(uintptr_t) "ping", 4 };
	struct msghdr out = { .msg_name = &at,
		.msg_namelen = sizeof(at),
		.msg_iov = &piece,
		.msg_iovlen = 1 };
	struct msghdr room = { .msg_namelen = sizeof(at) };
	int to = open_socket(f, SOCK_DGRAM), fd = open_socket(f, SOCK_DGRAM);
	struct io_uring_recvmsg_out *got;
	struct io_uring_sqe *sqe;
	struct torc_cqe cqe;

	f->ring.engine->bind(&f->ring, to, (struct sockaddr *)&at, sizeof(at));
	f->ring.engine->bind(
		&f->ring, fd, (struct sockaddr *)&from, sizeof(from));
	sqe = sqe_new(f);
	io_uring_prep_recvmsg_multishot(sqe, to, &room, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	io_uring_prep_sendmsg(sqe_new(f), fd, &out, 0);
	assert_int_equal(result(f), 4);

	cqe = next_cqe(f);
	assert_true(cqe.flags & IORING_CQE_F_MORE);
	got = io_uring_recvmsg_validate(f->bufs[0], cqe.res, &room);
	assert_non_null(got);
	assert_memory_equal(io_uring_recvmsg_name(got), &from, sizeof(from));
	assert_int_equal(
		io_uring_recvmsg_payload_length(got, cqe.res, &room), 4);
	assert_memory_equal(io_uring_recvmsg_payload(got, &room), "ping", 4);
}

static void
what_is_not_simulated_says_so(void **state)
{
	struct fixture *f = *state;

	torc_log_level_set(TORC_LOG_ERROR);
	io_uring_prep_splice(sqe_new(f), 0, 0, 1, 0, 1, 0);
	assert_int_equal(result(f), -EOPNOTSUPP);
	torc_log_level_set(TORC_LOG_INFO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(bytes_arrive_and_then_the_end),
		WITH_RING(a_reset_is_reported_once_and_then_looks_like_an_end),
		WITH_RING(a_send_takes_the_error_away_from_a_receive),
		WITH_RING(a_close_with_unread_bytes_is_a_reset),
		WITH_RING(what_arrived_before_a_reset_can_be_read),
		WITH_RING(bytes_for_a_closed_socket_bring_a_reset),
		WITH_RING(a_close_with_an_op_in_flight_closes_nothing),
		WITH_RING(a_send_takes_what_fits_and_the_rest_waits),
		WITH_RING(a_multishot_receive_fills_buffers_until_its_cap),
		WITH_RING(a_receive_without_buffers_ends_at_once),
		WITH_RING(a_cancel_ends_its_target_and_says_nothing),
		WITH_RING(a_poll_for_nothing_shows_a_reset),
		WITH_RING(a_datagram_arrives_with_its_sender),
		WITH_RING(what_is_not_simulated_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
