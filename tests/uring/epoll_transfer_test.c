/* SPDX-License-Identifier: MIT */
/*
 * Goal    Bytes on the epoll engine are exact and in order, an end is never
 *         missed nor invented, and one peer does not starve another.
 * Method  Real sockets; the peer is the test, by plain system calls. What
 *         readiness gets wrong easily is tried at each of its edges: an end
 *         right behind bytes, an urgent byte, a short receive, a full socket.
 */
#include <stdlib.h>

#include "tests/uring/epoll_fixture.h"

/* ---- receive ---- */

static void
recv_plain(struct fixture *f, int fd, char *data, size_t bytes, int flags,
	uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_recv(sqe, fd, data, bytes, flags);
	submit(f, sqe, id);
}

static void
a_receive_waits_gets_and_ends(void **state)
{
	struct fixture *f = *state;
	char data[8] = "";
	int fds[2];

	open_tcp(fds);
	recv_plain(f, fds[0], data, 8, 0, 1);
	assert_silent(f);
	write_all(fds[1], "abc");
	assert_ends(f, 1, 3);
	assert_string_equal(data, "abc");
	recv_plain(f, fds[0], data, 8, 0, 2);
	assert_silent(f);
	close(fds[1]);
	assert_ends(f, 2, 0);
	close(fds[0]);
}

static void
a_receive_that_must_not_wait_says_so(void **state)
{
	struct fixture *f = *state;
	char data[8];
	int fds[2];

	open_tcp(fds);
	recv_plain(f, fds[0], data, 8, MSG_DONTWAIT, 1);
	assert_ends(f, 1, -EAGAIN);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	recv_plain(f, fds[0], data, 8, 0, 2);
	assert_ends(f, 2, -EAGAIN);
	close_both(fds);
}

static void
a_receive_of_all_waits_for_all_or_the_end(void **state)
{
	struct fixture *f = *state;
	char data[8] = "";
	int fds[2];

	open_tcp(fds);
	recv_plain(f, fds[0], data, 6, MSG_WAITALL, 1);
	write_all(fds[1], "abc");
	assert_silent(f);
	write_all(fds[1], "defgh");
	assert_ends(f, 1, 6);
	assert_string_equal(data, "abcdef");
	recv_plain(f, fds[0], data, 6, MSG_WAITALL, 2);
	assert_silent(f);
	close(fds[1]);
	assert_ends(f, 2, 2);
	close(fds[0]);
}

/* A connection whose first end, fds[0], receives with id 1. */
static void
open_receiving(struct fixture *f, unsigned bufs_count, int *fds)
{
	open_group(f, bufs_count);
	open_tcp(fds);
	recv_multishot(f, fds[0], 1, 0);
}

static void
a_reset_is_an_error_and_not_an_end(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_receiving(f, 4, fds);
	assert_silent(f);
	close_with_reset(fds[1]);
	assert_ends(f, 1, -ECONNRESET);
	close(fds[0]);
}

static void
a_multishot_receive_goes_on_until_the_end(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_receiving(f, 2, fds);
	for (unsigned i = 0; i < 5; i++) {
		struct torc_cqe cqe;

		assert_silent(f);
		write_all(fds[1], "abc");
		cqe = await_cqe(f, 1);
		assert_int_equal(cqe.res, 3);
		assert_true(cqe.flags & IORING_CQE_F_MORE);
		assert_memory_equal(buffer_of(f, cqe), "abc", 3);
		put_buffer(f, cqe);
	}
	close(fds[1]);
	assert_int_equal(await_cqe(f, 1).flags, 0);
	close(fds[0]);
}

/* The end comes with the bytes, behind them, or after they were read. */
static void
an_end_behind_bytes_is_not_missed(void **state)
{
	struct fixture *f = *state;
	struct torc_cqe cqe;
	int fds[2];

	open_group(f, 4);
	for (unsigned moment = 0; moment < 30; moment++) {
		open_tcp(fds);
		if (moment % 3 == 0)
			recv_multishot(f, fds[0], 1, 0);
		write_all(fds[1], "ab");
		if (moment % 3 != 2)
			shutdown(fds[1], SHUT_WR);
		if (moment % 3 != 0)
			recv_multishot(f, fds[0], 1, 0);
		cqe = await_cqe(f, 1);
		assert_int_equal(cqe.res, 2);
		put_buffer(f, cqe);
		if (moment % 3 == 2)
			shutdown(fds[1], SHUT_WR);
		assert_ends(f, 1, 0);
		close_both(fds);
	}
}

