/* SPDX-License-Identifier: MIT */
/*
 * Goal    Connections on the epoll engine begin and end as they do with
 *         io_uring: no client is lost or waited for in vain, and a socket
 *         lives as long as an op on it.
 * Method  Real sockets; the peer is the test, by plain system calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "tests/uring/epoll_fixture.h"

/* ---- accept ---- */

static void
accept_one(struct fixture *f, int listener, bool is_multishot, uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	if (is_multishot)
		io_uring_prep_multishot_accept(
			sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	submit(f, sqe, id);
}

static void
an_accept_waits_for_its_client(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 8), client;
	struct torc_cqe cqe;

	accept_one(f, listener, false, 1);
	assert_silent(f);
	client = connect_to(&address);
	cqe = await_cqe(f, 1);
	assert_true(cqe.res >= 0);
	assert_int_equal(cqe.flags, 0);
	assert_int_equal(fcntl(cqe.res, F_GETFD), FD_CLOEXEC);
	close(cqe.res);
	close(client);
	close(listener);
}

static void
a_multishot_accept_takes_those_before_and_after(void **state)
{
	enum { CLIENTS = 40 };
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, CLIENTS);
	int clients[CLIENTS];

	for (unsigned i = 0; i < CLIENTS / 2; i++)
		clients[i] = connect_to(&address);
	accept_one(f, listener, true, 1);
	for (unsigned i = CLIENTS / 2; i < CLIENTS; i++)
		clients[i] = connect_to(&address);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct torc_cqe cqe = await_cqe(f, 1);

		assert_true(cqe.flags & IORING_CQE_F_MORE);
		close(cqe.res);
		close(clients[i]);
	}
	cancel_and_drop(f, 1);
	close(listener);
}

static void
an_accept_without_a_descriptor_leaves_the_client(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 8);
	int client = connect_to(&address);
	struct rlimit limit, none;
	struct torc_cqe cqe;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	accept_one(f, listener, true, 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_ends(f, 1, -EMFILE);

	accept_one(f, listener, true, 2);
	cqe = await_cqe(f, 2);
	assert_true(cqe.res >= 0);
	cancel_and_drop(f, 2);
	close(cqe.res);
	close(client);
	close(listener);
}

/* The second ring's event is stale once the first has taken the client. */
static void
a_client_that_another_ring_took_blocks_nobody(void **state)
{
	struct torc_ring_options options = { 0 };
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 8), client;
	struct torc_ring other;
	struct io_uring_sqe *sqe;

	assert_int_equal(
		torc__ring_open(&other, &torc__engine_epoll, &options), 0);
	sqe = torc__ring_sqe(&other);
	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
	assert_int_equal(torc__ring_enter(&other, 0, 0), 0);
	accept_one(f, listener, true, 1);
	client = connect_to(&address);
	close(await_cqe(f, 1).res);

	assert_int_equal(torc__ring_enter(&other, 0, 0), 0);
	assert_int_equal(torc__ring_cq_count(&other), 0);
	cancel_and_drop(f, 1);
	torc__ring_close(&other);
	close(client);
	close(listener);
}

static void
a_full_cq_ends_a_multishot_accept_with_its_client(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, CQ_ENTRIES + 8);
	int clients[CQ_ENTRIES + 4];
	unsigned more = 0;

	for (unsigned i = 0; i < CQ_ENTRIES + 4; i++)
		clients[i] = connect_to(&address);
	accept_one(f, listener, true, 1);
	turn(f);
	turn(f);
	for (unsigned i = 0; i < CQ_ENTRIES + 1; i++) {
		struct torc_cqe cqe = await_cqe(f, 1);

		assert_true(cqe.res >= 0);
		assert_int_equal(
			cqe.flags, i < CQ_ENTRIES ? IORING_CQE_F_MORE : 0);
		close(cqe.res);
	}
	assert_silent(f);
	accept_one(f, listener, true, 2);
	for (; more < 3; more++)
		close(await_cqe(f, 2).res);
	cancel_and_drop(f, 2);
	for (unsigned i = 0; i < CQ_ENTRIES + 4; i++)
		close(clients[i]);
	close(listener);
}

static void
a_listener_that_is_shut_down_ends_its_accept(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 8);

	accept_one(f, listener, true, 1);
	assert_silent(f);
	shutdown(listener, SHUT_RD);
	assert_ends(f, 1, -EINVAL);
	close(listener);
}

static void
an_accept_on_what_does_not_listen_is_an_error(void **state)
{
	struct fixture *f = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];

	accept_one(f, fd, true, 1);
	assert_ends(f, 1, -EINVAL);
	close(fd);
	accept_one(f, fd, true, 2);
	assert_ends(f, 2, -EBADF);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	accept_one(f, fds[0], true, 3);
	assert_ends(f, 3, -ENOTSOCK);
	close_both(fds);
}

/* ---- connect ---- */

static void
connect_by_ring(struct fixture *f, int fd, const void *address, socklen_t len,
	uint64_t id)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

	io_uring_prep_connect(sqe, fd, address, len);
	submit(f, sqe, id);
}

