/* SPDX-License-Identifier: MIT */
/*
 * The sending half of a datagram socket, and whom it is connected to.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include <torc/alloc/arena.h>
#include <torc/base/clock.h>
#include <torc/core/sleep.h>

#include "core/io/room_priv.h"
#include "core/io/udp_priv.h"

/* Over IPv4, which is less than over IPv6. */
#define UDP_PAYLOAD_MAX 65507
#define UDP6_PAYLOAD_MAX 65527
/* What any receiver here has room for; the kernel takes more. */
#define UNIX_PAYLOAD_MAX 65536
#define PAUSE_MIN_NS (250 * TORC_US)
#define PAUSE_MAX_NS (16 * TORC_MS)
/* Linux takes 128 since 6.9. */
#define SEGMENTS_MAX 64

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

static int
flags_of(const struct torc_udp *udp)
{
	/* For a Unix socket see room_priv.h. */
	return udp->address.type == TORC_UNIX_DGRAM
		       ? MSG_NOSIGNAL | MSG_DONTWAIT
		       : MSG_NOSIGNAL;
}

static ssize_t
send_once(struct torc_udp *udp, struct datagram *datagram)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&udp->shard->ring);

	torc_future_init(&datagram->done, cancel_send, datagram);
	torc__op_init(&datagram->op, on_sent);
	io_uring_prep_sendmsg(sqe, udp->fd, &datagram->msg, flags_of(udp));
	torc__op_submit(&udp->shard->ring, &datagram->op, sqe);
	return (ssize_t)torc_await(&datagram->done);
}

/*
 * A socket that is not connected counts as writable however full its receiver
 * is, and each failed try looks like an event: only time is left.
 */
static ssize_t
pause_and_send(struct torc_udp *udp, struct datagram *datagram)
{
	uint64_t pause_ns = PAUSE_MIN_NS;
	ssize_t ret;

	do {
		ret = torc_sleep(pause_ns);
		if (ret == 0)
			ret = send_once(udp, datagram);
		if (pause_ns < PAUSE_MAX_NS)
			pause_ns *= 2;
	} while (ret == -EAGAIN);
	return ret;
}

static ssize_t
wait_and_send(struct torc_udp *udp, struct datagram *datagram)
{
	struct torc_room room;
	ssize_t ret;

	if (datagram->msg.msg_name != NULL)
		return pause_and_send(udp, datagram);
	torc__room_open(&room, udp->shard, udp->fd);
	do {
		ret = torc__room_wait(&room);
		if (ret == 0)
			ret = send_once(udp, datagram);
	} while (ret == -EAGAIN);
	torc__room_close(&room);
	return ret;
}

/* The runtime may have begun to close it meanwhile. */
static void
end_send(struct torc_udp *udp)
{
	udp->sends--;
	if (torc_unlikely(udp->is_closing))
		torc__udp_close_when_quiet(udp);
}

/* Wait until the kernel has it. A cancel that nobody asked for is its own. */
static ssize_t
send_message(struct torc_udp *udp, struct datagram *datagram)
{
	ssize_t ret = torc__interrupted("torc_udp_send");

	if (ret == 0)
		ret = torc__udp_begin(udp);
	if (ret < 0)
		return ret;
	udp->sends++;
	do {
		ret = send_once(udp, datagram);
	} while (torc_unlikely(ret == -ECANCELED) && torc_interrupted() == 0);
	if (torc_unlikely(ret == -EAGAIN))
		ret = wait_and_send(udp, datagram);
	end_send(udp);
	return ret;
}

/* `to` may be NULL: whom the socket is connected to. */
static void
fill(struct datagram *datagram, struct torc_udp *udp, const void *data,
	size_t bytes, const struct torc_address *to)
{
	datagram->shard = udp->shard;
	datagram->iov = (struct iovec){ (void *)(uintptr_t)data, bytes };
	datagram->msg =
		(struct msghdr){ .msg_iov = &datagram->iov, .msg_iovlen = 1 };
	if (to == NULL)
		return;
	datagram->msg.msg_name = (void *)(uintptr_t)&to->sa;
	datagram->msg.msg_namelen = to->len;
}

ssize_t
torc_udp_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to)
{
	struct datagram datagram;

	fill(&datagram, udp, data, bytes, to);
	return send_message(udp, &datagram);
}

/* One message that the kernel, or the device, cuts into datagrams. */
static ssize_t
send_joined(struct torc_udp *udp, const char *data, size_t bytes,
	uint16_t segment_bytes, const struct torc_address *to)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct datagram datagram;
	struct cmsghdr *cmsg;

	fill(&datagram, udp, data, bytes, to);
	datagram.msg.msg_control = control.bytes;
	datagram.msg.msg_controllen = sizeof(control.bytes);
	cmsg = CMSG_FIRSTHDR(&datagram.msg);
	cmsg->cmsg_level = SOL_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof(segment_bytes));
	memcpy(CMSG_DATA(cmsg), &segment_bytes, sizeof(segment_bytes));
	return send_message(udp, &datagram);
}

