/* SPDX-License-Identifier: MIT */
#include <torc/core/io/connect.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

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

static int
open_stream(struct torc_connect *connect)
{
	struct torc_ring *ring = &torc__shard->ring;
	bool is_tcp = connect->_to.type == TORC_TCP;
	int one = 1, fd;

	torc_assert(connect->_to.type != TORC_UDP);
	fd = ring->engine->socket(
		ring, connect->_to.sa.sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		return fd;
	/* A runtime that batches by itself gains nothing from Nagle. */
	if (is_tcp)
		ring->engine->setsockopt(
			ring, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connect->stream = torc__stream_new(torc__shard, fd, is_tcp);
	if (connect->stream == NULL)
		return -ENOMEM;
	/* Should the runtime end before it is connected. */
	connect->stream->is_connecting = true;
	connect->stream->reader = &connect->done;
	return 0;
}

void
torc_connect_start(struct torc_connect *connect, const struct torc_address *to)
{
	struct io_uring_sqe *sqe;
	int ret;

	torc_assert(torc__shard != NULL);
	*connect = (struct torc_connect){ ._to = *to };
	torc_future_init(&connect->done, cancel_connect, connect);
	torc__op_init(&connect->_op, on_connected);
	ret = open_stream(connect);
	if (ret < 0) {
		torc_future_complete(&connect->done, ret);
		return;
	}
	sqe = torc__ring_sqe(&torc__shard->ring);
	io_uring_prep_connect(
		sqe, connect->stream->fd, &connect->_to.sa, connect->_to.len);
	torc__op_submit(&torc__shard->ring, &connect->_op, sqe);
}

int
torc_connect(struct torc_stream **stream, const struct torc_address *to)
{
	struct torc_connect connect;
	int64_t ret = torc_interrupted();

	if (ret < 0)
		return (int)ret;
	torc_connect_start(&connect, to);
	ret = torc_await(&connect.done);
	if (ret == 0)
		*stream = connect.stream;
	return (int)ret;
}
