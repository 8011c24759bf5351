/* SPDX-License-Identifier: MIT */
/* The paths of core/io, on the engine of engine.h. */
#include <torc/base/clock.h>
#include <torc/core/io/connect.h>
#include <torc/core/io/listener.h>
#include <torc/core/io/relay.h>
#include <torc/core/io/udp.h>

#include "core/io/stream_priv.h"
#include "perf/paths/engine.h"
#include "perf/paths/path.h"

#define PATH_MODULE "core/io"
#define MESSAGE_BYTES 64

static void
must(int64_t ret)
{
	if (ret < 0)
		torc__panic("a path failed: %d", (int)ret);
}

static struct torc_stream *
stream_on(int fd)
{
	struct torc_stream *stream = torc__stream_new(torc__shard, fd, true);

	torc_assert(stream != NULL);
	return stream;
}

/* The far end: one task that sends back what it gets. */
static int
echo(void *arg)
{
	struct torc_stream *stream = arg;
	const void *data;
	ssize_t bytes;

	while ((bytes = torc_recv(stream, &data)) > 0)
		must(torc_send_all(stream, data, (size_t)bytes));
	torc_close(stream);
	return 0;
}

static void
ping(struct torc_stream *stream)
{
	static const char message[MESSAGE_BYTES];
	const void *data;

	must(torc_send_all(stream, message, sizeof(message)));
	must(torc_recv(stream, &data));
}

static void
ping_many(struct torc_stream *near, struct torc_stream *far, uint32_t n)
{
	struct torc_task *task;

	must(torc_spawn(&task, echo, far));
	/* The echo runs, and waits, before the first message leaves. */
	ping(near);
	path_begin();
	for (; n > 0; n--)
		ping(near);
	path_end();
	torc_cancel_join(task, NULL);
	torc_close(near);
}

/* Two sends and two receives, from task to task. */
static void
stream_round_trip(uint32_t n)
{
	int fd = path_socket_pair();

	ping_many(stream_on(fd), stream_on(fd + 1), n);
}
PATH_TASK(stream_round_trip)

/* The same with a relay between them: four sends and four receives. */
static void
relay_round_trip(uint32_t n)
{
	int front = path_socket_pair(), back = path_socket_pair();
	struct torc_relay relay;

	torc_relay_start(
		&relay, stream_on(front + 1), stream_on(back), 10 * TORC_S);
	ping_many(stream_on(front), stream_on(back + 1), n);
	torc_future_cancel(&relay.done);
	torc_await(&relay.done);
}
PATH_TASK(relay_round_trip)

/* Four messages of one turn, which leave as one, and what arrives. */
static void
stream_send_vec(uint32_t n)
{
	static const char message[MESSAGE_BYTES];
	int fd = path_socket_pair();
	struct torc_stream *near = stream_on(fd), *far = stream_on(fd + 1);
	struct torc_future armed;
	const void *data;

	torc_recv_start(far, &armed);
	torc_future_cancel(&armed);
	path_begin();
	for (; n > 0; n--) {
		struct torc_send sends[4];

		for (int i = 0; i < 4; i++) {
			sends[i].data = message;
			sends[i].bytes = sizeof(message);
			torc_send_start(near, &sends[i]);
		}
		must(torc_await(&sends[3].done));
		must(torc_recv(far, &data));
	}
	path_end();
	torc_close(near);
	torc_close(far);
}
PATH_TASK(stream_send_vec)

static struct torc_address
loopback(int type)
{
	struct torc_address address = {
		.type = type,
		.len = sizeof(address.in),
		.in = { .sin_family = AF_INET,
			.sin_addr = { htonl(INADDR_LOOPBACK) } },
	};

	return address;
}

/* Connect, accept, and close at both ends; no byte is sent. */
static void
connect_accept_close(uint32_t n)
{
	struct torc_address address = loopback(TORC_TCP);
	struct torc_listener *listener;
	struct torc_future armed;

	must(torc_listen(&listener, &address, NULL));
	torc_accept_start(listener, &armed);
	torc_future_cancel(&armed);
	path_begin();
	for (; n > 0; n--) {
		struct torc_connect connect;
		struct torc_stream *accepted;

		torc_connect_start(&connect, &address);
		must(torc_accept(listener, &accepted));
		must(torc_await(&connect.done));
		torc_close(accepted);
		torc_close(connect.stream);
	}
	path_end();
	torc_listener_close(listener);
}
PATH_TASK(connect_accept_close)

/* A datagram out, and one in. */
static void
udp_send_recv(uint32_t n)
{
	static const char message[MESSAGE_BYTES];
	struct torc_address address = loopback(TORC_UDP), from;
	struct torc_future armed;
	struct torc_udp *udp;
	const void *data;

	must(torc_udp_bind(&udp, &address));
	torc_udp_recv_start(udp, &armed);
	torc_future_cancel(&armed);
	path_begin();
	for (; n > 0; n--) {
		must(torc_udp_send(udp, message, sizeof(message), &address));
		must(torc_udp_recv(udp, &data, &from));
	}
	path_end();
	torc_udp_close(udp);
}
PATH_TASK(udp_send_recv)
