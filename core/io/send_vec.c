/* SPDX-License-Identifier: MIT */
/*
 * Sends from several places, and queues in which not all may leave together:
 * those of seqpackets, and those with descriptors or files in them.
 */
#include "core/io/send_priv.h"
#include "core/vec_priv.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

/* What is left of `send`, as far as `iov` goes. Returns how many pieces. */
static uint32_t
gather(const struct torc_send *send, struct iovec *iov, uint32_t iov_max)
{
	const struct iovec *from = send->data;
	size_t skip = send->sent_bytes;
	uint32_t count = 0;

	if (send->_kind != TORC__SEND_VEC) {
		iov[0] = (struct iovec){
			.iov_base = (char *)(uintptr_t)send->data + skip,
			.iov_len = send->bytes - skip,
		};
		return 1;
	}
	for (unsigned i = 0; i < send->_iov_count && count < iov_max; i++) {
		if (from[i].iov_len <= skip) {
			skip -= from[i].iov_len;
			continue;
		}
		iov[count++] = (struct iovec){
			.iov_base = (char *)from[i].iov_base + skip,
			.iov_len = from[i].iov_len - skip,
		};
		skip = 0;
	}
	return count;
}

/* Descriptors go with the first byte, so that one begins a message. */
static bool
has_fds(const struct torc_send *send)
{
	return send->_kind == TORC__SEND_FDS && send->sent_bytes == 0;
}

static bool
leaves_alone(const struct torc_send *send)
{
	return has_fds(send) || send->_kind == TORC__SEND_FILE;
}

/* As many sends as may leave together. NULL: one piece of the first. */
static const struct msghdr *
several(struct torc_stream *s)
{
	struct torc_send *send = s->tx_first;
	struct torc_vec *vec;
	uint32_t count = 0;

	s->tx_inflight = 1;
	if (send->_kind != TORC__SEND_VEC && send->_next == NULL)
		return NULL;
	vec = s->vec = torc__vec_get(s->shard);
	if (vec == NULL)
		return NULL;
	s->tx_inflight = 0;
	while (send != NULL && count < TORC__IOV_MAX && !leaves_alone(send)) {
		count += gather(send, vec->iov + count, TORC__IOV_MAX - count);
		s->tx_inflight++;
		send = send->_next;
	}
	vec->msg = (struct msghdr){ .msg_iov = vec->iov, .msg_iovlen = count };
	return &vec->msg;
}

/* Exactly one message. NULL: it lies in one piece. */
static const struct msghdr *
packet(struct torc_stream *s)
{
	struct torc_send *send = s->tx_first;

	s->tx_inflight = 1;
	if (send->_kind != TORC__SEND_VEC)
		return NULL;
	s->packet_vec->msg = (struct msghdr){
		.msg_iov = (struct iovec *)(uintptr_t)send->data,
		.msg_iovlen = send->_iov_count,
	};
	return &s->packet_vec->msg;
}

static const struct msghdr *
next_message(struct torc_stream *s)
{
	if (has_fds(s->tx_first)) {
		s->tx_inflight = 1;
		return torc__send_fds_msg(s->tx_first);
	}
	return s->is_packet ? packet(s) : several(s);
}

static bool
is_all_plain(const struct torc_stream *s)
{
	for (const struct torc_send *send = s->tx_first; send != NULL;
		send = send->_next)
		if (send->_kind != TORC__SEND_PLAIN)
			return false;
	return !s->is_packet;
}

void
torc__send_mixed(struct torc_stream *s)
{
	struct torc_ring *ring = &s->shard->ring;
	const struct msghdr *msg = NULL;
	struct io_uring_sqe *sqe;
	struct iovec piece;

	if (s->tx_first->_kind != TORC__SEND_FILE)
		msg = next_message(s);
	else if (!torc__send_file_piece(s, &piece))
		return;
	sqe = torc__ring_sqe(ring);
	if (msg != NULL) {
		io_uring_prep_sendmsg(sqe, s->fd, msg, TORC__SEND_FLAGS);
	} else {
		if (s->tx_first->_kind != TORC__SEND_FILE)
			gather(s->tx_first, &piece, 1);
		/* A message of so much is refused, cut or whole. */
		if (piece.iov_len > TORC__SEND_BYTES_MAX)
			piece.iov_len = TORC__SEND_BYTES_MAX;
		s->tx_inflight = 1;
		io_uring_prep_send(sqe, s->fd, piece.iov_base, piece.iov_len,
			TORC__SEND_FLAGS);
	}
	/* From the next one on, as if nothing had been. */
	s->is_mixed = !is_all_plain(s);
	torc__op_submit(ring, &s->send_op, sqe);
}

static size_t
sum_of(const struct iovec *iov, unsigned iov_count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < iov_count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

/* What a seqpacket needs besides, for its first vector. 0 or -errno. */
static int
prepare_packet(struct torc_stream *s, unsigned iov_count)
{
	if (iov_count > IOV_MAX)
		return -EMSGSIZE;
	if (s->packet_vec == NULL)
		s->packet_vec = torc__vec_get(s->shard);
	return s->packet_vec == NULL ? -ENOMEM : 0;
}

void
torc__send_refuse(struct torc_send *send, int error)
{
	send->sent_bytes = 0;
	torc_future_init(&send->done, NULL, NULL);
	torc_future_complete(&send->done, error);
}

void
torc_send_vec_start(struct torc_stream *s, struct torc_send *send,
	const struct iovec *iov, unsigned iov_count)
{
	int ret = torc__stream_begin(s);

	if (ret == 0 && s->is_packet)
		ret = prepare_packet(s, iov_count);
	send->data = iov;
	send->bytes = sum_of(iov, iov_count);
	send->_iov_count = iov_count;
	if (ret == 0)
		torc__send_queue(s, send, TORC__SEND_VEC);
	else
		torc__send_refuse(send, ret);
}

ssize_t
torc_send_vec(
	struct torc_stream *s, const struct iovec *iov, unsigned iov_count)
{
	struct torc_send send;
	int ret = torc__interrupted("torc_send_vec");

	if (ret < 0)
		return ret;
	if (sum_of(iov, iov_count) == 0)
		return s->is_packet ? -EINVAL : 0;
	torc_send_vec_start(s, &send, iov, iov_count);
	return (ssize_t)torc_await(&send.done);
}
