/* SPDX-License-Identifier: MIT */
/*
 * uring_proxy - the L4 proxy that io_uring allows, by hand
 *
 *   uring_proxy [--cubic] [--buffers N] LISTEN BACKEND
 *
 * One thread, one enter per turn that both submits and waits. Both sides
 * receive by multishot into one shared short buffer ring; bytes are sent to
 * the other side from the buffer they arrived in, one send in flight per
 * socket, and what arrives meanwhile leaves as one vectored send. Past
 * RING_CREDIT buffers a direction's recv is canceled, and armed again when
 * half of them have left.
 *
 * A clean end is passed on as a clean end of that direction alone. The
 * first error on either side ends both with a reset. Nothing is closed
 * before the last CQE that the kernel owes for it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/queue.h>
#include <unistd.h>

#include "perf/baseline/queue.h"

enum { BUFFERS = 128 };

enum { CLIENT, BACKEND };

/* The low bits of user_data; the rest is the side, if there is one. */
enum tag {
	TAG_RECV,
	TAG_SEND,
	TAG_CONNECT,
	TAG_WATCH,
	TAG_ACCEPT,
	TAG_RETRY,
	TAG_STOP,
	TAG_IGNORED,
};
#define TAG_MASK 7u

struct side {
	struct queue in; /* received here, not yet sent to the other side */
	struct vec *vec; /* of the send to this side, if it is vectored */
	int fd;
	uint8_t index;  /* CLIENT or BACKEND */
	bool receiving; /* the kernel still owes a CQE: of recv */
	bool sending;   /* or send */
	bool canceling; /* the recv */
	bool parked;    /* waits for buffers to return */
	bool ended;     /* nothing more will be received */
	bool shut;      /* nothing more will be sent */
	TAILQ_ENTRY(side) parked_link;
};

struct pair {
	struct side side[2];
	unsigned owed; /* ops whose last CQE is due */
	bool connected;
	bool broken;   /* a side failed: both end with a reset */
	bool canceled; /* all that was in flight then */
	bool waiting;  /* for a descriptor for its backend */
	TAILQ_ENTRY(pair) waiting_link;
};

struct proxy {
	struct ring ring;
	const struct net_args *args;
	TAILQ_HEAD(, side) parked;
	TAILQ_HEAD(, pair) waiting;
	struct net_pool pairs;
	int listen_fd;
	int stop_fd;
	bool accepting;
	bool retrying; /* a timer runs after descriptors ran out */
	bool stopping;
};

static struct pair *
pair_of(struct side *side)
{
	return (struct pair *)(void *)(side - side->index);
}

static struct side *
other(struct side *side)
{
	return side->index == CLIENT ? side + 1 : side - 1;
}

static struct io_uring_sqe *
op_start(struct proxy *p, struct side *side, enum tag tag)
{
	struct io_uring_sqe *sqe = ring_sqe(&p->ring);

	pair_of(side)->owed++;
	/* Preparing leaves user_data alone. */
	sqe->user_data = (uintptr_t)side | tag;
	return sqe;
}

static void
accept_arm(struct proxy *p)
{
	ring_accept(&p->ring, p->listen_fd, TAG_ACCEPT);
	p->accepting = true;
}

/* Descriptors or memory ran out: look again a little later. */
static void
retry_later(struct proxy *p, int error)
{
	if (!p->retrying)
		ring_retry(&p->ring, p->args, error, TAG_RETRY);
	p->retrying = true;
}

static void
recv_arm(struct proxy *p, struct side *side)
{
	ring_receive(&p->ring, side->fd, (uintptr_t)side | TAG_RECV);
	pair_of(side)->owed++;
	side->receiving = true;
	side->canceling = false;
}

static void
send_start(struct proxy *p, struct side *from, struct side *to)
{
	struct io_uring_sqe *sqe = op_start(p, to, TAG_SEND);

	to->vec = queue_send(&p->ring, &from->in, sqe, to->fd);
	to->sending = true;
}

/*
 * While the other direction lives on, a reset would go unnoticed: nothing
 * is received here any more. Edge-triggered, for no event but an error.
 */
static void
watch_start(struct proxy *p, struct side *side)
{
	struct io_uring_sqe *sqe = op_start(p, side, TAG_WATCH);

	io_uring_prep_poll_multishot(sqe, side->fd, 0);
}

/* The kernel owes this pair nothing any more. */
static void
pair_close(struct proxy *p, struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->side[i];

		queue_clear(&p->ring, &side->in);
		if (side->parked)
			TAILQ_REMOVE(&p->parked, side, parked_link);
		if (side->fd < 0)
			continue;
		if (pair->broken)
			net_abort_on_close(side->fd);
		ring_close_fd(&p->ring, side->fd, TAG_IGNORED);
	}
	if (pair->waiting)
		TAILQ_REMOVE(&p->waiting, pair, waiting_link);
	net_pool_put(&p->pairs, pair);
}

