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
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "perf/baseline/net.h"

enum {
	/*
	 * Twice a usual message: a read that fills its block is followed by
	 * one more, and with 16 KiB every message of that size would pay for
	 * it. 64 KiB measures no better.
	 */
	BLOCK_BYTES = 32 * 1024,
	EVENTS_MAX = 256,
	ROUNDS_MAX = 16, /* blocks before the others have their turn */
	RETRY_MS = 100,  /* until accepting is tried again */
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
	const struct net_args *args;
	int epoll_fd;
	int listen_fd;
	int stop_fd;
	int spare_fd; /* the next connection's backend socket, or -1 */
	bool paused;  /* descriptors or memory ran out while accepting */
	struct pair *dead;
	struct net_pool pairs;
	struct net_pool blocks;
};

static int
watch(const struct proxy *p, int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = { .events = events, .data.ptr = ptr };

	return epoll_ctl(p->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

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

	for (int round = 0; round < ROUNDS_MAX; round++) {
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
	return watch(p, EPOLL_CTL_MOD, from->fd, SIDE_EVENTS, from);
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
on_side(struct proxy *p, struct side *side, uint32_t events)
{
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
	const struct net_address *to = &p->args->backend;
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

		res = watch(p, EPOLL_CTL_ADD, side->fd, SIDE_EVENTS, side);
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
accept_one(struct proxy *p)
{
	struct pair *pair;
	int client_fd;

	if (p->spare_fd < 0)
		p->spare_fd = net_socket(
			&p->args->backend, p->args->cubic, SOCK_NONBLOCK);
	if (p->spare_fd < 0)
		return p->spare_fd;
	pair = net_pool_get(&p->pairs);
	if (pair == NULL)
		return -ENOMEM;
	client_fd =
		accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client_fd < 0) {
		int res = -errno;

		net_pool_put(&p->pairs, pair);
		return res;
	}
	if (pair_open(p, pair, client_fd, p->spare_fd) < 0)
		pair_close(p, pair, true);
	p->spare_fd = -1;
	return 0;
}

/* Take all that wait: an edge-triggered listener is not reported again. */
static void
accept_all(struct proxy *p)
{
	int res;

	do {
		res = accept_one(p);
	} while (res == 0 || res == -ECONNABORTED || res == -EINTR);
	if (res != -EAGAIN && !p->paused)
		fprintf(stderr, "epoll_proxy: accepting pauses: %s\n",
			strerror(-res));
	p->paused = res != -EAGAIN;
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

/* One wait and what it brought; false when it is time to stop. */
static bool
turn(struct proxy *p)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(
		p->epoll_fd, events, EVENTS_MAX, p->paused ? RETRY_MS : -1);

	for (int i = 0; i < count; i++) {
		void *ptr = events[i].data.ptr;

		if (ptr == &p->stop_fd)
			return false;
		if (ptr == &p->listen_fd)
			accept_all(p);
		else
			on_side(p, ptr, events[i].events);
	}
	free_dead(p);
	if (p->paused)
		accept_all(p);
	return true;
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
	p.args = &args;
	p.stop_fd = net_stop_fd(&args);
	p.listen_fd = net_listen(&args, SOCK_NONBLOCK);
	p.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p.epoll_fd < 0)
		net_fail(args.name, "cannot make an epoll set", errno);
	if (watch(&p, EPOLL_CTL_ADD, p.stop_fd, EPOLLIN, &p.stop_fd) < 0 ||
		watch(&p, EPOLL_CTL_ADD, p.listen_fd, EPOLLIN | EPOLLET,
			&p.listen_fd) < 0)
		net_fail(args.name, "cannot watch the listener", errno);
	net_ready(&args, p.listen_fd);
	while (turn(&p))
		;
	return 0;
}
