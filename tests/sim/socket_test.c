/* SPDX-License-Identifier: MIT */
/*
 * Goal    Simulated sockets do what the kernel's do: ends, resets, refusals,
 *         backlogs, names, options, datagrams.
 * Method  One ring without a runtime; SQEs by hand, one CQE after the other,
 *         as the contract suite sees them. No fault is on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/test.h"
#include <torc/base/log.h>

#include "uring/op_priv.h"
#include "uring/ring_priv.h"
#include "uring/sim_priv.h"

#define PORT 7000
#define GROUP 3
#define BUFS 8
#define BUF_BYTES 256

struct fixture {
	struct torc_ring ring;
	struct io_uring_buf_ring *group;
	char bufs[BUFS][BUF_BYTES];
	uint64_t next; /* user_data */
};

static int
set_up(void **state)
{
	static struct fixture f;
	static char page[4096] __attribute__((aligned(4096)));
	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)page, .ring_entries = 16, .bgid = GROUP
	};
	struct torc_sim_config config;

	memset(&f, 0, sizeof(f));
	memset(page, 0, sizeof(page));
	torc__sim_config_init(&config);
	assert_int_equal(torc__sim_begin(&config), 0);
	assert_int_equal(torc__ring_open(&f.ring, &torc__engine_sim,
				 &(struct torc_ring_options){
					 .sq_entries = 64, .cq_entries = 256 }),
		0);
	f.group = (void *)page;
	for (uint16_t i = 0; i < BUFS; i++)
		f.group->bufs[i] = (struct io_uring_buf){
			.addr = (uintptr_t)f.bufs[i], .len = BUF_BYTES, .bid = i
		};
	f.group->tail = BUFS;
	assert_int_equal(
		f.ring.engine->reg(&f.ring, IORING_REGISTER_PBUF_RING, &reg, 1),
		0);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	struct torc_sim_counts counts;

	torc__ring_close(&f->ring);
	torc__sim_end(&counts);
	return 0;
}

static struct io_uring_sqe *
sqe_new(struct fixture *f)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	sqe->user_data = ++f->next;
	return sqe;
}

/* The next CQE, however long it takes. */
static struct torc_cqe
next_cqe(struct fixture *f)
{
	while (torc__ring_cq_count(&f->ring) == 0)
		assert_int_equal(torc__ring_enter(&f->ring, 1, UINT64_MAX), 0);
	return torc__ring_pop(&f->ring);
}

/* Nothing comes within a second. */
static void
expect_silence(struct fixture *f)
{
	assert_int_equal(torc__ring_enter(&f->ring, 1, 1000000000), 0);
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);
}

static int32_t
result(struct fixture *f)
{
	uint64_t user_data = f->next;
	struct torc_cqe cqe = next_cqe(f);

	assert_int_equal(cqe.user_data, user_data);
	assert_false(cqe.flags & IORING_CQE_F_MORE);
	return cqe.res;
}