/* End everything in flight; the last CQE closes. */
static void
pair_cancel(struct proxy *p, struct pair *pair)
{
	for (int i = 0; i < 2 && !pair->canceled; i++)
		if (pair->side[i].fd >= 0)
			ring_cancel_fd(&p->ring, pair->side[i].fd, TAG_IGNORED);
	pair->canceled = true;
}

/* Start what one direction's state now allows. */
static void
direction_advance(struct proxy *p, struct side *from, struct side *to)
{
	struct pair *pair = pair_of(from);

	if (from->in.count > 0) {
		if (!to->sending && pair->connected)
			send_start(p, from, to);
	} else if (from->ended && !to->shut && pair->connected) {
		/* Not an op: that one always goes to a kernel thread. */
		to->shut = true;
		if (shutdown(to->fd, SHUT_WR) < 0)
			pair->broken = true;
		else if (!to->ended)
			watch_start(p, from);
	}
	if (from->ended)
		return;
	if (from->in.count >= RING_CREDIT) {
		if (from->receiving && !from->canceling) {
			ring_cancel(&p->ring, (uintptr_t)from | TAG_RECV,
				TAG_IGNORED);
			from->canceling = true;
		}
	} else if (!from->receiving && !from->parked &&
		   from->in.count <= RING_CREDIT / 2) {
		recv_arm(p, from);
	}
}

/* Called when a side has ended or failed; false: the pair is gone. */
static bool
pair_settle(struct proxy *p, struct pair *pair)
{
	bool done = pair->side[CLIENT].shut && pair->side[BACKEND].shut;

	if (!pair->broken && !done)
		return true;
	if (pair->owed > 0) {
		pair_cancel(p, pair);
		return false;
	}
	pair_close(p, pair);
	return false;
}

/*
 * A reset whose error a send has already taken reads as an end. The state
 * tells: after a clean end the connection waits for ours, after a reset it
 * is closed.
 */
static bool
is_reset(const struct side *side)
{
	struct tcp_info info = { .tcpi_state = TCP_CLOSE };
	socklen_t bytes = sizeof(info);

	if (side->shut)
		return false;
	getsockopt(side->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
	return info.tcpi_state == TCP_CLOSE;
}

static void
recv_ended(struct proxy *p, struct side *from, int res)
{
	from->receiving = false;
	if (res == -ENOBUFS) {
		from->parked = true;
		TAILQ_INSERT_TAIL(&p->parked, from, parked_link);
	} else if (res == 0) {
		from->ended = true;
		if (is_reset(from))
			pair_of(from)->broken = true;
	} else if (res < 0 && res != -ECANCELED && res != -EAGAIN &&
		   res != -EINTR) {
		pair_of(from)->broken = true;
	}
}

static void
on_recv(struct proxy *p, struct side *from, const struct io_uring_cqe *cqe)
{
	struct pair *pair = pair_of(from);

	if (cqe->flags & IORING_CQE_F_BUFFER)
		queue_push(&p->ring, &from->in, ring_buffer_id(cqe),
			(uint32_t)cqe->res);
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		pair->owed--;
		recv_ended(p, from, cqe->res);
	}
	if (!pair->broken)
		direction_advance(p, from, other(from));
	if (pair->broken || from->ended)
		pair_settle(p, pair);
}

static void
on_send(struct proxy *p, struct side *to, int res)
{
	struct pair *pair = pair_of(to);
	struct side *from = other(to);

	pair->owed--;
	to->sending = false;
	if (to->vec != NULL)
		net_pool_put(&p->ring.vecs, to->vec);
	if (res > 0)
		queue_consume(&p->ring, &from->in, (uint32_t)res);
	else if (res != -EAGAIN && res != -EINTR)
		pair->broken = true;
	if (!pair->broken)
		direction_advance(p, from, to);
	if (pair->broken || from->ended)
		pair_settle(p, pair);
}

static void
on_connect(struct proxy *p, struct side *backend, int res)
{
	struct pair *pair = pair_of(backend);

	pair->owed--;
	if (res < 0)
		pair->broken = true;
	pair->connected = !pair->broken;
	if (pair->connected) {
		recv_arm(p, backend);
		direction_advance(p, &pair->side[CLIENT], backend);
	}
	pair_settle(p, pair);
}

static void
on_watch(struct proxy *p, struct side *side, const struct io_uring_cqe *cqe)
{
	struct pair *pair = pair_of(side);

	if (!(cqe->flags & IORING_CQE_F_MORE))
		pair->owed--;
	if (cqe->res > 0 && (cqe->res & POLLERR))
		pair->broken = true;
	pair_settle(p, pair);
}

