/* SPDX-License-Identifier: MIT */
/* Beside await_perf.c, which has the round trips of one stream. */
#include <errno.h>
#include <sys/socket.h>

#include <torc/base/clock.h>
#include <torc/core/io/connect.h>
#include <torc/core/io/listener.h>
#include <torc/core/io/relay.h>
#include <torc/core/io/udp.h>

#include "core/io/stream_priv.h"
#include "perf/bench_task.h"

#define MESSAGE_BYTES 64

static const char message[MESSAGE_BYTES];

/* 0 or -errno; a stream for each end of a Unix socket pair. */
static int
open_pair(struct torc_stream *ends[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	ends[0] = torc__stream_new(torc__shard, fds[0], false);
	ends[1] = torc__stream_new(torc__shard, fds[1], false);
	if (ends[0] != NULL && ends[1] != NULL)
		return 0;
	torc_close(ends[0]);
	torc_close(ends[1]);
	return -ENOMEM;
}

static int
send_and_read(struct torc_stream *from, struct torc_stream *to)
{
	char copy[MESSAGE_BYTES];
	ssize_t ret = torc_send_all(from, message, sizeof(message));

	if (ret > 0)
		ret = torc_read_exact(to, copy, sizeof(copy));
	if (ret >= 0 && ret < (ssize_t)sizeof(copy))
		return -EPIPE;
	return ret < 0 ? (int)ret : 0;
}

/*
 * Question      What does one message cost, sent and received by one task, so
 *               that there is no hand-over between tasks in it?
 * Unit          64 bytes over a Unix socket pair, one way.
 * Change mind   More than half of await_perf.c:pair_round_trip.
 */
static int
send_recv(void *b)
{
	struct torc_stream *ends[2];
	int ret = open_pair(ends);

	if (ret < 0)
		return ret;
	while (ret == 0 && torc_bench_next(b))
		ret = send_and_read(ends[0], ends[1]);
	torc_close(ends[0]);
	torc_close(ends[1]);
	return ret;
}
TORC_BENCH_TASK(send_recv)

/*
 * Question      What does the proxy's own work add to a message?
 * Unit          64 bytes from one Unix socket pair through a relay to another.
 * Change mind   Three times send_recv: a relay is one receive and one send
 * more, and no task.
 */
static int
relay_message(void *b)
{
	struct torc_stream *front[2], *back[2];
	struct torc_relay relay;
	int ret = open_pair(front);

	if (ret < 0)
		return ret;
	ret = open_pair(back);
	if (ret < 0) {
		torc_close(front[0]);
		torc_close(front[1]);
		return ret;
	}
	torc_relay_start(&relay, front[1], back[0], 10 * TORC_S);
	while (ret == 0 && torc_bench_next(b))
		ret = send_and_read(front[0], back[1]);
	torc_close(front[0]);
	torc_close(back[1]);
	torc_await(&relay.done);
	return ret;
}
TORC_BENCH_TASK(relay_message)

static int
parse(struct torc_address *address, const char *text)
{
	const char *why;

	return torc_address_parse(address, text, &why);
}

static int
connect_once(struct torc_listener *listener, const struct torc_address *to)
{
	struct torc_stream *near, *far;
	struct torc_connect connect;
	int ret;

	torc_connect_start(&connect, to);
	ret = torc_accept(listener, &far);
	if (ret < 0) {
		torc_future_cancel(&connect.done);
		far = NULL;
	}
	near = torc_await(&connect.done) == 0 ? connect.stream : NULL;
	/* A reset leaves no TIME_WAIT behind, of which ports run out. */
	torc_abort(near);
	torc_close(far);
	return ret < 0 || near != NULL ? ret : -ECONNREFUSED;
}

static int
connect_many(struct torc_bench *b, const char *where)
{
	struct torc_address address;
	struct torc_listener *listener;
	int ret = parse(&address, where);

	if (ret == 0)
		ret = torc_listen(&listener, &address, NULL);
	if (ret < 0)
		return ret;
	ret = torc_listener_address(listener, &address);
	while (ret == 0 && torc_bench_next(b))
		ret = connect_once(listener, &address);
	torc_listener_close(listener);
	return ret;
}

/*
 * Question      What does a connection cost that carries nothing?
 * Unit          A connect over loopback TCP, its accept, and the end of both:
 *               four operations, two streams from the heap.
 * Change mind   A profile in which torc, and not TCP, is above a tenth.
 */
static int
tcp_connect_accept(void *b)
{
	return connect_many(b, "127.0.0.1:0");
}
TORC_BENCH_TASK(tcp_connect_accept)

/*
 * Question      And without TCP: what is torc's own part at most?
 * Unit          The same over a Unix socket without a file.
 * Change mind   Half of tcp_connect_accept or more.
 */
static int
unix_connect_accept(void *b)
{
	return connect_many(b, "@torc-bench");
}
TORC_BENCH_TASK(unix_connect_accept)

/*
 * Question      What does a datagram cost beside a message of a stream?
 * Unit          64 bytes to our own socket over loopback, sent and received.
 * Change mind   Above half of await_perf.c:tcp_round_trip, which is two
 *               messages: sending one at a time would then be too dear.
 */
static int
udp_send_recv(void *b)
{
	struct torc_address address, from;
	struct torc_udp *udp;
	const void *data;
	ssize_t bytes = 0;
	int ret = parse(&address, "udp:127.0.0.1:0");

	if (ret == 0)
		ret = torc_udp_bind(&udp, &address);
	if (ret < 0)
		return ret;
	ret = torc_udp_address(udp, &address);
	while (ret == 0 && bytes >= 0 && torc_bench_next(b)) {
		bytes = torc_udp_send(udp, message, sizeof(message), &address);
		if (bytes >= 0)
			bytes = torc_udp_recv(udp, &data, &from);
	}
	torc_udp_close(udp);
	return bytes < 0 ? (int)bytes : ret;
}
TORC_BENCH_TASK(udp_send_recv)