static struct sockaddr_in
address(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static int
open_socket(struct fixture *f, int type)
{
	int fd = f->ring.engine->socket(&f->ring, AF_INET, type, 0);

	assert_true(fd >= 0);
	return fd;
}

static int
open_listener(struct fixture *f, uint16_t port, int backlog)
{
	struct sockaddr_in at = address(port);
	int fd = open_socket(f, SOCK_STREAM);

	assert_int_equal(f->ring.engine->bind(&f->ring, fd,
				 (struct sockaddr *)&at, sizeof(at)),
		0);
	assert_int_equal(f->ring.engine->listen(&f->ring, fd, backlog), 0);
	return fd;
}

static int32_t
connect_to(struct fixture *f, int fd, uint16_t port)
{
	struct sockaddr_in at = address(port);

	io_uring_prep_connect(
		sqe_new(f), fd, (struct sockaddr *)&at, sizeof(at));
	return result(f);
}

static int32_t
accept_one(struct fixture *f, int listener)
{
	io_uring_prep_accept(sqe_new(f), listener, NULL, NULL, 0);
	return result(f);
}

/* Both ends of a connection. */
static void
open_pair(struct fixture *f, int *client, int *server)
{
	int listener = open_listener(f, PORT, 16);

	*client = open_socket(f, SOCK_STREAM);
	assert_int_equal(connect_to(f, *client, PORT), 0);
	*server = accept_one(f, listener);
	assert_true(*server >= 0);
	f->ring.engine->close_fd(&f->ring, listener);
}

static int32_t
send_text(struct fixture *f, int fd, const char *text)
{
	io_uring_prep_send(
		sqe_new(f), fd, text, (unsigned)strlen(text), MSG_NOSIGNAL);
	return result(f);
}

static int32_t
recv_into(struct fixture *f, int fd, void *data, unsigned bytes)
{
	io_uring_prep_recv(sqe_new(f), fd, data, bytes, 0);
	return result(f);
}

static void
close_fd(struct fixture *f, int fd)
{
	io_uring_prep_close(sqe_new(f), fd);
	assert_int_equal(result(f), 0);
}

static int
tcp_state(struct fixture *f, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(f->ring.engine->getsockopt(&f->ring, fd, IPPROTO_TCP,
				 TCP_INFO, &info, &len),
		0);
	return info.tcpi_state;
}

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
nobody_listens_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		connect_to(f, open_socket(f, SOCK_STREAM), 1), -ECONNREFUSED);
}

static void
a_full_backlog_is_tried_again(void **state)
{
	struct fixture *f = *state;
	int listener = open_listener(f, PORT, 0);
	struct sockaddr_in at = address(PORT);
	struct torc_cqe cqe;

	assert_int_equal(connect_to(f, open_socket(f, SOCK_STREAM), PORT), 0);
	io_uring_prep_connect(sqe_new(f), open_socket(f, SOCK_STREAM),
		(struct sockaddr *)&at, sizeof(at));
	assert_int_equal(torc__ring_enter(&f->ring, 1, 500000000), 0);
	assert_int_equal(torc__ring_cq_count(&f->ring), 0);

	/* Room for it. */
	io_uring_prep_accept(sqe_new(f), listener, NULL, NULL, 0);
	cqe = next_cqe(f);
	assert_true(cqe.res >= 0);
	cqe = next_cqe(f);
	assert_int_equal(cqe.res, 0);
}

static void
a_backlog_that_stays_full_is_a_time_out(void **state)
{
	struct fixture *f = *state;
	uint64_t before_ns = torc__sim_now_ns();

	open_listener(f, PORT, 0);
	assert_int_equal(connect_to(f, open_socket(f, SOCK_STREAM), PORT), 0);
	assert_int_equal(
		connect_to(f, open_socket(f, SOCK_STREAM), PORT), -ETIMEDOUT);
	assert_true(torc__sim_now_ns() - before_ns > 60000000000ull);
}

static void
a_listener_that_closes_resets_its_queue(void **state)
{
	struct fixture *f = *state;
	int listener = open_listener(f, PORT, 16);
	int client = open_socket(f, SOCK_STREAM);
	char data[16];

	assert_int_equal(connect_to(f, client, PORT), 0);
	f->ring.engine->close_fd(&f->ring, listener);

	assert_int_equal(recv_into(f, client, data, sizeof(data)), -ECONNRESET);
}

static void
a_listener_that_is_shut_ends_its_accepts(void **state)
{
	struct fixture *f = *state;
	int listener = open_listener(f, PORT, 16);

	io_uring_prep_multishot_accept(sqe_new(f), listener, NULL, NULL, 0);
	expect_silence(f);
	assert_int_equal(
		f->ring.engine->shutdown(&f->ring, listener, SHUT_RD), 0);
	assert_int_equal(result(f), -EINVAL);
	assert_int_equal(connect_to(f, open_socket(f, SOCK_STREAM), PORT),
		-ECONNREFUSED);
}

