/* SPDX-License-Identifier: MIT */
#include <torc/core/io/udp.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <torc/alloc/arena.h>
#include <torc/base/log.h>

#include "core/io/bind_priv.h"
#include "core/shard_priv.h"

#define HELD_MAX 64

/*
 * A datagram is at most 65,507 bytes over IPv4 and 65,527 over IPv6; before
 * it the kernel writes a header of 16 bytes and the sender's name.
 */
static const struct torc_buffers_options datagram_buffers = {
	.group = TORC__GROUP_DATAGRAM,
	.buf_bytes = 64 * 1024 + 1024,
	.count_max = 1024,
	.slab_count = 32,
	.posted_max = 32,
};

struct torc_udp {
	struct torc_op recv_op;
	struct torc_shard *shard;
	struct torc_resource resource;
	struct torc_parked parked;
	struct torc_address address;
	struct msghdr template; /* how much room each part gets */
	struct torc_buf *rx_first;
	struct torc_buf *rx_last;
	struct torc_buf *view;
	struct torc_future *reader;
	uint32_t held;
	uint32_t queued; /* by torc_udp_try_send(), on their way */
	int error;       /* reported once */
	int fd;
	bool is_closing;
	bool is_gone;
	uint32_t pins; /* tasks inside torc_udp_recv() */
};

static int
open_buffers(struct torc_shard *shard)
{
	char text[512];
	int ret;

	if (shard->has_datagrams)
		return 0;
	if (shard->datagram_region.base == NULL) {
		ret = torc__region_map(
			&shard->datagram_region, 2 * TORC__REGION_BYTES);
		if (ret < 0)
			return ret;
	}
	ret = torc__buffers_open(&shard->datagrams, &shard->ring,
		&shard->datagram_region, &datagram_buffers);
	shard->has_datagrams = ret == 0;
	if (ret < 0) {
		shard->ring.engine->explain(ret, text, sizeof(text));
		torc_log(TORC_LOG_ERROR, "%s", text);
	}
	return ret;
}

