/* SPDX-License-Identifier: MIT */
/*
 * epoll_echo - the TCP echo server that readiness allows, by hand
 *
 *   epoll_echo [--cubic] HOST:PORT
 *
 * One thread. Every connection is registered once, edge-triggered, for both
 * directions: an edge for writing comes only after a write fell short, so
 * nothing is ever modified while a peer keeps up. All connections read into
 * the same buffer, which therefore stays in the cache; one that its peer
 * does not empty gets a block of its own for the rest, and reads no more
 * until that rest is gone.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "perf/baseline/loop.h"

enum { READ_BYTES = 64 * 1024 };

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define CONN_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct conn {
	int fd;
	uint32_t start; /* of what block holds */
	uint32_t end;
	char *block; /* unsent rest, NULL while the peer keeps up */
};

struct server {
	struct loop loop;
	struct net_pool conns;
	struct net_pool blocks;
	char buf[READ_BYTES];
};

static void
conn_close(struct server *s, struct conn *c)
{
	close(c->fd);
	if (c->block != NULL)
		net_pool_put(&s->blocks, c->block);
	net_pool_put(&s->conns, c);
}

/* 0 with a block left means: the socket is full, an edge will come. */
static int
conn_flush(struct server *s, struct conn *c)
{
	size_t left = c->end - c->start;
	ssize_t sent = send(c->fd, c->block + c->start, left, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	c->start += (uint32_t)sent;
	if (c->start == c->end) {
		net_pool_put(&s->blocks, c->block);
		c->block = NULL;
	}
	return 0;
}

static int
conn_answer(struct server *s, struct conn *c, size_t bytes)
{
	ssize_t sent = send(c->fd, s->buf, bytes, MSG_NOSIGNAL);

	if ((size_t)sent == bytes)
		return 0;
	if (sent < 0) {
		if (errno != EAGAIN)
			return -errno;
		sent = 0;
	}
	c->block = net_pool_get(&s->blocks);
	if (c->block == NULL)
		return -ENOMEM;
	c->start = 0;
	c->end = (uint32_t)(bytes - (size_t)sent);
	memcpy(c->block, s->buf + sent, c->end);
	return 0;
}

/* 0, or the reason why the connection is over: -ESHUTDOWN for its end. */
static int
conn_serve(struct server *s, struct conn *c, uint32_t events)
{
	int res;

	if (c->block != NULL) {
		res = conn_flush(s, c);
		if (res < 0 || c->block != NULL)
			return res;
	} else if (events == EPOLLOUT) {
		return 0;
	}
	for (int round = 0; round < LOOP_ROUNDS; round++) {
		ssize_t got = loop_recv(c->fd, s->buf, READ_BYTES);

		if (got <= 0)
			return (int)got;
		res = conn_answer(s, c, (size_t)got);
		if (res < 0 || c->block != NULL)
			return res;
		/* A short read emptied the socket; what follows is an edge. */
		if (got < READ_BYTES && !(events & CONN_ENDING))
			return 0;
	}
	/* Not empty yet: make the kernel look again after the others. */
	return loop_watch(&s->loop, EPOLL_CTL_MOD, c->fd, CONN_EVENTS, c);
}

static void
on_conn(void *server, void *conn, uint32_t events)
{
	if (conn_serve(server, conn, events) < 0)
		conn_close(server, conn);
}

static int
accept_one(void *server)
{
	struct server *s = server;
	int fd, res;
	struct conn *c = loop_accept_object(&s->loop, &s->conns, &fd);

	if (c == NULL)
		return fd;
	*c = (struct conn){ .fd = fd };
	res = loop_watch(&s->loop, EPOLL_CTL_ADD, c->fd, CONN_EVENTS, c);
	if (res < 0)
		conn_close(s, c);
	return res;
}

int
main(int argc, char **argv)
{
	static struct server s = {
		.conns = { .bytes = 32, .chunk_count = 128 },
		.blocks = { .bytes = READ_BYTES, .chunk_count = 16 },
	};
	struct net_args args;

	_Static_assert(sizeof(struct conn) <= 32, "a conn fits its pool");
	net_args_read(&args, "epoll_echo", argc, argv, 0);
	loop_open(&s.loop, &args);
	loop_listen(&s.loop);
	while (loop_turn(&s.loop, accept_one, on_conn, &s))
		;
	return 0;
}
