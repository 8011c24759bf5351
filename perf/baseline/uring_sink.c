/* SPDX-License-Identifier: MIT */
/*
 * uring_sink - reads and discards, as io_uring allows, by hand
 *
 *   uring_sink [--cubic] [--buffers N] HOST:PORT
 *
 * One thread, one enter per turn that both submits and waits. Accept and
 * recv are multishot; a buffer is given back as soon as it is seen. There is
 * nothing to remember about a connection, so that its operations carry the
 * descriptor itself. It is closed at the end of the file or the first error.
 */
#define RING_BUFFER_BYTES (64 * 1024)

#include "perf/baseline/acceptor.h"

/* More than the kernel completes in one go, and not much more cache. */
enum { BUFFERS = 32 };

/* With the descriptor above it, the user_data of a recv. */
#define TAG_RECV 0
#define TAG_BITS 3

struct server {
	struct ring ring;
	struct acceptor acceptor;
};

static void
recv_arm(struct server *s, int fd)
{
	ring_receive(&s->ring, fd, (uint64_t)fd << TAG_BITS | TAG_RECV);
}

static void
on_recv(struct server *s, int fd, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER)
		ring_provide(&s->ring, ring_buffer_id(cqe));
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (ring_is_transient(cqe->res))
		recv_arm(s, fd);
	else
		ring_close_fd(&s->ring, fd, ACCEPTOR_IGNORED);
}

static void
on_cqe(void *server, const struct io_uring_cqe *cqe)
{
	struct server *s = server;
	int fd;

	if ((cqe->user_data & ACCEPTOR_MASK) == TAG_RECV) {
		on_recv(s, (int)(cqe->user_data >> TAG_BITS), cqe);
		return;
	}
	fd = acceptor_on_cqe(&s->acceptor, cqe);
	if (fd >= 0)
		recv_arm(s, fd);
}

int
main(int argc, char **argv)
{
	static struct server s;
	struct net_args args;

	net_args_read(&args, "uring_sink", argc, argv, NET_ARG_BUFFERS);
	ring_open(&s.ring, &args, BUFFERS);
	acceptor_open(&s.acceptor, &s.ring, &args);
	acceptor_serve(&s.acceptor, on_cqe, &s);
	return 0;
}