/* A receive stops short at an urgent byte, and no edge follows. */
static void
bytes_behind_an_urgent_one_are_not_left_behind(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_receiving(f, 4, fds);
	assert_silent(f);
	write_all(fds[1], "before");
	assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
	write_all(fds[1], "behind");
	/* All of it is there before the ring looks. */
	expect_text(f, 1, "beforebehind");
	cancel_and_drop(f, 1);
	close_both(fds);
}

/* So it does at a descriptor that came with the bytes. */
static void
bytes_behind_a_passed_descriptor_are_not_left_behind(void **state)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t) "first", 5 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct fixture *f = *state;
	int fds[2];

	open_group(f, 4);
	open_unix(fds, SOCK_STREAM);
	recv_multishot(f, fds[0], 1, 0);
	assert_silent(f);
	memcpy(CMSG_DATA(&control.header), &fds[1], sizeof(int));
	assert_int_equal(sendmsg(fds[1], &msg, 0), 5);
	write_all(fds[1], "second");
	expect_text(f, 1, "firstsecond");
	cancel_and_drop(f, 1);
	close_both(fds);
}

static void
without_a_buffer_a_receive_ends_and_keeps_the_bytes(void **state)
{
	struct fixture *f = *state;
	struct torc_cqe cqe;
	int fds[2];

	open_receiving(f, 1, fds);
	write_all(fds[1], "abc");
	cqe = await_cqe(f, 1);
	write_all(fds[1], "def");
	assert_ends(f, 1, -ENOBUFS);
	/* Even where there is nothing to receive. */
	recv_multishot(f, fds[1], 2, 0);
	assert_ends(f, 2, -ENOBUFS);

	put_buffer(f, cqe);
	recv_multishot(f, fds[0], 3, 0);
	expect_text(f, 3, "def");
	cancel_and_drop(f, 3);
	close_both(fds);
}

static void
a_cap_ends_a_receive_after_so_many_bytes(void **state)
{
	struct fixture *f = *state;
	char data[700];
	struct torc_cqe cqe;
	int fds[2];
	int32_t sum = 0;

	memset(data, 'x', sizeof(data));
	open_group(f, 8);
	open_tcp(fds);
	assert_int_equal(write(fds[1], data, sizeof(data)), sizeof(data));
	recv_multishot(f, fds[0], 1, 600);
	do {
		cqe = await_cqe(f, 1);
		sum += cqe.res;
		assert_true(cqe.flags & IORING_CQE_F_BUFFER);
		assert_int_equal(!(cqe.flags & IORING_CQE_F_MORE), sum == 600);
	} while (cqe.flags & IORING_CQE_F_MORE);
	assert_silent(f);
	assert_int_equal(recv(fds[0], data, sizeof(data), 0), 100);
	close_both(fds);
}

static void
a_full_cq_ends_a_receive_and_loses_no_byte(void **state)
{
	struct fixture *f = *state;
	struct torc_cqe cqe;
	int fds[2];

	open_receiving(f, 4, fds);
	assert_silent(f);
	fill_cq(f);
	write_all(fds[1], "abc");
	turn(f);
	turn(f);
	expect_filled_cq(f);
	cqe = await_cqe(f, 1);
	assert_int_equal(cqe.res, 3);
	assert_memory_equal(buffer_of(f, cqe), "abc", 3);
	assert_false(cqe.flags & IORING_CQE_F_MORE);
	assert_silent(f);
	close_both(fds);
}

/* With datagrams, each of which is a result of its own. */
static void
who_floods_a_socket_does_not_starve_another(void **state)
{
	struct fixture *f = *state;
	int flood[2], other[2];
	unsigned count = 0;

	open_group(f, BUFS_MAX);
	open_unix(flood, SOCK_SEQPACKET);
	open_unix(other, SOCK_SEQPACKET);
	recv_multishot(f, flood[0], 1, 0);
	recv_multishot(f, other[0], 2, 0);
	assert_silent(f);
	for (unsigned i = 0; i < 40; i++)
		write_all(flood[1], "x");
	write_all(other[1], "y");
	turn(f);

	assert_int_equal(torc__ring_cq_count(&f->ring), TORC__EPOLL_BURST + 1);
	assert_true(torc__ring_wants_enter(&f->ring));
	for (unsigned i = 0; i < TORC__EPOLL_BURST; i++)
		await_cqe(f, 1);
	await_cqe(f, 2);
	for (count = TORC__EPOLL_BURST; count < 40; count++)
		await_cqe(f, 1);
	assert_silent(f);
	assert_false(torc__ring_wants_enter(&f->ring));
	cancel_and_drop(f, 1);
	cancel_and_drop(f, 2);
	close_both(flood);
	close_both(other);
}

