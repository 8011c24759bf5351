/* SPDX-License-Identifier: MIT */
/*
 * uring_echo - the TCP echo server that io_uring allows, by hand
 *
 *   uring_echo [--cubic] [--direct] [--buffers N] HOST:PORT
 *
 * One thread, one enter per turn that both submits and waits. Accept and
 * recv are multishot; a message is sent back from the provided buffer it
 * arrived in, with one send in flight per socket, and what arrives
 * meanwhile leaves as one vectored send. A peer that does not read loses
 * its recv after RING_CREDIT buffers and gets it back as they empty.
 *
 * --direct accepts into a table of registered files instead of the
 * process's descriptors.
 */
#include <sys/queue.h>
#include <sys/resource.h>

#include "perf/baseline/queue.h"

enum {
	BUFFERS = 128,
	DIRECT_MAX = 16384, /* slots, unless the descriptor limit is lower */
	DIRECT_BURST = 2 * NET_BACKLOG, /* accepts that one multishot may do */
};

/* The low bits of user_data; the rest is the conn, if there is one. */
enum tag { TAG_RECV, TAG_SEND, TAG_ACCEPT, TAG_RETRY, TAG_STOP, TAG_IGNORED };
#define TAG_MASK 7u

struct conn {
	struct queue in; /* received and not yet sent back */
	struct vec *vec; /* of the send in flight, if it is vectored */
	int fd;          /* or the slot with --direct */
	bool receiving;  /* these three: the kernel still owes a CQE */
	bool canceling;
	bool sending;
	bool parked; /* waits for buffers to return */
	bool ended;  /* nothing more will be received */
	bool broken; /* and nothing more can be sent */
	TAILQ_ENTRY(conn) parked_link;
};

struct server {
	struct ring ring;
	const struct net_args *args;
	TAILQ_HEAD(, conn) parked;
	struct net_pool conns;
	int listen_fd;
	int stop_fd;
	uint8_t sqe_flags; /* IOSQE_FIXED_FILE with --direct */
	bool canceling;    /* the multishot accept */
	bool full;         /* no accept is armed until a slot is free */
	bool stopping;
	unsigned conns_count;
	unsigned conns_max;
};

/*
 * A full table accepts and drops. A multishot accept cannot be stopped before
 * it has emptied the backlog, so with less room than that it is one by one.
 */
static void
accept_arm(struct server *s)
{
	struct io_uring_sqe *sqe;

	s->full = s->conns_count >= s->conns_max;
	if (s->full)
		return;
	if (!s->args->direct) {
		ring_accept(&s->ring, s->listen_fd, TAG_ACCEPT);
		return;
	}
	sqe = ring_sqe(&s->ring);
	if (s->conns_max - s->conns_count > DIRECT_BURST)
		io_uring_prep_multishot_accept_direct(
			sqe, s->listen_fd, NULL, NULL, 0);
	else
		io_uring_prep_accept_direct(sqe, s->listen_fd, NULL, NULL, 0,
			IORING_FILE_INDEX_ALLOC);
	sqe->user_data = TAG_ACCEPT;
	s->canceling = false;
}

static void
recv_arm(struct server *s, struct conn *c)
{
	struct io_uring_sqe *sqe =
		ring_receive(&s->ring, c->fd, (uintptr_t)c | TAG_RECV);

	sqe->flags |= s->sqe_flags;
	c->receiving = true;
	c->canceling = false;
}

static void
recv_cancel(struct server *s, struct conn *c)
{
	if (!c->receiving || c->canceling)
		return;
	ring_cancel(&s->ring, (uintptr_t)c | TAG_RECV, TAG_IGNORED);
	c->canceling = true;
}

static void
send_start(struct server *s, struct conn *c)
{
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);

	c->vec = queue_send(&s->ring, &c->in, sqe, c->fd);
	sqe->flags |= s->sqe_flags;
	sqe->user_data = (uintptr_t)c | TAG_SEND;
	c->sending = true;
}

static void
conn_open(struct server *s, int fd)
{
	struct conn *c = net_pool_get(&s->conns);

	if (c == NULL)
		net_fail(s->args->name, "no memory for a connection", ENOMEM);
	*c = (struct conn){ .fd = fd };
	s->conns_count++;
	recv_arm(s, c);
}

static void
slot_close(struct server *s, int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);

	io_uring_prep_close_direct(sqe, (unsigned)slot);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = TAG_IGNORED;
}

/* The kernel owes this connection nothing any more. */
static void
conn_close(struct server *s, struct conn *c)
{
	queue_clear(&s->ring, &c->in);
	if (c->parked)
		TAILQ_REMOVE(&s->parked, c, parked_link);
	if (s->args->direct)
		slot_close(s, c->fd);
	else
		ring_close_fd(&s->ring, c->fd, TAG_IGNORED);
	net_pool_put(&s->conns, c);
	s->conns_count--;
	if (s->full)
		accept_arm(s);
}

