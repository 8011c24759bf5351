/* SPDX-License-Identifier: MIT */
/*
 * Goal    Simulated listeners and names do what the kernel's do: refusals,
 *         backlogs, ports that are taken or shared, names that stay.
 * Method  One ring without a runtime.
 */
#include "tests/sim/ring_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(nobody_listens_is_refused),
		WITH_RING(a_full_backlog_is_tried_again),
		WITH_RING(a_backlog_that_stays_full_is_a_time_out),
		WITH_RING(a_listener_that_closes_resets_its_queue),
		WITH_RING(a_listener_that_is_shut_ends_its_accepts),
		WITH_RING(a_port_is_taken_unless_both_share_it),
		WITH_RING(names_are_those_of_both_ends),
		WITH_RING(a_unix_name_stays_until_it_is_removed),
	};

	return cmocka_run_group_tests_name("sim/listener", tests, NULL, NULL);
}