/* A kernel before 4.18, a device without checksums, another engine. */
static bool
is_without_gso(ssize_t error)
{
	return error == -EIO || error == -EINVAL || error == -EOPNOTSUPP ||
	       error == -ENOPROTOOPT;
}

static ssize_t
send_singly(struct torc_udp *udp, const char *data, size_t bytes,
	size_t segment_bytes, const struct torc_address *to)
{
	for (size_t at = 0; at < bytes; at += segment_bytes) {
		size_t rest = bytes - at;
		ssize_t ret = torc_udp_send(udp, data + at,
			rest < segment_bytes ? rest : segment_bytes, to);

		if (ret < 0)
			return ret;
	}
	return (ssize_t)bytes;
}

/* What one message may hold: 64 datagrams, and no more than an IP packet. */
static size_t
joined_max(size_t segment_bytes)
{
	size_t count = UDP_PAYLOAD_MAX / segment_bytes;

	if (count > SEGMENTS_MAX)
		count = SEGMENTS_MAX;
	/* One that fits nowhere is for the kernel to refuse. */
	return count > 0 ? count * segment_bytes : segment_bytes;
}

ssize_t
torc_udp_send_segments(struct torc_udp *udp, const void *data, size_t bytes,
	size_t segment_bytes, const struct torc_address *to)
{
	const char *at = data;
	size_t left = bytes, max;

	torc_assert(bytes > 0 && segment_bytes > 0);
	max = joined_max(segment_bytes);
	while (left > 0) {
		size_t part = left < max ? left : max;
		bool may_join = !udp->is_without_gso && part > segment_bytes;
		ssize_t ret = 0;

		if (may_join)
			ret = send_joined(
				udp, at, part, (uint16_t)segment_bytes, to);
		if (!may_join || is_without_gso(ret)) {
			ret = send_singly(udp, at, part, segment_bytes, to);
			/* Then it was the joining that was refused. */
			udp->is_without_gso |= may_join && ret > 0;
		}
		if (ret < 0)
			return ret;
		at += part;
		left -= part;
	}
	return (ssize_t)bytes;
}

/* Whom a socket sends to by default, on its way to the kernel. */
struct connecting {
	struct torc_op op;
	struct torc_future done;
};

static void
on_connected(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct connecting *connecting =
		torc__container_of(op, struct connecting, op);

	(void)cqe_flags;
	torc_future_complete(&connecting->done, res);
}

int
torc_udp_connect(struct torc_udp *udp, const struct torc_address *to)
{
	struct connecting connecting;
	struct io_uring_sqe *sqe;
	int ret = torc__interrupted("torc_udp_connect");

	if (ret == 0)
		ret = torc__udp_begin(udp);
	if (ret < 0)
		return ret;
	/* Nothing is sent, so it is over at once: there is no cancel. */
	torc_future_init(&connecting.done, NULL, NULL);
	torc__op_init(&connecting.op, on_connected);
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_connect(sqe, udp->fd, &to->sa, to->len);
	torc__op_submit(&udp->shard->ring, &connecting.op, sqe);
	udp->sends++;
	ret = (int)torc_await(&connecting.done);
	end_send(udp);
	return ret;
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
		torc__udp_close_when_quiet(udp);
}

static size_t
datagram_max(const struct torc_udp *udp)
{
	if (udp->address.type == TORC_UNIX_DGRAM)
		return UNIX_PAYLOAD_MAX;
	return udp->address.sa.sa_family == AF_INET ? UDP_PAYLOAD_MAX
						    : UDP6_PAYLOAD_MAX;
}

ssize_t
torc_udp_try_send(struct torc_udp *udp, const void *data, size_t bytes,
	const struct torc_address *to)
{
	int ret = torc__udp_begin(udp);
	struct io_uring_sqe *sqe;
	struct queued *queued;

	if (ret < 0)
		return ret;
	if (bytes > datagram_max(udp))
		return -EMSGSIZE;
	if (udp->queued == TORC_UDP_TRY_MAX)
		return -EAGAIN;
	queued = torc_malloc(sizeof(*queued) + bytes);
	if (queued == NULL)
		return -ENOMEM;
	torc__op_init(&queued->op, on_queued_sent);
	queued->udp = udp;
	if (bytes > 0)
		memcpy(queued->data, data, bytes);
	queued->iov = (struct iovec){ queued->data, bytes };
	queued->msg =
		(struct msghdr){ .msg_iov = &queued->iov, .msg_iovlen = 1 };
	if (to != NULL) {
		memcpy(&queued->to, &to->sa, to->len);
		queued->msg.msg_name = &queued->to;
		queued->msg.msg_namelen = to->len;
	}
	sqe = torc__ring_sqe(&udp->shard->ring);
	io_uring_prep_sendmsg(sqe, udp->fd, &queued->msg, flags_of(udp));
	torc__op_submit(&udp->shard->ring, &queued->op, sqe);
	udp->queued++;
	return (ssize_t)bytes;
}