/* Three bursts of datagrams for the receive of id 1. */
static void
open_flooded(struct fixture *f, int *fds)
{
	open_group(f, BUFS_MAX);
	open_unix(fds, SOCK_SEQPACKET);
	recv_multishot(f, fds[0], 1, 0);
	assert_silent(f);
	for (unsigned i = 0; i < 3 * TORC__EPOLL_BURST; i++)
		write_all(fds[1], "x");
}

/* Take so many results of one op, and give their buffers back. */
static void
take(struct fixture *f, uint64_t id, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct torc_cqe cqe = await_cqe(f, id);

		assert_int_equal(cqe.res, 1);
		put_buffer(f, cqe);
	}
}

static void
an_op_in_the_middle_of_a_burst_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_flooded(f, fds);
	turn(f);
	take(f, 1, TORC__EPOLL_BURST);
	/* One more burst is due in the enter that takes the cancel. */
	cancel(f, 1, 2);
	take(f, 1, TORC__EPOLL_BURST);
	assert_ends(f, 1, -ECANCELED);
	assert_ends(f, 2, 0);
	assert_silent(f);
	close_both(fds);
}

static void
an_event_in_the_middle_of_a_burst_adds_nothing(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_flooded(f, fds);
	write_all(fds[1], "x");
	/* Not every enter looks for events; one of these does. */
	for (unsigned i = 0; i < 3; i++) {
		turn(f);
		write_all(fds[1], "x");
		assert_int_equal(
			torc__ring_cq_count(&f->ring), TORC__EPOLL_BURST);
		take(f, 1, TORC__EPOLL_BURST);
	}
	take(f, 1, 4);
	cancel_and_drop(f, 1);
	close_both(fds);
}

static void
a_wait_for_more_than_a_burst_does_not_sleep_in_between(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	int fds[2];

	open_group(f, BUFS_MAX);
	open_tcp(fds);
	for (unsigned i = 0; i < TORC__EPOLL_BURST + 8; i++)
		write_all(fds[1], "x");
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_recv_multishot(sqe, fds[0], NULL, 1, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	add(sqe, 1);
	assert_int_equal(
		torc__ring_enter(&f->ring, TORC__EPOLL_BURST + 8, UINT64_MAX),
		0);
	take(f, 1, TORC__EPOLL_BURST + 8);
	cancel_and_drop(f, 1);
	close_both(fds);
}

static void
a_receive_of_several_kinds_is_refused(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
	int fds[2];

	open_tcp(fds);
	io_uring_prep_recv_multishot(sqe, fds[0], NULL, 0, 0);
	submit(f, sqe, 1);
	assert_ends(f, 1, -EINVAL);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_recv_multishot(sqe, fds[0], NULL, 0, MSG_WAITALL);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	submit(f, sqe, 2);
	assert_ends(f, 2, -EINVAL);
	close_both(fds);
}

/* ---- send ---- */

static char big[8 << 20];

static void
send_by_ring(struct fixture *f, int fd, size_t bytes, int flags, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_send(sqe, fd, big, bytes, flags);
	submit(f, sqe, id);
}

static size_t
drain(struct fixture *f, int fd, size_t bytes)
{
	static char sink[1 << 16];
	size_t done = 0;

	while (done < bytes) {
		ssize_t got = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

		if (got > 0)
			done += (size_t)got;
		else
			assert_int_equal(errno, EAGAIN);
		turn(f);
	}
	return done;
}

static void
a_full_socket_takes_a_part_and_then_lets_the_next_wait(void **state)
{
	struct fixture *f = *state;
	struct torc_cqe cqe;
	int fds[2];

	open_tcp(fds);
	do {
		send_by_ring(f, fds[0], sizeof(big), 0, 1);
		if (torc__ring_cq_count(&f->ring) == 0)
			break;
		cqe = await_cqe(f, 1);
		assert_in_range(cqe.res, 1, sizeof(big));
	} while (true);
	assert_silent(f);
	/* Receiving on the same socket goes on meanwhile. */
	open_group(f, 4);
	recv_multishot(f, fds[0], 2, 0);
	write_all(fds[1], "abc");
	expect_text(f, 2, "abc");

	drain(f, fds[1], 1 << 20);
	assert_true(await_cqe(f, 1).res > 0);
	cancel_and_drop(f, 2);
	close_both(fds);
}

static void
a_send_of_all_sends_all(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_tcp(fds);
	send_by_ring(f, fds[0], sizeof(big), MSG_WAITALL, 1);
	assert_silent(f);
	drain(f, fds[1], sizeof(big));
	assert_ends(f, 1, sizeof(big));
	close_both(fds);
}

static void
a_send_that_waits_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_unix(fds, SOCK_STREAM);
	while (send(fds[0], big, 4096, MSG_DONTWAIT) > 0)
		continue;
	send_by_ring(f, fds[0], 4096, 0, 1);
	assert_silent(f);
	cancel_and_drop(f, 1);
	close_both(fds);
}