static void
a_port_is_taken_unless_both_share_it(void **state)
{
	struct fixture *f = *state;
	const struct torc_engine *engine = f->ring.engine;
	int first = open_listener(f, PORT, 1), one = 1;
	int second = open_socket(f, SOCK_STREAM);
	struct sockaddr_in at = address(PORT);

	assert_int_equal(engine->bind(&f->ring, second, (struct sockaddr *)&at,
				 sizeof(at)),
		-EADDRINUSE);
	engine->setsockopt(
		&f->ring, second, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	assert_int_equal(engine->bind(&f->ring, second, (struct sockaddr *)&at,
				 sizeof(at)),
		-EADDRINUSE);
	engine->setsockopt(
		&f->ring, first, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	assert_int_equal(engine->bind(&f->ring, second, (struct sockaddr *)&at,
				 sizeof(at)),
		0);
}

static void
names_are_those_of_both_ends(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at = { 0 }, peer = { 0 };
	socklen_t len = sizeof(at);
	int client, server;

	open_pair(f, &client, &server);
	assert_int_equal(f->ring.engine->getpeername(&f->ring, client,
				 (struct sockaddr *)&peer, &len),
		0);
	assert_int_equal(ntohs(peer.sin_port), PORT);
	assert_int_equal(f->ring.engine->getsockname(&f->ring, client,
				 (struct sockaddr *)&at, &len),
		0);
	assert_int_equal(f->ring.engine->getpeername(&f->ring, server,
				 (struct sockaddr *)&peer, &len),
		0);
	assert_int_equal(len, sizeof(at));
	assert_memory_equal(&at, &peer, sizeof(at));
	assert_true(ntohs(at.sin_port) != 0);
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
a_unix_name_stays_until_it_is_removed(void **state)
{
	struct fixture *f = *state;
	const struct torc_engine *engine = f->ring.engine;
	struct sockaddr_un at = { .sun_family = AF_UNIX,
		.sun_path = "/no/such/folder" };
	struct sockaddr *sa = (struct sockaddr *)&at;
	int first = engine->socket(&f->ring, AF_UNIX, SOCK_STREAM, 0);
	int second = engine->socket(&f->ring, AF_UNIX, SOCK_STREAM, 0);

	io_uring_prep_connect(sqe_new(f), second, sa, sizeof(at));
	assert_int_equal(result(f), -ENOENT);
	assert_int_equal(engine->bind(&f->ring, first, sa, sizeof(at)), 0);
	assert_false(engine->unix_is_stale(&f->ring, sa, sizeof(at)));
	engine->close_fd(&f->ring, first);

	assert_int_equal(
		engine->bind(&f->ring, second, sa, sizeof(at)), -EADDRINUSE);
	assert_true(engine->unix_is_stale(&f->ring, sa, sizeof(at)));
	io_uring_prep_connect(sqe_new(f), second, sa, sizeof(at));
	assert_int_equal(result(f), -ECONNREFUSED);
	engine->unix_remove(&f->ring, sa);
	second = engine->socket(&f->ring, AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(engine->bind(&f->ring, second, sa, sizeof(at)), 0);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(bytes_arrive_and_then_the_end),
		CASE(a_reset_is_reported_once_and_then_looks_like_an_end),
		CASE(a_send_takes_the_error_away_from_a_receive),
		CASE(a_close_with_unread_bytes_is_a_reset),
		CASE(what_arrived_before_a_reset_can_be_read),
		CASE(bytes_for_a_closed_socket_bring_a_reset),
		CASE(a_close_with_an_op_in_flight_closes_nothing),
		CASE(nobody_listens_is_refused),
		CASE(a_full_backlog_is_tried_again),
		CASE(a_backlog_that_stays_full_is_a_time_out),
		CASE(a_listener_that_closes_resets_its_queue),
		CASE(a_listener_that_is_shut_ends_its_accepts),
		CASE(a_port_is_taken_unless_both_share_it),
		CASE(names_are_those_of_both_ends),
		CASE(a_send_takes_what_fits_and_the_rest_waits),
		CASE(a_multishot_receive_fills_buffers_until_its_cap),
		CASE(a_receive_without_buffers_ends_at_once),
		CASE(a_cancel_ends_its_target_and_says_nothing),
		CASE(a_poll_for_nothing_shows_a_reset),
		CASE(a_unix_name_stays_until_it_is_removed),
		CASE(a_datagram_arrives_with_its_sender),
		CASE(what_is_not_simulated_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