/* False while there is no descriptor for it. */
static bool
backend_connect(struct proxy *p, struct pair *pair)
{
	const struct net_address *to = &p->args->backend;
	struct side *backend = &pair->side[BACKEND];
	struct io_uring_sqe *sqe;

	backend->fd = net_socket(to, p->args->cubic, 0);
	if (backend->fd < 0)
		return false;
	sqe = op_start(p, backend, TAG_CONNECT);
	io_uring_prep_connect(
		sqe, backend->fd, (const struct sockaddr *)&to->sa, to->bytes);
	return true;
}

/* The client may send at once: its bytes wait for the backend. */
static void
pair_open(struct proxy *p, int client_fd)
{
	struct pair *pair = net_pool_get(&p->pairs);

	if (pair == NULL)
		net_fail(p->args->name, "no memory for a connection", ENOMEM);
	*pair = (struct pair){
		.side[CLIENT] = { .fd = client_fd, .index = CLIENT },
		.side[BACKEND] = { .fd = -1, .index = BACKEND },
	};
	if (!backend_connect(p, pair)) {
		/* It is accepted, so it is kept until another one goes. */
		pair->waiting = true;
		TAILQ_INSERT_TAIL(&p->waiting, pair, waiting_link);
		retry_later(p, EMFILE);
	}
	recv_arm(p, &pair->side[CLIENT]);
}

static void
on_accept(struct proxy *p, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0)
		pair_open(p, cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	p->accepting = false;
	if (ring_is_shortage(cqe->res))
		retry_later(p, -cqe->res);
	else
		accept_arm(p);
}

/* Those that were accepted but got no backend come first. */
static void
on_retry(struct proxy *p)
{
	p->retrying = false;
	while (!TAILQ_EMPTY(&p->waiting)) {
		struct pair *pair = TAILQ_FIRST(&p->waiting);

		if (!backend_connect(p, pair)) {
			retry_later(p, EMFILE);
			return;
		}
		TAILQ_REMOVE(&p->waiting, pair, waiting_link);
		pair->waiting = false;
	}
	if (!p->accepting)
		accept_arm(p);
}

static void
on_cqe(void *proxy, const struct io_uring_cqe *cqe)
{
	struct proxy *p = proxy;
	enum tag tag = (enum tag)(cqe->user_data & TAG_MASK);
	struct side *side = (struct side *)(uintptr_t)(cqe->user_data - tag);

	switch (tag) {
	case TAG_RECV:
		on_recv(p, side, cqe);
		break;
	case TAG_SEND:
		on_send(p, side, cqe->res);
		break;
	case TAG_CONNECT:
		on_connect(p, side, cqe->res);
		break;
	case TAG_WATCH:
		on_watch(p, side, cqe);
		break;
	case TAG_ACCEPT:
		on_accept(p, cqe);
		break;
	case TAG_RETRY:
		on_retry(p);
		break;
	case TAG_STOP:
		p->stopping = true;
		break;
	case TAG_IGNORED:
		break;
	}
}

/* As many readers start again as there are buffers for them. */
static void
unpark(struct proxy *p)
{
	struct ring *r = &p->ring;
	unsigned room = r->circulating - r->held;

	if (room == 0 && ring_grow(r))
		room = RING_GROW;
	while (room-- > 0 && !TAILQ_EMPTY(&p->parked)) {
		struct side *side = TAILQ_FIRST(&p->parked);

		TAILQ_REMOVE(&p->parked, side, parked_link);
		side->parked = false;
		if (!pair_of(side)->broken)
			direction_advance(p, side, other(side));
	}
}

static void
turn(struct proxy *p)
{
	ring_turn(&p->ring.io, p->args->name, on_cqe, p);
	if (!TAILQ_EMPTY(&p->parked))
		unpark(p);
	ring_publish(&p->ring);
}

int
main(int argc, char **argv)
{
	static struct proxy p = {
		.pairs = {
			.bytes = (sizeof(struct pair) + 15) & ~15ul,
			.chunk_count = 64,
		},
	};
	struct net_args args;

	_Static_assert(offsetof(struct pair, side) == 0, "pair_of() needs it");
	net_args_read(&args, "uring_proxy", argc, argv,
		NET_ARG_BACKEND | NET_ARG_BUFFERS);
	p.args = &args;
	TAILQ_INIT(&p.parked);
	TAILQ_INIT(&p.waiting);
	p.stop_fd = net_stop_fd(&args);
	p.listen_fd = net_listen(&args, 0);
	ring_open(&p.ring, &args, BUFFERS);
	accept_arm(&p);
	ring_watch_stop(&p.ring.io, p.stop_fd, TAG_STOP);
	net_ready(&args, p.listen_fd);
	while (!p.stopping)
		turn(&p);
	ring_close(&p.ring.io);
	return 0;
}
