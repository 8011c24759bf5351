/* SPDX-License-Identifier: MIT */
/*
 * epoll_proxy - the L4 proxy that readiness allows, by hand
 *
 *   epoll_proxy [--cubic] LISTEN BACKEND
 *
 * One thread, every socket registered once, edge-triggered, for both
 * directions. What an edge said is remembered per side, so that no call is
 * made only to hear EAGAIN. Bytes are read into a block from a last-in
 * first-out pool and written at once: while the receiver keeps up it is the
 * same hot block for everybody, and an idle connection holds none. A block
 * that could not be written stays with its direction, which reads no more
 * until it is empty: that is the back-pressure and the bound.
 *
 * A clean end is passed on as a clean end of that direction alone. The
 * first error on either side ends both with a reset.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "perf/baseline/loop.h"

enum {
	/*
	 * Twice a usual message: a read that fills its block is followed by
	 * one more, and with 16 KiB every message of that size would pay for
	 * it. 64 KiB measures no better.
	 */
	BLOCK_BYTES = 32 * 1024,
};

#define SIDE_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define SIDE_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

enum { CLIENT, BACKEND };

struct side {
	struct pair *pair;
	char *block; /* read here and not yet written to the other side */
	uint32_t start;
	uint32_t end;
	int fd;
	bool readable; /* the last edge has not been read to its end */
	bool writable;
	bool ending; /* an end or error waits behind the bytes */
	bool eof;    /* and has been read */
	bool shut;   /* nothing more will be written here */
};

struct pair {
	struct side side[2];
	bool connecting;
	bool dead; /* freed after the events at hand, which may name it */
	struct pair *next_dead;
};

struct proxy {
	struct loop loop;
	int spare_fd; /* the next connection's backend socket, or -1 */
	struct pair *dead;
	struct net_pool pairs;
	struct net_pool blocks;
};

static struct side *
other(struct side *side)
{
	struct pair *pair = side->pair;

	return &pair->side[side == &pair->side[CLIENT]];
}

static int
socket_error(int fd)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		return -errno;
	return -error;
}

static void
pair_close(struct proxy *p, struct pair *pair, bool reset)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->side[i];

		if (reset)
			net_abort_on_close(side->fd);
		close(side->fd);
		if (side->block != NULL)
			net_pool_put(&p->blocks, side->block);
	}
	pair->dead = true;
	pair->next_dead = p->dead;
	p->dead = pair;
}

/* Read one block; `from` holds none yet. */
static int
side_fill(struct proxy *p, struct side *from)
{
	char *block = net_pool_get(&p->blocks);
	ssize_t got;

	if (block == NULL)
		return -ENOMEM;
	got = recv(from->fd, block, BLOCK_BYTES, 0);
	if (got > 0) {
		from->block = block;
		from->start = 0;
		from->end = (uint32_t)got;
		/* A short read emptied the socket; more is a new edge. */
		from->readable = got == BLOCK_BYTES || from->ending;
		return 0;
	}
	net_pool_put(&p->blocks, block);
	from->readable = false;
	from->eof = got == 0;
	return got == 0 || errno == EAGAIN ? 0 : -errno;
}

