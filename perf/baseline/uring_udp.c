/* SPDX-License-Identifier: MIT */
/*
 * uring_udp - the UDP echo server that io_uring allows, by hand
 *
 *   uring_udp [--buffers N] HOST:PORT
 *
 * One thread, one socket, one enter per turn that both submits and waits.
 * One multishot recvmsg fills provided buffers; a datagram is answered from
 * the buffer it arrived in. When answers that wait for the socket hold every
 * buffer, receiving pauses: the kernel drops what it has no room for.
 * A plain send with an address (Linux 6.2) measures the same as sendmsg.
 */
#include <netinet/in.h>

/* A datagram, the kernel's header and a name; lines apart, as cache sets. */
#define RING_BUFFER_BYTES (65 * 1024)
#define RING_BUFFER_STRIDE (RING_BUFFER_BYTES + 64)

#include "perf/baseline/ring.h"

enum {
	BUFFERS = 128,
	/* With the header of 16 bytes the datagram begins a cache line. */
	NAME_BYTES = 48,
};

/* The low bits of user_data; the rest is the buffer of a send. */
enum tag { TAG_RECV, TAG_SEND, TAG_STOP };
#define TAG_MASK 3u
#define TAG_BITS 2

/* What an answer names; it is the kernel's until the CQE. */
struct reply {
	struct msghdr msg;
	struct iovec iov;
};

struct server {
	struct ring ring;
	const struct net_args *args;
	struct msghdr shape; /* how much room each part of a datagram gets */
	int fd;
	unsigned sending; /* buffers that answers hold */
	bool parked;      /* receiving, until one returns */
	bool stopping;
	struct reply replies[RING_BUFFERS_MAX]; /* by buffer */
};

static void
recv_arm(struct server *s)
{
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);

	io_uring_prep_recvmsg_multishot(sqe, s->fd, &s->shape, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RING_GROUP;
	sqe->user_data = TAG_RECV;
	s->parked = false;
}

/* Answer with what lies in the buffer, to whom its header names. */
static void
send_start(struct server *s, uint16_t bid)
{
	struct io_uring_recvmsg_out *out =
		(struct io_uring_recvmsg_out *)(void *)ring_buffer(
			&s->ring, bid);
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);
	struct reply *reply = &s->replies[bid];
	char *name = io_uring_recvmsg_name(out);

	reply->iov = (struct iovec){ name + NAME_BYTES, out->payloadlen };
	reply->msg = (struct msghdr){
		.msg_name = name,
		.msg_namelen = out->namelen,
		.msg_iov = &reply->iov,
		.msg_iovlen = 1,
	};
	io_uring_prep_sendmsg(sqe, s->fd, &reply->msg, MSG_NOSIGNAL);
	sqe->user_data = (uint64_t)bid << TAG_BITS | TAG_SEND;
}

static void
on_recv(struct server *s, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		uint16_t bid = ring_buffer_id(cqe);
		struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(
			ring_buffer(&s->ring, bid), cqe->res, &s->shape);

		if (out == NULL || out->flags & MSG_TRUNC) {
			ring_provide(&s->ring, bid);
		} else {
			s->sending++;
			send_start(s, bid);
		}
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res < 0 && !ring_is_transient(cqe->res))
		net_fail(s->args->name, "cannot receive", -cqe->res);
	s->parked = cqe->res == -ENOBUFS && s->sending > 0;
	if (!s->parked)
		recv_arm(s);
}

static void
on_send(struct server *s, uint16_t bid, int res)
{
	if (res == -EAGAIN || res == -EINTR) {
		send_start(s, bid);
		return;
	}
	/* One that could not be answered is lost, like any datagram. */
	ring_provide(&s->ring, bid);
	s->sending--;
	if (s->parked)
		recv_arm(s);
}

static void
on_cqe(void *server, const struct io_uring_cqe *cqe)
{
	struct server *s = server;

	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_RECV:
		on_recv(s, cqe);
		break;
	case TAG_SEND:
		on_send(s, (uint16_t)(cqe->user_data >> TAG_BITS), cqe->res);
		break;
	case TAG_STOP:
		s->stopping = true;
		break;
	}
}

int
main(int argc, char **argv)
{
	static struct server s = { .shape.msg_namelen = NAME_BYTES };
	struct net_args args;
	int stop_fd;

	net_args_read(&args, "uring_udp", argc, argv, NET_ARG_BUFFERS);
	s.args = &args;
	stop_fd = net_stop_fd(&args);
	s.fd = net_bind_udp(&args);
	ring_open(&s.ring, &args, BUFFERS);
	ring_watch_stop(&s.ring.io, stop_fd, TAG_STOP);
	recv_arm(&s);
	net_ready(&args, s.fd);
	while (!s.stopping) {
		ring_turn(&s.ring.io, args.name, on_cqe, &s);
		ring_publish(&s.ring);
	}
	ring_close(&s.ring.io);
	return 0;
}