static void
a_send_to_nobody_is_epipe_without_a_signal(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_unix(fds, SOCK_STREAM);
	close(fds[1]);
	send_by_ring(f, fds[0], 10, 0, 1);
	assert_ends(f, 1, -EPIPE);
	close(fds[0]);
}

static void
a_reset_ends_a_send_that_waits(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	open_tcp(fds);
	while (send(fds[0], big, 65536, MSG_DONTWAIT) > 0)
		continue;
	send_by_ring(f, fds[0], 4096, 0, 1);
	assert_silent(f);
	close_with_reset(fds[1]);
	assert_ends(f, 1, -ECONNRESET);
	close(fds[0]);
}

/* ---- messages ---- */

static void
a_vector_is_sent_and_received_as_one(void **state)
{
	struct fixture *f = *state;
	char left[4] = "", right[8] = "";
	struct iovec out[2] = { { (void *)(uintptr_t) "abc", 3 },
		{ (void *)(uintptr_t) "defg", 4 } };
	struct iovec in[2] = { { left, 2 }, { right, 8 } };
	struct msghdr to = { .msg_iov = out, .msg_iovlen = 2 };
	struct msghdr from = { .msg_iov = in, .msg_iovlen = 2 };
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
	int fds[2];

	open_unix(fds, SOCK_STREAM);
	io_uring_prep_recvmsg(sqe, fds[0], &from, 0);
	submit(f, sqe, 1);
	assert_silent(f);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_sendmsg(sqe, fds[1], &to, 0);
	submit(f, sqe, 2);
	assert_ends(f, 2, 7);
	assert_ends(f, 1, 7);
	assert_string_equal(left, "ab");
	assert_string_equal(right, "cdefg");
	close_both(fds);
}

static int
udp_socket(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (void *)address, len), 0);
	assert_int_equal(getsockname(fd, (void *)address, &len), 0);
	return fd;
}