/* Write what `from` holds; a block that remains means `to` is full. */
static int
side_drain(struct proxy *p, struct side *from, struct side *to)
{
	size_t left = from->end - from->start;
	ssize_t sent;

	if (!to->writable)
		return 0;
	sent = send(to->fd, from->block + from->start, left, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return -errno;
	to->writable = (size_t)sent == left;
	if (to->writable) {
		net_pool_put(&p->blocks, from->block);
		from->block = NULL;
	} else if (sent > 0) {
		from->start += (uint32_t)sent;
	}
	return 0;
}

/* Move bytes until there are none, or no room; then pass on the end. */
static int
pump(struct proxy *p, struct side *from, struct side *to)
{
	int res;

	for (int round = 0; round < LOOP_ROUNDS; round++) {
		if (from->block == NULL && from->readable) {
			res = side_fill(p, from);
			if (res < 0)
				return res;
		}
		if (from->block == NULL)
			break;
		res = side_drain(p, from, to);
		if (res < 0 || from->block != NULL)
			return res;
	}
	if (from->eof && !to->shut) {
		to->shut = true;
		return shutdown(to->fd, SHUT_WR) < 0 ? -errno : 0;
	}
	if (!from->readable)
		return 0;
	/* Not empty yet: make the kernel report it again after the others. */
	return loop_watch(&p->loop, EPOLL_CTL_MOD, from->fd, SIDE_EVENTS, from);
}

/* While connecting only the backend's answer and errors matter. */
static int
pair_connect(struct pair *pair, uint32_t backend_events)
{
	int res;

	if (backend_events & (EPOLLERR | EPOLLHUP)) {
		res = socket_error(pair->side[BACKEND].fd);
		return res < 0 ? res : -ECONNRESET;
	}
	if (backend_events & EPOLLOUT)
		pair->connecting = false;
	return 0;
}

static int
side_serve(struct proxy *p, struct side *side, uint32_t events)
{
	struct pair *pair = side->pair;
	struct side *peer = other(side);
	int res;

	if (events & (EPOLLIN | SIDE_ENDING))
		side->readable = !side->eof;
	if (events & SIDE_ENDING)
		side->ending = true;
	if (events & EPOLLOUT)
		side->writable = true;
	if (pair->connecting) {
		res = pair_connect(
			pair, side == &pair->side[BACKEND] ? events : 0);
		if (res < 0)
			return res;
	}
	if (!pair->connecting) {
		res = pump(p, side, peer);
		if (res == 0)
			res = pump(p, peer, side);
		if (res < 0)
			return res;
	}
	/* Nobody may read this side any more: ask, or a reset is missed. */
	return events & EPOLLERR ? socket_error(side->fd) : 0;
}

static void
on_side(void *proxy, void *ptr, uint32_t events)
{
	struct proxy *p = proxy;
	struct side *side = ptr;
	struct pair *pair = side->pair;
	int res;

	if (pair->dead)
		return;
	res = side_serve(p, side, events);
	if (res < 0)
		pair_close(p, pair, true);
	else if (pair->side[CLIENT].shut && pair->side[BACKEND].shut)
		pair_close(p, pair, false);
}

static int
pair_open(struct proxy *p, struct pair *pair, int client_fd, int backend_fd)
{
	const struct net_address *to = &p->loop.args->backend;
	int res;

	*pair = (struct pair){
		.side[CLIENT] = { .pair = pair, .fd = client_fd },
		.side[BACKEND] = { .pair = pair, .fd = backend_fd },
		.connecting = true,
	};
	if (connect(backend_fd, (const struct sockaddr *)&to->sa, to->bytes) <
			0 &&
		errno != EINPROGRESS)
		return -errno;
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->side[i];

		res = loop_watch(
			&p->loop, EPOLL_CTL_ADD, side->fd, SIDE_EVENTS, side);
		if (res < 0)
			return res;
	}
	return 0;
}

/*
 * The backend's socket is made before the client is accepted: when
 * descriptors run out, the client waits in the backlog instead of being
 * accepted only to be dropped.
 */
static int
accept_one(void *proxy)
{
	struct proxy *p = proxy;
	struct pair *pair;
	int client_fd;

	if (p->spare_fd < 0)
		p->spare_fd = net_socket(&p->loop.args->backend,
			p->loop.args->cubic, SOCK_NONBLOCK);
	if (p->spare_fd < 0)
		return p->spare_fd;
	pair = loop_accept_object(&p->loop, &p->pairs, &client_fd);
	if (pair == NULL)
		return client_fd;
	if (pair_open(p, pair, client_fd, p->spare_fd) < 0)
		pair_close(p, pair, true);
	p->spare_fd = -1;
	return 0;
}

static void
free_dead(struct proxy *p)
{
	while (p->dead != NULL) {
		struct pair *pair = p->dead;

		p->dead = pair->next_dead;
		net_pool_put(&p->pairs, pair);
	}
}

int
main(int argc, char **argv)
{
	static struct proxy p = {
		.pairs = { .bytes = sizeof(struct pair), .chunk_count = 64 },
		.blocks = { .bytes = BLOCK_BYTES, .chunk_count = 16 },
		.spare_fd = -1,
	};
	struct net_args args;

	_Static_assert(sizeof(struct pair) % 16 == 0, "as the pool wants it");
	net_args_read(&args, "epoll_proxy", argc, argv, NET_ARG_BACKEND);
	loop_open(&p.loop, &args);
	loop_listen(&p.loop);
	while (loop_turn(&p.loop, accept_one, on_side, &p))
		free_dead(&p);
	return 0;
}
