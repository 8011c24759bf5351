/* SPDX-License-Identifier: MIT */
/*
 * uring_fanout - what one sends all others get, as io_uring allows, by hand
 *
 *   uring_fanout [--cubic] [--buffers N] HOST:PORT
 *
 * One thread, one enter per turn that both submits and waits: the sends of a
 * message to all leave with it. What arrives is copied once, so that its
 * buffer returns at once however long the slowest subscriber takes. One send
 * is in flight per socket; what comes meanwhile leaves as one vectored send.
 * A publisher is never slowed down: a subscriber with more than 1 MiB unsent
 * is disconnected with a reset. Who sends an end of file leaves.
 */
#include <sys/queue.h>

#include "perf/baseline/acceptor.h"
#include "perf/baseline/backlog.h"

enum {
	BUFFERS = 64,
	BATCH = 64, /* messages in one send */
};

/* With the conn above it, the user_data of its operations. */
enum tag { TAG_RECV, TAG_SEND };

/* The memory of one vectored send; it is the kernel's until the CQE. */
struct batch {
	struct msghdr msg;
	struct iovec iov[BATCH];
};

struct conn {
	struct backlog backlog;
	struct batch *batch; /* of the send in flight, if it is vectored */
	int fd;
	bool receiving; /* these two: the kernel still owes a CQE */
	bool sending;
	bool left; /* is sent nothing more, and closed when nothing is owed */
	TAILQ_ENTRY(conn) link; /* of those that have not left */
};

struct server {
	struct ring ring;
	struct acceptor acceptor;
	TAILQ_HEAD(, conn) conns;
	struct net_pool pool;
	struct net_pool batches;
};

static void
recv_arm(struct server *s, struct conn *c)
{
	ring_receive(&s->ring, c->fd, (uintptr_t)c | TAG_RECV);
	c->receiving = true;
}

/*
 * Send as much of the backlog as one send takes. Not MSG_WAITALL: what has
 * left must count, or a slow reader would be taken for a stuck one.
 */
static void
send_start(struct server *s, struct conn *c)
{
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);
	bool several = c->backlog.first != c->backlog.last;
	struct batch *b = several ? net_pool_get(&s->batches) : NULL;
	struct iovec iov;

	if (b != NULL) {
		b->msg = (struct msghdr){
			.msg_iov = b->iov,
			.msg_iovlen = backlog_iov(&c->backlog, b->iov, BATCH),
		};
		io_uring_prep_sendmsg(sqe, c->fd, &b->msg, MSG_NOSIGNAL);
	} else {
		backlog_iov(&c->backlog, &iov, 1);
		io_uring_prep_send(
			sqe, c->fd, iov.iov_base, iov.iov_len, MSG_NOSIGNAL);
	}
	sqe->user_data = (uintptr_t)c | TAG_SEND;
	c->batch = b;
	c->sending = true;
}

/* Nothing is owed any more to who has left. */
static void
close_if_quiet(struct server *s, struct conn *c)
{
	if (c->receiving || c->sending)
		return;
	backlog_clear(&c->backlog);
	ring_close_fd(&s->ring, c->fd, ACCEPTOR_IGNORED);
	net_pool_put(&s->pool, c);
}

static void
conn_leave(struct server *s, struct conn *c)
{
	c->left = true;
	TAILQ_REMOVE(&s->conns, c, link);
	if (c->receiving || c->sending)
		ring_cancel_fd(&s->ring, c->fd, ACCEPTOR_IGNORED);
	close_if_quiet(s, c);
}

static void
conn_reset(struct server *s, struct conn *c)
{
	net_abort_on_close(c->fd);
	conn_leave(s, c);
}

/* What `from` sent is in `data`, which is free again afterwards. */
static void
publish(struct server *s, struct conn *from, const void *data, size_t bytes)
{
	struct message *m = message_new(data, bytes);
	struct conn *to = TAILQ_FIRST(&s->conns), *next;

	if (m == NULL)
		net_fail(s->acceptor.args->name, "no memory for a message",
			ENOMEM);
	for (; to != NULL; to = next) {
		next = TAILQ_NEXT(to, link);
		if (to == from)
			continue;
		if (to->backlog.bytes + bytes > BACKLOG_BYTES_MAX ||
			backlog_push(&to->backlog, m, 0) < 0)
			conn_reset(s, to);
		else if (!to->sending)
			send_start(s, to);
	}
	message_put(m);
}

static void
on_recv(struct server *s, struct conn *c, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		uint16_t bid = ring_buffer_id(cqe);

		if (cqe->res > 0 && !c->left)
			publish(s, c, ring_buffer(&s->ring, bid),
				(size_t)cqe->res);
		ring_provide(&s->ring, bid);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	c->receiving = false;
	if (c->left)
		close_if_quiet(s, c);
	else if (ring_is_transient(cqe->res))
		recv_arm(s, c);
	else
		conn_leave(s, c);
}

static void
on_send(struct server *s, struct conn *c, int res)
{
	c->sending = false;
	if (c->batch != NULL)
		net_pool_put(&s->batches, c->batch);
	if (c->left) {
		close_if_quiet(s, c);
		return;
	}
	if (res <= 0 && res != -EAGAIN && res != -EINTR) {
		conn_leave(s, c);
		return;
	}
	if (res > 0)
		backlog_consume(&c->backlog, (size_t)res);
	if (c->backlog.first != NULL)
		send_start(s, c);
}

static void
conn_open(struct server *s, int fd)
{
	struct conn *c = net_pool_get(&s->pool);

	if (c == NULL)
		net_fail(s->acceptor.args->name, "no memory for a connection",
			ENOMEM);
	*c = (struct conn){ .fd = fd };
	TAILQ_INSERT_TAIL(&s->conns, c, link);
	recv_arm(s, c);
}

static void
on_cqe(void *server, const struct io_uring_cqe *cqe)
{
	struct server *s = server;
	uint64_t tag = cqe->user_data & ACCEPTOR_MASK;
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data - tag);
	int fd;

	if (tag == TAG_RECV) {
		on_recv(s, c, cqe);
	} else if (tag == TAG_SEND) {
		on_send(s, c, cqe->res);
	} else {
		fd = acceptor_on_cqe(&s->acceptor, cqe);
		if (fd >= 0)
			conn_open(s, fd);
	}
}

int
main(int argc, char **argv)
{
	static struct server s = {
		.pool = { .bytes = 80, .chunk_count = 64 },
		.batches = {
			.bytes = (sizeof(struct batch) + 15) & ~15ul,
			.chunk_count = 16,
		},
	};
	struct net_args args;

	_Static_assert(sizeof(struct conn) <= 80, "a conn fits its pool");
	net_args_read(&args, "uring_fanout", argc, argv, NET_ARG_BUFFERS);
	TAILQ_INIT(&s.conns);
	ring_open(&s.ring, &args, BUFFERS);
	acceptor_open(&s.acceptor, &s.ring, &args);
	acceptor_serve(&s.acceptor, on_cqe, &s);
	return 0;
}
