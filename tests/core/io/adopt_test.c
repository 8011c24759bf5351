/* SPDX-License-Identifier: MIT */
/*
 * Goal    A descriptor that came from elsewhere becomes a stream, a listener
 *         or a udp socket like any other, whatever state it was in; what is
 *         none is refused and closed, and whoever else has it keeps it.
 * Method  The real kernel, one shard; plain sockets.
 */
#include <netinet/in.h>

#include <torc/test/sim.h>

#include "tests/core/io/udp_fixture.h"
#include "tests/support/child.h"

static int
echo_once(void *arg)
{
	const void *data;
	ssize_t bytes = torc_recv(arg, &data);

	if (bytes <= 0)
		return (int)bytes;
	return (int)torc_send_all(arg, data, (size_t)bytes);
}

/* Neither left to children, nor looked at again and again. */
static void
expect_ours(int fd)
{
	must_be(fcntl(fd, F_GETFD), FD_CLOEXEC);
	must_be(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

/* It waits for bytes, and for room, as any stream does. */
static void
expect_stream(int fd, int peer, int type)
{
	struct torc_stream *stream;
	struct torc_address local;
	struct torc_task *task;
	int result;

	must_be(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	must_be(fcntl(fd, F_SETFD, 0), 0);
	must_be(torc_stream_adopt(&stream, fd), 0);
	must_be(torc_stream_fd(stream), fd);
	expect_ours(fd);
	must_be(torc_stream_local(stream, &local), 0);
	must_be(local.type, type);
	must_be(torc_spawn(&task, echo_once, stream), 0);
	torc_sleep(TORC_MS);
	raw_send(peer, 0, 5000);
	raw_expect(peer, 0, 5000);
	must_be(torc_join(task, &result), 0);
	must_be(result, 5000);
	torc_close(stream);
	close(peer);
}

static int
every_kind_of_connection_is_adopted(void *unused)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	struct torc_address any = address_of(TCP);
	int listener, fd, fds[2];

	(void)unused;
	for (int i = 0; i < 2; i++) {
		must_be(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, fds),
			0);
		expect_stream(fds[0], fds[1],
			i == 0 ? TORC_UNIX : TORC_UNIX_SEQPACKET);
	}
	listener = raw_socket(&any);
	must_be(listen(listener, 1), 0);
	must_be(getsockname(listener, &any.sa, &any.len), 0);
	fd = raw_connect(&any);
	expect_stream(accept(listener, NULL, NULL), fd, TORC_TCP);
	close(listener);
	return 0;
}

static int
what_is_no_connection_is_refused_and_closed(void *unused)
{
	struct torc_stream *stream = NULL;
	unsigned before = fds_count();
	int fds[2];

	(void)unused;
	must_be(torc_stream_adopt(&stream, -1), -EBADF);
	must_be(torc_stream_adopt(&stream, open("/dev/null", O_RDONLY)),
		-ENOTSOCK);
	must_be(torc_stream_adopt(&stream, socket(AF_INET, SOCK_STREAM, 0)),
		-ENOTCONN);
	must_be(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	must_be(torc_stream_adopt(&stream, fds[0]), -EPROTOTYPE);
	close(fds[1]);

	must(stream == NULL);
	must_be(fds_count(), before);
	return 0;
}

/* From one stream's owner to another's, over a third. */
static int
a_stream_is_handed_on_and_adopted(void *unused)
{
	struct torc_stream *a, *b, *moved;
	unsigned room = 1;
	struct pair pair;
	int fd;
	char byte;

	(void)unused;
	pair_open(&pair, TCP);
	raw_send(pair.peer, 0, 3000);
	must_be(torc_packet_pair(&a, &b), 0);
	fd = torc_stream_fd(pair.stream);
	must_be(torc_send_fds(a, "x", 1, &fd, 1), 1);
	torc_close(pair.stream);
	pair.stream = NULL;

	must_be(torc_recv_fds(b, &byte, 1, &fd, &room), 1);
	must_be(torc_stream_adopt(&moved, fd), 0);

	must_be(torc_spawn(NULL, echo_once, moved), 0);
	raw_expect(pair.peer, 0, 3000);
	torc_close(moved);
	torc_close(a);
	torc_close(b);
	pair_close(&pair);
	return 0;
}

static int
echo_adopted(void *arg)
{
	struct torc_stream *stream;
	int ret = torc_stream_adopt(&stream, (int)(intptr_t)arg);

	if (ret < 0)
		return ret;
	ret = echo_once(stream);
	torc_close(stream);
	return ret;
}

static int
a_connection_moves_to_another_shard(void *unused)
{
	struct pair pair;
	int fd, result;

	(void)unused;
	pair_open(&pair, TCP);
	fd = fcntl(torc_stream_fd(pair.stream), F_DUPFD_CLOEXEC, 0);
	torc_close(pair.stream);
	pair.stream = NULL;
	raw_send(pair.peer, 0, 3000);

	must_be(torc_call_remote(
			1, echo_adopted, (void *)(intptr_t)fd, &result),
		0);

	must_be(result, 3000);
	raw_expect(pair.peer, 0, 3000);
	pair_close(&pair);
	return 0;
}

/* ---- listeners ---- */

/* A plain one, in a state that a program of any kind may have left it in. */
static int
raw_listener(struct torc_address *at, int type)
{
	int fd = socket(at->sa.sa_family, type | SOCK_NONBLOCK, 0);

	must(fd >= 0);
	must_be(bind(fd, &at->sa, at->len), 0);
	must_be(listen(fd, 10), 0);
	at->len = sizeof(at->storage);
	must_be(getsockname(fd, &at->sa, &at->len), 0);
	return fd;
}

/* One client is served; what is closed then are not the other copies. */
static int
serve_one(void *arg)
{
	struct torc_listener *listener;
	struct torc_stream *stream;
	int ret = torc_listener_adopt(&listener, (int)(intptr_t)arg);

	if (ret < 0)
		return ret;
	must_be(fcntl((int)(intptr_t)arg, F_GETFD), FD_CLOEXEC);
	ret = torc_accept(listener, &stream);
	if (ret == 0) {
		ret = echo_once(stream);
		torc_close(stream);
	}
	/* While an accept is in flight. */
	torc_listener_stop(listener);
	torc_listener_close(listener);
	return ret;
}

static void
expect_listener(const char *text, int type)
{
	struct torc_address at = address_of(text), told;
	struct torc_listener *listener;
	struct torc_stream *ours, *theirs;
	int fd = raw_listener(&at, type);
	char byte;

	must_be(torc_listener_adopt(&listener, fd), 0);
	must_be(torc_listener_address(listener, &told), 0);
	must_be(told.type, at.type);
	must_be(told.len, at.len);
	must(memcmp(&told.sa, &at.sa, at.len) == 0);
	for (int i = 0; i < 3; i++) {
		must_be(torc_connect(&ours, &told), 0);
		must_be(torc_accept(listener, &theirs), 0);
		must_be(torc_send_all(ours, "a", 1), 1);
		must_be(torc_read(theirs, &byte, 1), 1);
		torc_close(ours);
		torc_close(theirs);
	}
	torc_listener_close(listener);
}

static int
every_kind_of_listener_is_adopted(void *unused)
{
	char name[64], path[64];

	(void)unused;
	expect_listener(TCP, SOCK_STREAM);
	expect_listener("[::1]:0", SOCK_STREAM);
	expect_listener(abstract_text(), SOCK_STREAM);
	snprintf(name, sizeof(name), "unix-seqpacket:%s", abstract_text());
	expect_listener(name, SOCK_SEQPACKET);
	snprintf(path, sizeof(path), "unix:/tmp/torc-adopt-%d", getpid());
	expect_listener(path, SOCK_STREAM);

	/* Whose the path is, removes it. */
	must_be(unlink(path + strlen("unix:")), 0);
	return 0;
}

static int
what_does_not_listen_is_refused_and_closed(void *unused)
{
	struct torc_listener *listener = NULL;
	unsigned before = fds_count();
	int fds[2];

	(void)unused;
	must_be(torc_listener_adopt(&listener, -1), -EBADF);
	must_be(torc_listener_adopt(&listener, open("/dev/null", O_RDONLY)),
		-ENOTSOCK);
	must_be(torc_listener_adopt(&listener, socket(AF_INET, SOCK_DGRAM, 0)),
		-EPROTOTYPE);
	must_be(torc_listener_adopt(&listener, socket(AF_NETLINK, SOCK_RAW, 0)),
		-EPROTOTYPE);
	must_be(torc_listener_adopt(&listener, socket(AF_INET, SOCK_STREAM, 0)),
		-EINVAL);
	must_be(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	must_be(torc_listener_adopt(&listener, fds[0]), -EINVAL);
	close(fds[1]);

	must(listener == NULL);
	must_be(fds_count(), before);
	return 0;
}

static int
a_copy_that_stops_leaves_the_others_listening(void *unused)
{
	struct torc_address at = address_of(TCP);
	int fd = raw_listener(&at, SOCK_STREAM), peer, result;

	(void)unused;
	for (unsigned shard = 0; shard < 2; shard++) {
		int copy = dup(fd);

		peer = raw_connect(&at);
		raw_send(peer, 0, 5000);
		must_be(torc_call_remote(shard, serve_one,
				(void *)(intptr_t)copy, &result),
			0);
		must_be(result, 5000);
		raw_expect(peer, 0, 5000);
		close(peer);
	}
	close(fd);
	return 0;
}

static int
accept_until_it_stops(void *listener)
{
	struct torc_stream *stream;
	int ret;

	while ((ret = torc_accept(listener, &stream)) == 0)
		torc_close(stream);
	return ret;
}

/* Or an engine that polls waits in accept(2), and its shard with it. */
static int
a_copy_that_comes_late_does_not_block_the_first(void *unused)
{
	struct torc_address at = address_of(TCP);
	int fd = raw_listener(&at, SOCK_STREAM), copy = dup(fd), result;
	struct torc_listener *first, *late;
	struct torc_task *task;

	(void)unused;
	must_be(torc_listener_adopt(&first, fd), 0);
	must_be(torc_spawn(&task, accept_until_it_stops, first), 0);
	must_be(torc_sleep(TORC_MS), 0);
	must_be(torc_listener_adopt(&late, copy), 0);
	for (int i = 0; i < 3; i++) {
		close(raw_connect(&at));
		must_be(torc_sleep(TORC_MS), 0);
	}
	torc_listener_stop(first);
	must_be(torc_join(task, &result), 0);
	must_be(result, -ESHUTDOWN);
	torc_listener_close(first);
	torc_listener_close(late);
	return 0;
}

static int
another_protocol_is_another_kind(void *unused)
{
	int sctp = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
	int lite = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	int multipath = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	struct torc_listener *listener;
	struct torc_udp *udp;

	(void)unused;
	/* What the kernel was built without is no descriptor. */
	must_be(torc_listener_adopt(&listener, sctp),
		sctp < 0 ? -EBADF : -EPROTOTYPE);
	must_be(torc_udp_adopt(&udp, lite), lite < 0 ? -EBADF : -EPROTOTYPE);
	must_be(torc_listener_adopt(&listener, multipath),
		multipath < 0 ? -EBADF : -EINVAL);
	return 0;
}

struct copies {
	int fds[2];
	_Atomic unsigned adopted_count;
};

/* Takes one client and leaves the next to the other shard. */
static int
serve_from_copy(void *arg)
{
	struct copies *copies = arg;
	int fd = copies->fds[torc_shard_index()];
	struct torc_listener *listener;
	struct torc_stream *stream;

	must_be(torc_listener_adopt(&listener, fd), 0);
	torc_listener_ahead_set(listener, 0);
	copies->adopted_count++;
	wait_until(copies->adopted_count == 2);
	must_be(torc_accept(listener, &stream), 0);
	must_be(echo_once(stream), 3000);
	torc_close(stream);
	torc_listener_close(listener);
	return 0;
}

static int
copies_on_several_shards_share_one_backlog(void *unused)
{
	struct torc_address at = address_of(TCP);
	int fd = raw_listener(&at, SOCK_STREAM), peers[2];
	struct copies copies = { .fds = { fd, dup(fd) } };

	(void)unused;
	for (int i = 0; i < 2; i++) {
		peers[i] = raw_connect(&at);
		raw_send(peers[i], 0, 3000);
	}
	must_be(torc_run_on_shards(serve_from_copy, &copies), 0);
	for (int i = 0; i < 2; i++) {
		raw_expect(peers[i], 0, 3000);
		close(peers[i]);
	}
	return 0;
}

static int inherited;

static int
serve_inherited(void)
{
	return torc_run(NULL, serve_one, (void *)(intptr_t)inherited) != 5;
}

/* The process that it came from hears clients before and after. */
static void
a_listener_is_inherited(void **unused)
{
	struct torc_address at = address_of(TCP);
	int peer, late;
	char echo[5];

	(void)unused;
	inherited = raw_listener(&at, SOCK_STREAM);
	peer = raw_connect(&at);
	must_be(send(peer, "hello", 5, 0), 5);

	(void)child_text(serve_inherited, 0);

	must_be(recv(peer, echo, sizeof(echo), MSG_WAITALL), 5);
	late = raw_connect(&at);
	close(late);
	close(peer);
	close(inherited);
}

/* ---- datagrams ---- */

static void
expect_datagrams(int fd, int peer, int type)
{
	struct torc_address at;
	struct torc_udp *udp;
	const void *data;
	char byte;

	must_be(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	must_be(torc_udp_adopt(&udp, fd), 0);
	expect_ours(fd);
	must_be(torc_udp_address(udp, &at), 0);
	must_be(at.type, type);
	must_be(send(peer, "a", 1, 0), 1);
	must_be(torc_udp_recv(udp, &data, NULL), 1);
	must_be(*(const char *)data, 'a');
	must_be(torc_udp_send(udp, "b", 1, NULL), 1);
	must_be(raw_recv(peer, &byte, 1), 1);
	torc_udp_close(udp);
	close(peer);
}

static int
every_kind_of_datagram_socket_is_adopted(void *unused)
{
	struct torc_address at = address_of(UDP), from = at;
	int fd = raw_socket(&at), peer = raw_socket(&at), fds[2];

	(void)unused;
	must_be(bind(fd, &at.sa, at.len), 0);
	must_be(getsockname(fd, &at.sa, &at.len), 0);
	must_be(connect(peer, &at.sa, at.len), 0);
	must_be(getsockname(peer, &from.sa, &from.len), 0);
	must_be(connect(fd, &from.sa, from.len), 0);
	expect_datagrams(fd, peer, TORC_UDP);

	must_be(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	expect_datagrams(fds[0], fds[1], TORC_UNIX_DGRAM);
	return 0;
}

static int
what_has_no_datagrams_is_refused_and_closed(void *unused)
{
	struct torc_udp *udp = NULL;
	unsigned before = fds_count();

	(void)unused;
	must_be(torc_udp_adopt(&udp, -1), -EBADF);
	must_be(torc_udp_adopt(&udp, open("/dev/null", O_RDONLY)), -ENOTSOCK);
	must_be(torc_udp_adopt(&udp, socket(AF_UNIX, SOCK_STREAM, 0)),
		-EPROTOTYPE);
	must_be(torc_udp_adopt(&udp, socket(AF_NETLINK, SOCK_DGRAM, 0)),
		-EPROTOTYPE);
	must_be(torc_udp_adopt(&udp, socket(AF_INET, SOCK_DGRAM, 0)), -EINVAL);
	must_be(torc_udp_adopt(&udp, socket(AF_INET6, SOCK_DGRAM, 0)), -EINVAL);

	must(udp == NULL);
	must_be(fds_count(), before);
	return 0;
}

/* What the end of the runtime closes are adopted ones as well. */
static int
adopted_ones_are_left_open(void *unused)
{
	struct torc_address at = address_of(TCP);
	struct torc_listener *listener;
	struct torc_udp *udp;
	struct torc_future accepted, received;
	int fds[2];

	(void)unused;
	must_be(torc_listener_adopt(&listener, raw_listener(&at, SOCK_STREAM)),
		0);
	torc_accept_start(listener, &accepted);
	must_be(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	close(fds[1]);
	must_be(torc_udp_adopt(&udp, fds[0]), 0);
	torc_udp_recv_start(udp, &received);
	torc_future_cancel(&received);
	torc_future_cancel(&accepted);
	return 0;
}

static int
adopt_simulated(void *fd)
{
	struct torc_listener *listener;
	struct torc_udp *udp;

	must_be(torc_listener_adopt(&listener, *(int *)fd), -EOPNOTSUPP);
	must_be(torc_udp_adopt(&udp, *(int *)fd), -EOPNOTSUPP);
	return 0;
}

static void
the_simulation_takes_no_socket(void **unused)
{
	struct torc_address at = address_of(TCP);
	int fd = raw_listener(&at, SOCK_STREAM);

	(void)unused;
	assert_int_equal(
		torc_sim_run(NULL, NULL, adopt_simulated, &fd, NULL), 0);
	assert_int_equal(close(fd), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(every_kind_of_connection_is_adopted),
		WITH_TORC(what_is_no_connection_is_refused_and_closed),
		WITH_TORC(a_stream_is_handed_on_and_adopted),
		WITH_SHARDS(a_connection_moves_to_another_shard, 2),
		WITH_TORC(every_kind_of_listener_is_adopted),
		WITH_TORC(what_does_not_listen_is_refused_and_closed),
		WITH_TORC(a_copy_that_comes_late_does_not_block_the_first),
		WITH_TORC(another_protocol_is_another_kind),
		WITH_SHARDS(a_copy_that_stops_leaves_the_others_listening, 2),
		WITH_SHARDS(copies_on_several_shards_share_one_backlog, 2),
		cmocka_unit_test(a_listener_is_inherited),
		WITH_TORC(every_kind_of_datagram_socket_is_adopted),
		WITH_TORC(what_has_no_datagrams_is_refused_and_closed),
		LEFT_OPEN(adopted_ones_are_left_open),
		cmocka_unit_test(the_simulation_takes_no_socket),
	};

	return cmocka_run_group_tests_name("core/io/adopt", tests, NULL, NULL);
}
