/* SPDX-License-Identifier: MIT */
#include "perf/baseline/acceptor.h"

void
acceptor_open(
	struct acceptor *a, struct ring *ring, const struct net_args *args)
{
	a->args = args;
	a->ring = ring;
	a->listen_fd = net_listen(args, 0);
	ring_watch_stop(&ring->io, net_stop_fd(args), ACCEPTOR_STOP);
	ring_accept(ring, a->listen_fd, ACCEPTOR_ACCEPT);
	net_ready(args, a->listen_fd);
}

/* The multishot is over: an error, or its CQE found no room. */
static void
accept_again(struct acceptor *a, int res)
{
	if (ring_is_shortage(res))
		ring_retry(a->ring, a->args, -res, ACCEPTOR_RETRY);
	else
		ring_accept(a->ring, a->listen_fd, ACCEPTOR_ACCEPT);
}

int
acceptor_on_cqe(struct acceptor *a, const struct io_uring_cqe *cqe)
{
	switch ((enum acceptor_tag)(cqe->user_data & ACCEPTOR_MASK)) {
	case ACCEPTOR_ACCEPT:
		if (!(cqe->flags & IORING_CQE_F_MORE))
			accept_again(a, cqe->res);
		return cqe->res >= 0 ? cqe->res : -1;
	case ACCEPTOR_RETRY:
		accept_again(a, 0);
		return -1;
	case ACCEPTOR_STOP:
		a->stopping = true;
		return -1;
	case ACCEPTOR_IGNORED:
		break;
	}
	return -1;
}
