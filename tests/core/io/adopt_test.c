/* SPDX-License-Identifier: MIT */
/*
 * Goal    A descriptor that came from elsewhere becomes a stream like any
 *         other, whatever state it was in; what is no connection is refused
 *         and closed.
 * Method  The real kernel, one shard; plain sockets.
 */
#include <netinet/in.h>

#include "tests/core/io/fixture.h"

static int
echo_once(void *arg)
{
	const void *data;
	ssize_t bytes = torc_recv(arg, &data);

	if (bytes <= 0)
		return (int)bytes;
	return (int)torc_send_all(arg, data, (size_t)bytes);
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
	must_be(fcntl(fd, F_GETFD), FD_CLOEXEC);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TORC(every_kind_of_connection_is_adopted),
		WITH_TORC(what_is_no_connection_is_refused_and_closed),
		WITH_TORC(a_stream_is_handed_on_and_adopted),
	};

	return cmocka_run_group_tests_name("core/io/adopt", tests, NULL, NULL);
}
