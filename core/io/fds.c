/* SPDX-License-Identifier: MIT */
#include <torc/core/io/fds.h>

#include <errno.h>
#include <string.h>

#include "core/io/send_priv.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif

_Static_assert(TORC_FDS_CONTROL_BYTES == CMSG_SPACE(TORC_FDS_MAX * sizeof(int)),
	"all that may come at once fits");

/* ---- sending ---- */

const struct msghdr *
torc__send_fds_msg(struct torc_send *send)
{
	return &torc__container_of(send, struct torc_send_fds, send)->_msg;
}

static void
fill_message(struct torc_send_fds *send, const int *fds, unsigned fds_count)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)(void *)send->_control;
	size_t bytes = fds_count * sizeof(int);

	send->_iov = (struct iovec){
		.iov_base = (void *)(uintptr_t)send->send.data,
		.iov_len = send->send.bytes,
	};
	send->_msg = (struct msghdr){ .msg_iov = &send->_iov, .msg_iovlen = 1 };
	if (fds_count == 0)
		return;
	memset(send->_control, 0, CMSG_SPACE(bytes));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cmsg), fds, bytes);
	send->_msg.msg_control = send->_control;
	send->_msg.msg_controllen = CMSG_SPACE(bytes);
}

void
torc_send_fds_start(struct torc_stream *s, struct torc_send_fds *send,
	const void *data, size_t bytes, const int *fds, unsigned fds_count)
{
	int ret = torc__stream_begin(s);

	send->send.data = data;
	send->send.bytes = bytes;
	if (ret == 0 && s->is_tcp)
		ret = -EOPNOTSUPP;
	else if (ret == 0 && fds_count > TORC_FDS_MAX)
		ret = -EINVAL;
	if (ret < 0) {
		torc__send_refuse(&send->send, ret);
		return;
	}
	fill_message(send, fds, fds_count);
	torc__send_queue(s, &send->send, TORC__SEND_FDS);
}

ssize_t
torc_send_fds(struct torc_stream *s, const void *data, size_t bytes,
	const int *fds, unsigned fds_count)
{
	struct torc_send_fds send;
	int ret = torc__interrupted("torc_send_fds");

	if (ret < 0)
		return ret;
	torc_send_fds_start(s, &send, data, bytes, fds, fds_count);
	return (ssize_t)torc_await(&send.send.done);
}

/* ---- receiving ---- */

static torc_op_fn on_message;

static void
submit(struct torc_stream *s)
{
	struct torc_recv_fds *recv = s->receiver;
	struct io_uring_sqe *sqe = torc__ring_sqe(&s->shard->ring);

	recv->_iov = (struct iovec){ recv->buf, recv->bytes };
	/* Room for all that may come: what is cut is cut by a shortage. */
	recv->_msg = (struct msghdr){ .msg_iov = &recv->_iov,
		.msg_iovlen = 1,
		.msg_control = recv->_control,
		.msg_controllen = sizeof(recv->_control) };
	io_uring_prep_recvmsg(sqe, s->fd, &recv->_msg, MSG_CMSG_CLOEXEC);
	torc__op_submit(&s->shard->ring, &s->recv_op, sqe);
}

/* The descriptors that came, or NULL. */
static const int *
find_fds(struct torc_recv_fds *recv, unsigned *count)
{
	struct msghdr *msg = &recv->_msg;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
		cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
			cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		*count = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) /
				    sizeof(int));
		return (const int *)(const void *)CMSG_DATA(cmsg);
	}
	*count = 0;
	return NULL;
}