static void
arm(struct torc_udp *udp)
{
	struct io_uring_sqe *sqe;

	if (!torc__op_is_idle(&udp->recv_op) || udp->is_closing ||
		udp->held > HELD_MAX || torc__list_is_linked(&udp->parked.link))
		return;
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_recvmsg_multishot(sqe, udp->fd, &udp->template, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = TORC__GROUP_DATAGRAM;
	torc__op_submit(&udp->shard->ring, &udp->recv_op, sqe);
}

static void
resume_parked(struct torc_parked *parked)
{
	arm(torc__container_of(parked, struct torc_udp, parked));
}

static void
put(struct torc_udp *udp, struct torc_buf *buf)
{
	torc__buffers_put(buf);
	udp->held--;
	if (udp->held <= HELD_MAX / 2)
		arm(udp);
}

static void
notify(struct torc_udp *udp)
{
	struct torc_future *reader = udp->reader;

	if (reader == NULL || (udp->rx_first == NULL && udp->error == 0))
		return;
	udp->reader = NULL;
	torc_future_complete(reader, 0);
}

static void
release(struct torc_udp *udp)
{
	if (udp->is_gone && udp->pins == 0)
		torc_free(udp);
}

static void
finish_close(struct torc_udp *udp)
{
	struct torc_ring *ring = &udp->shard->ring;

	torc__list_remove(&udp->resource.link);
	torc__bind_close(ring, &udp->address, udp->fd);
	torc__shard_fd_freed(udp->shard);
	udp->is_gone = true;
	release(udp);
}

/* When nothing in flight names the descriptor any more. */
static void
close_when_quiet(struct torc_udp *udp)
{
	if (torc__op_is_idle(&udp->recv_op) && udp->queued == 0)
		finish_close(udp);
}

static void
queue(struct torc_udp *udp, struct torc_buf *buf)
{
	if (udp->rx_first == NULL)
		udp->rx_first = buf;
	else
		udp->rx_last->next = buf;
	udp->rx_last = buf;
}

static void
on_recv(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_udp *udp = torc__container_of(op, struct torc_udp, recv_op);

	if (cqe_flags & IORING_CQE_F_BUFFER) {
		struct torc_buf *buf =
			torc__buffers_take(&udp->shard->datagrams, cqe_flags,
				res > 0 ? (uint32_t)res : 0, udp);

		udp->held++;
		if (res > 0 && !udp->is_closing)
			queue(udp, buf);
		else
			put(udp, buf);
	}
	if (!(cqe_flags & IORING_CQE_F_MORE)) {
		if (udp->is_closing) {
			close_when_quiet(udp);
			return;
		}
		if (res == -ENOBUFS)
			torc__buffers_park(
				&udp->shard->datagrams, &udp->parked);
		else if (res < 0 && res != -ECANCELED && res != -EINTR &&
			 res != -EAGAIN)
			udp->error = res;
		/* After an error the reader decides; see torc_udp_recv(). */
		if (udp->error == 0)
			arm(udp);
	} else if (udp->held > HELD_MAX) {
		torc__op_cancel(&udp->shard->ring, &udp->recv_op);
	}
	notify(udp);
}

static void
cancel_recv(struct torc_future *future)
{
	struct torc_udp *udp = torc_future_source(future);

	udp->reader = NULL;
	torc_future_complete(future, -ECANCELED);
}

void
torc_udp_recv_start(struct torc_udp *udp, struct torc_future *future)
{
	torc_assert(udp->reader == NULL && !udp->is_closing);
	torc_future_init(future, cancel_recv, udp);
	udp->reader = future;
	notify(udp);
	arm(udp);
}

static int
wait_readable(struct torc_udp *udp)
{
	struct torc_future future;
	int ret = torc_interrupted();

	if (ret < 0)
		return ret;
	if (udp->view != NULL)
		put(udp, udp->view);
	udp->view = NULL;
	/* Another task may close the socket before this one runs again. */
	udp->pins++;
	torc_udp_recv_start(udp, &future);
	ret = (int)torc_await(&future);
	udp->pins--;
	if (torc_unlikely(udp->is_closing)) {
		release(udp);
		return ret < 0 ? ret : -ECANCELED;
	}
	return ret;
}

ssize_t
torc_udp_recv(
	struct torc_udp *udp, const void **data, struct torc_address *from)
{
	struct io_uring_recvmsg_out *out;
	struct torc_buf *buf;
	int ret = wait_readable(udp);

	if (ret < 0)
		return ret;
	if (udp->rx_first == NULL) {
		ret = udp->error;
		udp->error = 0;
		return ret;
	}
	buf = udp->rx_first;
	udp->rx_first = buf->next;
	udp->view = buf;
	out = io_uring_recvmsg_validate(
		buf->data, (int)buf->bytes, &udp->template);
	if (out == NULL)
		return -EMSGSIZE;
	if (from != NULL) {
		*from = (struct torc_address){ .type = TORC_UDP,
			.len = out->namelen };
		memcpy(&from->storage, io_uring_recvmsg_name(out),
			out->namelen < sizeof(from->storage)
				? out->namelen
				: sizeof(from->storage));
	}
	*data = io_uring_recvmsg_payload(out, &udp->template);
	return (ssize_t)io_uring_recvmsg_payload_length(
		out, (int)buf->bytes, &udp->template);
}

/* One datagram on its way; on the sender's stack until its CQE. */
struct datagram {
	struct torc_op op;
	struct torc_future done;
	struct torc_shard *shard;
	struct msghdr msg;
	struct iovec iov;
};

static void
on_sent(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct datagram *datagram = torc__container_of(op, struct datagram, op);

	(void)cqe_flags;
	/* A cancel may reach a worker thread as a signal. */
	torc_future_complete(&datagram->done, res == -EINTR ? -ECANCELED : res);
}

static void
cancel_send(struct torc_future *done)
{
	struct datagram *datagram = torc_future_source(done);

	torc__op_cancel(&datagram->shard->ring, &datagram->op);
}

ssize_t
torc_udp_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to)
{
	struct datagram datagram = {
		.shard = udp->shard,
		.iov = { (void *)(uintptr_t)data, bytes },
	};
	struct io_uring_sqe *sqe;
	int ret = torc_interrupted();

	if (ret < 0)
		return ret;
	datagram.msg = (struct msghdr){ .msg_name = (void *)(uintptr_t)&to->sa,
		.msg_namelen = to->len,
		.msg_iov = &datagram.iov,
		.msg_iovlen = 1 };
	torc_future_init(&datagram.done, cancel_send, &datagram);
	torc__op_init(&datagram.op, on_sent);
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_sendmsg(sqe, udp->fd, &datagram.msg, MSG_NOSIGNAL);
	torc__op_submit(&udp->shard->ring, &datagram.op, sqe);
	return (ssize_t)torc_await(&datagram.done);
}

