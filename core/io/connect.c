/* SPDX-License-Identifier: MIT */
#include <torc/core/io/connect.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "core/io/address_priv.h"
#include "core/io/stream_priv.h"

static void
on_connected(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_connect *connect =
		torc__container_of(op, struct torc_connect, _op);

	(void)cqe_flags;
	/* A cancel may reach a worker thread as a signal. */
	if (res == -EINTR)
		res = -ECANCELED;
	connect->stream->is_connecting = false;
	connect->stream->reader = NULL;
	if (res < 0) {
		torc_close(connect->stream);
		connect->stream = NULL;
	}
	torc_future_complete(&connect->done, res);
}

static void
cancel_connect(struct torc_future *done)
{
	struct torc_connect *connect = torc_future_source(done);

	torc__op_cancel(&connect->stream->shard->ring, &connect->_op);
}

/* 0 or -errno. */
static int
bind_to(struct torc_ring *ring, int fd, const struct torc_address *from)
{
	int one = 1;

	if (from->type == TORC_TCP) {
		/* A port of its own may still be in TIME-WAIT. */
		(void)ring->engine->setsockopt(
			ring, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		(void)ring->engine->setsockopt(ring, fd, IPPROTO_IP,
			IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	}
	return ring->engine->bind(ring, fd, &from->sa, from->len);
}

static int
open_stream(struct torc_shard *shard, struct torc_connect *connect,
	const struct torc_address *from)
{
	struct torc_ring *ring = &shard->ring;
	int type = connect->_to.type, one = 1, fd;

	if (torc__address_is_datagram(&connect->_to) ||
		(from != NULL && from->type != type))
		return -EINVAL;
	fd = ring->engine->socket(ring, connect->_to.sa.sa_family,
		type == TORC_UNIX_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM, 0);
	if (fd < 0)
		return fd;
	if (from != NULL) {
		int ret = bind_to(ring, fd, from);

		if (ret < 0) {
			ring->engine->close_fd(ring, fd);
			return ret;
		}
	}
	/* A runtime that batches by itself gains nothing from Nagle. */
	if (type == TORC_TCP)
		ring->engine->setsockopt(
			ring, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connect->stream = torc__stream_of_type(shard, fd, type);
	if (connect->stream == NULL)
		return -ENOMEM;
	/* Should the runtime end before it is connected. */
	connect->stream->is_connecting = true;
	connect->stream->reader = &connect->done;
	return 0;
}

static void
start(struct torc_shard *shard, struct torc_connect *connect,
	const struct torc_address *to, const struct torc_address *from)
{
	struct io_uring_sqe *sqe;
	int ret;

	*connect = (struct torc_connect){ ._to = *to };
	torc_future_init(&connect->done, cancel_connect, connect);
	torc__op_init(&connect->_op, on_connected);
	ret = open_stream(shard, connect, from);
	if (ret < 0) {
		torc_future_complete(&connect->done, ret);
		return;
	}
	sqe = torc__ring_sqe(&shard->ring);
	io_uring_prep_connect(
		sqe, connect->stream->fd, &connect->_to.sa, connect->_to.len);
	torc__op_submit(&shard->ring, &connect->_op, sqe);
}

void
torc_connect_from_start(struct torc_connect *connect,
	const struct torc_address *to, const struct torc_address *from)
{
	start(torc__shard_current("torc_connect_from_start"), connect, to,
		from);
}

void
torc_connect_start(struct torc_connect *connect, const struct torc_address *to)
{
	start(torc__shard_current("torc_connect_start"), connect, to, NULL);
}

static int
connect_and_wait(const char *call, struct torc_stream **stream,
	const struct torc_address *to, const struct torc_address *from)
{
	struct torc_connect connect;
	int64_t ret = torc__interrupted(call);

	if (ret < 0)
		return (int)ret;
	start(torc__shard, &connect, to, from);
	ret = torc_await(&connect.done);
	if (ret == 0)
		*stream = connect.stream;
	return (int)ret;
}

int
torc_connect(struct torc_stream **stream, const struct torc_address *to)
{
	return connect_and_wait("torc_connect", stream, to, NULL);
}

int
torc_connect_from(struct torc_stream **stream, const struct torc_address *to,
	const struct torc_address *from)
{
	return connect_and_wait("torc_connect_from", stream, to, from);
}