/* Why they cannot be handed out, or 0. */
static int
check(const struct torc_stream *s, const struct torc_recv_fds *recv,
	unsigned count, int32_t res)
{
	if (s->is_closing)
		return -ECANCELED;
	if (count > recv->fds_max || recv->_msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (recv->_msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return res == 0 && count > 0 ? -EBADMSG : 0;
}

/* `res` bytes have come. Returns what the caller is told. */
static int64_t
take(struct torc_stream *s, struct torc_recv_fds *recv, int32_t res)
{
	struct torc_ring *ring = &s->shard->ring;
	unsigned count;
	const int *fds = find_fds(recv, &count);
	int error = check(s, recv, count, res);

	if (error != 0) {
		for (unsigned i = 0; i < count; i++)
			ring->engine->close_fd(ring, fds[i]);
		return error;
	}
	if (count > 0)
		memcpy(recv->fds, fds, count * sizeof(int));
	recv->fds_count = count;
	return res == 0 ? s->error : res;
}

static void
on_message(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct torc_stream *s =
		torc__container_of(op, struct torc_stream, recv_op);
	struct torc_recv_fds *recv = s->receiver;
	bool is_transient =
		res == -ECANCELED || res == -EINTR || res == -EAGAIN;
	int64_t value = is_transient ? -ECANCELED : res;

	(void)cqe_flags;
	if (is_transient && !recv->_is_canceled && !s->is_closing) {
		submit(s);
		return;
	}
	s->receiver = NULL;
	if (res >= 0)
		value = take(s, recv, res);
	else if (!is_transient)
		torc__stream_fail(s, res);
	if (s->is_closing)
		torc__stream_close_when_quiet(s);
	torc_future_complete(&recv->done, value);
}

static void
cancel_recv(struct torc_future *done)
{
	struct torc_recv_fds *recv =
		torc__container_of(done, struct torc_recv_fds, done);
	struct torc_stream *s = torc_future_source(done);

	recv->_is_canceled = true;
	torc__op_cancel(&s->shard->ring, &s->recv_op);
}

/*
 * What else the kernel would put beside the descriptors: it takes their room,
 * and one kind is a descriptor itself. A kernel without one has nothing to
 * switch off.
 */
static void
take_fds_alone(struct torc_stream *s)
{
	static const int names[] = { SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD };
	struct torc_ring *ring = &s->shard->ring;
	int off = 0;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)ring->engine->setsockopt(
			ring, s->fd, SOL_SOCKET, names[i], &off, sizeof(off));
}

/* Why it cannot be received from this way, or 0. */
static int
begin(struct torc_stream *s)
{
	if (s->is_tcp)
		return -EOPNOTSUPP;
	if (s->end == TORC_STREAM_BY_MESSAGE)
		return 0;
	/* A receive of the other kind was begun. */
	if (s->end != TORC_STREAM_OPEN || !torc__op_is_idle(&s->recv_op) ||
		torc__list_is_linked(&s->parked.link) || s->rx_held > 0)
		return -EBUSY;
	s->end = TORC_STREAM_BY_MESSAGE;
	take_fds_alone(s);
	s->recv_op.on_cqe = on_message;
	return 0;
}

void
torc_recv_fds_start(struct torc_stream *s, struct torc_recv_fds *recv)
{
	int ret;

	torc__stream_own(s);
	recv->fds_count = 0;
	if (torc_unlikely(s->is_closing)) {
		torc__resource_refuse(&s->resource, "a stream", &recv->done);
		return;
	}
	torc_assert(recv->bytes > 0);
	if (s->end == TORC_STREAM_BY_MESSAGE && s->receiver != NULL)
		torc__panic("two torc_recv_fds() at a time on one stream: "
			    "whose the next bytes are would be chance");
	recv->_is_canceled = false;
	torc_future_init(&recv->done, cancel_recv, s);
	ret = begin(s);
	if (ret < 0) {
		torc_future_complete(&recv->done, ret);
		return;
	}
	s->receiver = recv;
	submit(s);
}

ssize_t
torc_recv_fds(struct torc_stream *s, void *buf, size_t bytes, int *fds,
	unsigned *fds_count)
{
	struct torc_recv_fds recv;
	int64_t ret = torc__interrupted("torc_recv_fds");

	recv.buf = buf;
	recv.bytes = bytes;
	recv.fds = fds;
	recv.fds_max = *fds_count;
	*fds_count = 0;
	if (ret < 0)
		return (ssize_t)ret;
	torc_recv_fds_start(s, &recv);
	ret = torc_await(&recv.done);
	*fds_count = recv.fds_count;
	return (ssize_t)ret;
}