/* A copy on its way; freed by its CQE. */
struct queued {
	struct torc_op op;
	struct torc_udp *udp;
	struct msghdr msg;
	struct iovec iov;
	struct sockaddr_storage to;
	char data[];
};

static void
on_queued_sent(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct queued *queued = torc__container_of(op, struct queued, op);
	struct torc_udp *udp = queued->udp;

	(void)res;
	(void)cqe_flags;
	torc_free(queued);
	udp->queued--;
	if (udp->is_closing)
		close_when_quiet(udp);
}

ssize_t
torc_udp_try_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to)
{
	struct queued *queued;
	struct io_uring_sqe *sqe;

	torc_assert(!udp->is_closing);
	if (bytes > UINT16_MAX)
		return -EMSGSIZE;
	if (udp->queued == TORC_UDP_TRY_MAX)
		return -EAGAIN;
	queued = torc_malloc(sizeof(*queued) + bytes);
	if (queued == NULL)
		return -ENOMEM;
	torc__op_init(&queued->op, on_queued_sent);
	queued->udp = udp;
	memcpy(&queued->to, &to->sa, to->len);
	if (bytes > 0)
		memcpy(queued->data, data, bytes);
	queued->iov = (struct iovec){ queued->data, bytes };
	queued->msg = (struct msghdr){ .msg_name = &queued->to,
		.msg_namelen = to->len,
		.msg_iov = &queued->iov,
		.msg_iovlen = 1 };
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_sendmsg(sqe, udp->fd, &queued->msg, MSG_NOSIGNAL);
	torc__op_submit(&udp->shard->ring, &queued->op, sqe);
	udp->queued++;
	return (ssize_t)bytes;
}

static void
close_resource(struct torc_resource *resource)
{
	struct torc_udp *udp =
		torc__container_of(resource, struct torc_udp, resource);

	if (!udp->is_closing)
		torc_udp_close(udp);
}

int
torc_udp_bind(struct torc_udp **out, const struct torc_address *address)
{
	struct torc_shard *shard = torc__shard;
	struct torc_udp *udp;
	int ret;

	torc_assert(shard != NULL && address->type == TORC_UDP);
	ret = open_buffers(shard);
	if (ret < 0)
		return ret;
	udp = torc_calloc(1, sizeof(*udp));
	if (udp == NULL)
		return -ENOMEM;
	ret = torc__bind_open(&shard->ring, address, 0, &udp->address);
	if (ret < 0) {
		torc_free(udp);
		return ret;
	}
	udp->fd = ret;
	udp->shard = shard;
	udp->template.msg_namelen = sizeof(struct sockaddr_in6);
	udp->parked.resume = resume_parked;
	udp->resource.close = close_resource;
	torc__op_init(&udp->recv_op, on_recv);
	torc__list_push_back(&shard->resources, &udp->resource.link);
	*out = udp;
	return 0;
}

int
torc_udp_address(struct torc_udp *udp, struct torc_address *out)
{
	*out = udp->address;
	return 0;
}

void
torc_udp_close(struct torc_udp *udp)
{
	struct torc_future *reader;

	if (udp == NULL)
		return;
	torc_assert(!udp->is_closing);
	udp->is_closing = true;
	reader = udp->reader;
	udp->reader = NULL;
	if (torc__list_is_linked(&udp->parked.link))
		torc__list_remove(&udp->parked.link);
	if (udp->view != NULL)
		put(udp, udp->view);
	while (udp->rx_first != NULL) {
		struct torc_buf *buf = udp->rx_first;

		udp->rx_first = buf->next;
		put(udp, buf);
	}
	torc__op_cancel(&udp->shard->ring, &udp->recv_op);
	close_when_quiet(udp);
	if (reader != NULL)
		torc_future_complete(reader, -ECANCELED);
}
