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
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "perf/baseline/net.h"

enum {
	EVENTS_MAX = 256,
	READ_BYTES = 64 * 1024,
	ROUNDS_MAX = 16, /* full reads before the others have their turn */
	RETRY_MS = 100,  /* until accepting is tried again */
};

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define CONN_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct conn {
	int fd;
	uint32_t start; /* of what block holds */
	uint32_t end;
	char *block; /* unsent rest, NULL while the peer keeps up */
};

struct server {
	int epoll_fd;
	int listen_fd;
	int stop_fd;
	bool paused; /* descriptors or memory ran out while accepting */
	struct net_pool conns;
	struct net_pool blocks;
	char buf[READ_BYTES];
};

static int
watch(const struct server *s, int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = { .events = events, .data.ptr = ptr };

	return epoll_ctl(s->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

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
	for (int round = 0; round < ROUNDS_MAX; round++) {
		ssize_t got = recv(c->fd, s->buf, READ_BYTES, 0);

		if (got == 0)
			return -ESHUTDOWN;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		res = conn_answer(s, c, (size_t)got);
		if (res < 0 || c->block != NULL)
			return res;
		/* A short read emptied the socket; what follows is an edge. */
		if (got < READ_BYTES && !(events & CONN_ENDING))
			return 0;
	}
	/* Not empty yet: make the kernel look again after the others. */
	return watch(s, EPOLL_CTL_MOD, c->fd, CONN_EVENTS, c);
}

static int
accept_one(struct server *s)
{
	struct conn *c = net_pool_get(&s->conns);
	int res;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct conn){
		.fd = accept4(
			s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
	};
	if (c->fd < 0) {
		res = -errno;
		net_pool_put(&s->conns, c);
		return res;
	}
	res = watch(s, EPOLL_CTL_ADD, c->fd, CONN_EVENTS, c);
	if (res < 0)
		conn_close(s, c);
	return res;
}

/* Take all that wait: an edge-triggered listener is not reported again. */
static void
accept_all(struct server *s)
{
	int res;

	do {
		res = accept_one(s);
	} while (res == 0 || res == -ECONNABORTED || res == -EINTR);
	if (res != -EAGAIN && !s->paused)
		fprintf(stderr, "epoll_echo: accepting pauses: %s\n",
			strerror(-res));
	s->paused = res != -EAGAIN;
}

/* One wait and what it brought; false when it is time to stop. */
static bool
turn(struct server *s)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(
		s->epoll_fd, events, EVENTS_MAX, s->paused ? RETRY_MS : -1);

	for (int i = 0; i < count; i++) {
		void *ptr = events[i].data.ptr;

		if (ptr == &s->stop_fd)
			return false;
		if (ptr == &s->listen_fd)
			accept_all(s);
		else if (conn_serve(s, ptr, events[i].events) < 0)
			conn_close(s, ptr);
	}
	if (s->paused)
		accept_all(s);
	return true;
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
	s.stop_fd = net_stop_fd(&args);
	s.listen_fd = net_listen(&args, SOCK_NONBLOCK);
	s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll_fd < 0)
		net_fail(args.name, "cannot make an epoll set", errno);
	if (watch(&s, EPOLL_CTL_ADD, s.stop_fd, EPOLLIN, &s.stop_fd) < 0 ||
		watch(&s, EPOLL_CTL_ADD, s.listen_fd, EPOLLIN | EPOLLET,
			&s.listen_fd) < 0)
		net_fail(args.name, "cannot watch the listener", errno);
	net_ready(&args, s.listen_fd);
	while (turn(&s))
		;
	return 0;
}