static void
datagrams_come_with_their_senders_name(void **state)
{
	struct fixture *f = *state;
	struct msghdr template = { .msg_namelen = 16 };
	struct sockaddr_in here, there;
	int receiver = udp_socket(&here), sender = udp_socket(&there);
	static const char *const texts[] = { "one", "", "three" };
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	open_group(f, 4);
	io_uring_prep_recvmsg_multishot(sqe, receiver, &template, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	submit(f, sqe, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct torc_cqe cqe;
		struct io_uring_recvmsg_out *out;

		sendto(sender, texts[i], strlen(texts[i]), 0, (void *)&here,
			sizeof(here));
		cqe = await_cqe(f, 1);
		assert_true(cqe.flags & IORING_CQE_F_MORE);
		out = io_uring_recvmsg_validate(
			buffer_of(f, cqe), cqe.res, &template);
		assert_non_null(out);
		assert_int_equal(out->namelen, sizeof(there));
		assert_memory_equal(
			io_uring_recvmsg_name(out), &there, sizeof(there));
		assert_int_equal(io_uring_recvmsg_payload_length(
					 out, cqe.res, &template),
			strlen(texts[i]));
		assert_memory_equal(io_uring_recvmsg_payload(out, &template),
			texts[i], strlen(texts[i]));
		put_buffer(f, cqe);
	}
	cancel_and_drop(f, 1);
	close(receiver);
	close(sender);
}

/* One datagram to oneself, received into a buffer that it does not fit. */
static void
receive_cut(struct fixture *f, struct msghdr *template, int flags)
{
	struct sockaddr_in here;
	int receiver = udp_socket(&here);
	struct io_uring_recvmsg_out *out;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
	struct torc_cqe cqe;

	sendto(receiver, big, 1000, 0, (void *)&here, sizeof(here));
	io_uring_prep_recvmsg_multishot(sqe, receiver, template, flags);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	submit(f, sqe, 1);
	cqe = await_cqe(f, 1);
	assert_int_equal(cqe.res, BUF_BYTES);
	out = io_uring_recvmsg_validate(buffer_of(f, cqe), cqe.res, template);
	assert_non_null(out);
	assert_true(out->flags & MSG_TRUNC);
	assert_int_equal(out->namelen, template->msg_namelen);
	assert_int_equal(
		io_uring_recvmsg_payload_length(out, cqe.res, template),
		BUF_BYTES - sizeof(*out) - template->msg_namelen);
	if (flags & MSG_TRUNC)
		assert_int_equal(out->payloadlen, 1000);
	cancel_and_drop(f, 1);
	close(receiver);
}

static void
a_datagram_that_does_not_fit_is_cut_and_says_so(void **state)
{
	struct msghdr named = { .msg_namelen = 16 }, nameless = { 0 };
	struct fixture *f = *state;

	open_group(f, 4);
	receive_cut(f, &named, 0);
	receive_cut(f, &named, MSG_TRUNC);
	receive_cut(f, &nameless, 0);
}

static void
a_buffer_without_room_for_the_header_is_efault(void **state)
{
	struct msghdr template = { .msg_namelen = BUF_BYTES };
	struct fixture *f = *state;
	struct sockaddr_in here;
	int receiver = udp_socket(&here);
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	open_group(f, 4);
	io_uring_prep_recvmsg_multishot(sqe, receiver, &template, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	submit(f, sqe, 1);
	assert_ends(f, 1, -EFAULT);
	close(receiver);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(a_receive_waits_gets_and_ends),
		WITH_EPOLL(a_receive_that_must_not_wait_says_so),
		WITH_EPOLL(a_receive_of_all_waits_for_all_or_the_end),
		WITH_EPOLL(a_reset_is_an_error_and_not_an_end),
		WITH_EPOLL(a_multishot_receive_goes_on_until_the_end),
		WITH_EPOLL(an_end_behind_bytes_is_not_missed),
		WITH_EPOLL(bytes_behind_an_urgent_one_are_not_left_behind),
		WITH_EPOLL(
			bytes_behind_a_passed_descriptor_are_not_left_behind),
		WITH_EPOLL(without_a_buffer_a_receive_ends_and_keeps_the_bytes),
		WITH_EPOLL(a_cap_ends_a_receive_after_so_many_bytes),
		WITH_EPOLL(a_full_cq_ends_a_receive_and_loses_no_byte),
		WITH_EPOLL(who_floods_a_socket_does_not_starve_another),
		WITH_EPOLL(an_op_in_the_middle_of_a_burst_can_be_cancelled),
		WITH_EPOLL(an_event_in_the_middle_of_a_burst_adds_nothing),
		WITH_EPOLL(
			a_wait_for_more_than_a_burst_does_not_sleep_in_between),
		WITH_EPOLL(a_receive_of_several_kinds_is_refused),
		WITH_EPOLL(
			a_full_socket_takes_a_part_and_then_lets_the_next_wait),
		WITH_EPOLL(a_send_of_all_sends_all),
		WITH_EPOLL(a_send_that_waits_can_be_cancelled),
		WITH_EPOLL(a_send_to_nobody_is_epipe_without_a_signal),
		WITH_EPOLL(a_reset_ends_a_send_that_waits),
		WITH_EPOLL(a_vector_is_sent_and_received_as_one),
		WITH_EPOLL(datagrams_come_with_their_senders_name),
		WITH_EPOLL(a_datagram_that_does_not_fit_is_cut_and_says_so),
		WITH_EPOLL(a_buffer_without_room_for_the_header_is_efault),
	};

	return cmocka_run_group_tests_name(
		"uring/epoll_transfer", tests, NULL, NULL);
}