static void
a_connect_succeeds_and_leaves_the_socket_blocking(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 8);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;
	struct io_uring_sqe *sqe;

	connect_by_ring(f, fd, &address, sizeof(address), 1);
	assert_ends(f, 1, 0);
	connect_by_ring(f, fd, &address, sizeof(address), 3);
	assert_ends(f, 3, -EISCONN);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	/* So a receive waits. */
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_recv(sqe, fd, &byte, 1, 0);
	submit(f, sqe, 2);
	assert_silent(f);
	cancel_and_drop(f, 2);
	close(fd);
	close(listener);
}

static void
a_refused_connect_says_so(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	close(listen_on_loopback(&address, 8));
	connect_by_ring(f, fd, &address, sizeof(address), 1);
	assert_ends(f, 1, -ECONNREFUSED);
	close(fd);
}

/* A full backlog answers nobody. */
static void
a_connect_that_is_not_answered_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address, 0);
	int first = connect_to(&address), fds[2];

	for (unsigned i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		connect_by_ring(f, fds[i], &address, sizeof(address), i);
	}
	/* On loopback the first that fits is connected at once. */
	while (torc__ring_cq_count(&f->ring) > 0)
		assert_int_equal(torc__ring_pop(&f->ring).user_data, 0);
	cancel_and_drop(f, 1);
	close_both(fds);
	close(first);
	close(listener);
}

static void
a_connect_to_a_full_unix_listener_waits_for_room(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len;

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
		"torc-epoll-test-%d", getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  strlen(address.sun_path + 1));
	assert_int_equal(bind(listener, (void *)&address, len), 0);
	assert_int_equal(listen(listener, 0), 0);
	connect_by_ring(f, first, &address, len, 1);
	assert_ends(f, 1, 0);
	connect_by_ring(f, second, &address, len, 2);
	assert_silent(f);
	close(accept(listener, NULL, NULL));
	assert_ends(f, 2, 0);
	close(first);
	close(second);
	close(listener);
}

/* ---- the end ---- */

static void
half_a_connection_ends_and_the_other_half_goes_on(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	int fds[2];
	char byte;

	open_group(f, 4);
	open_tcp(fds);
	recv_multishot(f, fds[0], 1, 0);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_shutdown(sqe, fds[0], SHUT_WR);
	submit(f, sqe, 2);
	assert_ends(f, 2, 0);
	assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
	write_all(fds[1], "late");
	expect_text(f, 1, "late");
	close(fds[1]);
	assert_ends(f, 1, 0);
	close(fds[0]);
}

static void
a_watch_for_errors_tells_a_reset_behind_an_end(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);
	struct torc_cqe cqe;
	int fds[2];

	open_tcp(fds);
	shutdown(fds[1], SHUT_WR);
	io_uring_prep_poll_multishot(sqe, fds[0], 0);
	submit(f, sqe, 1);
	cqe = await_cqe(f, 1);
	assert_int_equal(cqe.res, POLLRDHUP);
	assert_silent(f);
	close_with_reset(fds[1]);
	cqe = await_cqe(f, 1);
	assert_true(cqe.res & POLLERR);
	assert_true(cqe.flags & IORING_CQE_F_MORE);
	cancel_and_drop(f, 1);
	close(fds[0]);
}

/* As io_uring has it: an op in flight keeps the connection open. */
static void
a_close_with_a_receive_in_flight_ends_when_that_does(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *sqe;
	struct pollfd peer;
	int fds[2];

	open_group(f, 4);
	open_tcp(fds);
	recv_multishot(f, fds[0], 1, 0);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_close(sqe, fds[0]);
	submit(f, sqe, 2);
	assert_ends(f, 2, 0);
	peer = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	assert_int_equal(poll(&peer, 1, 20), 0);
	write_all(fds[1], "abc");
	expect_text(f, 1, "abc");
	cancel_and_drop(f, 1);
	assert_int_equal(poll(&peer, 1, 10000), 1);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EPOLL(an_accept_waits_for_its_client),
		WITH_EPOLL(a_multishot_accept_takes_those_before_and_after),
		WITH_EPOLL(an_accept_without_a_descriptor_leaves_the_client),
		WITH_EPOLL(a_client_that_another_ring_took_blocks_nobody),
		WITH_EPOLL(a_full_cq_ends_a_multishot_accept_with_its_client),
		WITH_EPOLL(a_listener_that_is_shut_down_ends_its_accept),
		WITH_EPOLL(an_accept_on_what_does_not_listen_is_an_error),
		WITH_EPOLL(a_connect_succeeds_and_leaves_the_socket_blocking),
		WITH_EPOLL(a_refused_connect_says_so),
		WITH_EPOLL(a_connect_that_is_not_answered_can_be_cancelled),
		WITH_EPOLL(a_connect_to_a_full_unix_listener_waits_for_room),
		WITH_EPOLL(half_a_connection_ends_and_the_other_half_goes_on),
		WITH_EPOLL(a_watch_for_errors_tells_a_reset_behind_an_end),
		WITH_EPOLL(
			a_close_with_a_receive_in_flight_ends_when_that_does),
	};

	return cmocka_run_group_tests_name(
		"uring/epoll_socket", tests, NULL, NULL);
}