/* Start whatever the connection's state now allows. */
static void
conn_advance(struct server *s, struct conn *c)
{
	if (!c->sending && c->in.count > 0 && !c->broken)
		send_start(s, c);
	if (c->ended || c->broken) {
		if (c->sending)
			return;
		recv_cancel(s, c);
		if (!c->receiving)
			conn_close(s, c);
		return;
	}
	if (c->in.count >= RING_CREDIT)
		recv_cancel(s, c);
	else if (!c->receiving && !c->parked && c->in.count <= RING_CREDIT / 2)
		recv_arm(s, c);
}

static void
on_recv(struct server *s, struct conn *c, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER)
		queue_push(&s->ring, &c->in, ring_buffer_id(cqe),
			(uint32_t)cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE) {
		conn_advance(s, c);
		return;
	}
	c->receiving = false;
	if (cqe->res == -ENOBUFS) {
		c->parked = true;
		TAILQ_INSERT_TAIL(&s->parked, c, parked_link);
	} else if (cqe->res == 0) {
		c->ended = true;
	} else if (cqe->res < 0 && cqe->res != -ECANCELED &&
		   cqe->res != -EAGAIN && cqe->res != -EINTR) {
		c->broken = true;
	}
	conn_advance(s, c);
}

static void
on_send(struct server *s, struct conn *c, int res)
{
	c->sending = false;
	if (c->vec != NULL)
		net_pool_put(&s->ring.vecs, c->vec);
	if (res > 0)
		queue_consume(&s->ring, &c->in, (uint32_t)res);
	else if (res != -EAGAIN && res != -EINTR)
		c->broken = true;
	conn_advance(s, c);
}

static void
on_accept(struct server *s, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0)
		conn_open(s, cqe->res);
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		if (ring_is_shortage(cqe->res))
			ring_retry(&s->ring, s->args, -cqe->res, TAG_RETRY);
		else
			accept_arm(s);
	} else if (s->args->direct && !s->canceling &&
		   s->conns_max - s->conns_count <= DIRECT_BURST) {
		ring_cancel(&s->ring, TAG_ACCEPT, TAG_IGNORED);
		s->canceling = true;
	}
}

static void
on_cqe(void *server, const struct io_uring_cqe *cqe)
{
	struct server *s = server;
	enum tag tag = (enum tag)(cqe->user_data & TAG_MASK);
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data - tag);

	switch (tag) {
	case TAG_RECV:
		on_recv(s, c, cqe);
		break;
	case TAG_SEND:
		on_send(s, c, cqe->res);
		break;
	case TAG_ACCEPT:
		on_accept(s, cqe);
		break;
	case TAG_RETRY:
		accept_arm(s);
		break;
	case TAG_STOP:
		s->stopping = true;
		break;
	case TAG_IGNORED:
		break;
	}
}

/* As many readers start again as there are buffers for them. */
static void
unpark(struct server *s)
{
	struct ring *r = &s->ring;
	unsigned room = r->circulating - r->held;

	if (room == 0 && ring_grow(r))
		room = RING_GROW;
	while (room-- > 0 && !TAILQ_EMPTY(&s->parked)) {
		struct conn *c = TAILQ_FIRST(&s->parked);

		TAILQ_REMOVE(&s->parked, c, parked_link);
		c->parked = false;
		conn_advance(s, c);
	}
}

static void
turn(struct server *s)
{
	ring_turn(&s->ring.io, s->args->name, on_cqe, s);
	if (!TAILQ_EMPTY(&s->parked))
		unpark(s);
	ring_publish(&s->ring);
}

/* A table no larger than the descriptor limit, as the kernel demands. */
static void
files_open(struct server *s)
{
	struct rlimit limit;
	unsigned slots = DIRECT_MAX;
	int res;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < slots)
		slots = (unsigned)limit.rlim_cur;
	res = io_uring_register_files_sparse(&s->ring.io, slots);
	if (res < 0)
		net_fail(s->args->name, "cannot register a file table", -res);
	s->sqe_flags = IOSQE_FIXED_FILE;
	s->conns_max = slots;
}

int
main(int argc, char **argv)
{
	static struct server s = {
		.conns = { .bytes = 64, .chunk_count = 64 },
		.conns_max = UINT32_MAX,
	};
	struct net_args args;

	_Static_assert(sizeof(struct conn) <= 64, "a conn fits its pool");
	net_args_read(&args, "uring_echo", argc, argv,
		NET_ARG_DIRECT | NET_ARG_BUFFERS);
	s.args = &args;
	TAILQ_INIT(&s.parked);
	s.stop_fd = net_stop_fd(&args);
	s.listen_fd = net_listen(&args, 0);
	ring_open(&s.ring, &args, BUFFERS);
	if (args.direct)
		files_open(&s);
	accept_arm(&s);
	ring_watch_stop(&s.ring.io, s.stop_fd, TAG_STOP);
	net_ready(&args, s.listen_fd);
	while (!s.stopping)
		turn(&s);
	ring_close(&s.ring.io);
	return 0;
}
