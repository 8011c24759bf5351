/* SPDX-License-Identifier: MIT */
/*
 * epoll_fanout - what one sends all others get, as readiness allows, by hand
 *
 *   epoll_fanout [--cubic] HOST:PORT
 *
 * One thread, every connection registered once, edge-triggered, for both
 * directions. What arrives is sent to each other connection at once, from
 * the buffer that all read into. Only for those whose sockets are full it is
 * copied, once, and their edge brings the rest, several messages in one
 * call. A publisher is never slowed down: a subscriber with more than 1 MiB
 * unsent is disconnected with a reset. Who sends an end of file leaves.
 */
#include <sys/queue.h>
#include <unistd.h>

#include "perf/baseline/backlog.h"
#include "perf/baseline/loop.h"

enum {
	READ_BYTES = 64 * 1024,
	IOVS = 64, /* messages in one call */
};

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define CONN_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct conn {
	int fd;
	bool dead; /* freed after the events at hand, which may name it */
	struct backlog backlog;
	TAILQ_ENTRY(conn) link; /* of the living, or of the dead */
};

TAILQ_HEAD(conn_list, conn);

struct server {
	struct loop loop;
	struct conn_list living;
	struct conn_list dead;
	struct net_pool conns;
	char buf[READ_BYTES];
};

static void
conn_close(struct server *s, struct conn *c)
{
	backlog_clear(&c->backlog);
	TAILQ_REMOVE(&s->living, c, link);
	TAILQ_INSERT_TAIL(&s->dead, c, link);
	c->dead = true;
	close(c->fd);
}

static void
conn_reset(struct server *s, struct conn *c)
{
	net_abort_on_close(c->fd);
	conn_close(s, c);
}

/* Send what is kept. 0, also while the socket is full; or -errno. */
static int
conn_flush(struct conn *c)
{
	struct iovec iov[IOVS];

	while (c->backlog.first != NULL) {
		struct msghdr msg = {
			.msg_iov = iov,
			.msg_iovlen = backlog_iov(&c->backlog, iov, IOVS),
		};
		ssize_t sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN ? 0 : -errno;
		backlog_consume(&c->backlog, (size_t)sent);
	}
	return 0;
}

/*
 * Send to one subscriber what its socket takes and keep the rest. *kept is
 * the message that all share who must keep some of it, made for the first.
 */
static int
conn_send(
	struct server *s, struct conn *to, size_t bytes, struct message **kept)
{
	ssize_t sent = 0;

	if (to->backlog.first == NULL) {
		sent = send(to->fd, s->buf, bytes, MSG_NOSIGNAL);
		if ((size_t)sent == bytes)
			return 0;
		if (sent < 0 && errno != EAGAIN)
			return -errno;
		if (sent < 0)
			sent = 0;
	}
	if (*kept == NULL)
		*kept = message_new(s->buf, bytes);
	if (*kept == NULL)
		return -ENOMEM;
	if (to->backlog.bytes + bytes - (size_t)sent > BACKLOG_BYTES_MAX)
		return -ENOBUFS;
	return backlog_push(&to->backlog, *kept, (uint32_t)sent);
}

static void
publish(struct server *s, struct conn *from, size_t bytes)
{
	struct conn *to = TAILQ_FIRST(&s->living), *next;
	struct message *kept = NULL;

	for (; to != NULL; to = next) {
		next = TAILQ_NEXT(to, link);
		if (to != from && conn_send(s, to, bytes, &kept) < 0)
			conn_reset(s, to);
	}
	if (kept != NULL)
		message_put(kept);
}

/* 0, or the reason why the connection is over: -ESHUTDOWN for its end. */
static int
conn_serve(struct server *s, struct conn *c, uint32_t events)
{
	if (events & EPOLLOUT) {
		int res = conn_flush(c);

		if (res < 0)
			return res;
	}
	if (!(events & (EPOLLIN | CONN_ENDING)))
		return 0;
	for (int round = 0; round < LOOP_ROUNDS; round++) {
		ssize_t got = loop_recv(c->fd, s->buf, READ_BYTES);

		if (got <= 0)
			return (int)got;
		publish(s, c, (size_t)got);
		/* A short read emptied the socket; what follows is an edge. */
		if (got < READ_BYTES && !(events & CONN_ENDING))
			return 0;
	}
	/* Not empty yet: make the kernel look again after the others. */
	return loop_watch(&s->loop, EPOLL_CTL_MOD, c->fd, CONN_EVENTS, c);
}

static void
on_conn(void *server, void *ptr, uint32_t events)
{
	struct conn *c = ptr;

	if (!c->dead && conn_serve(server, c, events) < 0)
		conn_close(server, c);
}

static int
conn_open(struct server *s, struct conn *c, int fd)
{
	int res = loop_watch(&s->loop, EPOLL_CTL_ADD, fd, CONN_EVENTS, c);

	*c = (struct conn){ .fd = fd };
	TAILQ_INSERT_TAIL(&s->living, c, link);
	if (res < 0)
		conn_reset(s, c);
	return res;
}

static int
accept_one(void *server)
{
	struct server *s = server;
	int fd;
	struct conn *c = loop_accept_object(&s->loop, &s->conns, &fd);

	return c == NULL ? fd : conn_open(s, c, fd);
}

static void
free_dead(struct server *s)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&s->dead)) != NULL) {
		TAILQ_REMOVE(&s->dead, c, link);
		net_pool_put(&s->conns, c);
	}
}

int
main(int argc, char **argv)
{
	static struct server s = {
		.conns = { .bytes = 64, .chunk_count = 64 },
	};
	struct net_args args;

	_Static_assert(sizeof(struct conn) <= 64, "a conn fits its pool");
	net_args_read(&args, "epoll_fanout", argc, argv, 0);
	TAILQ_INIT(&s.living);
	TAILQ_INIT(&s.dead);
	loop_open(&s.loop, &args);
	loop_listen(&s.loop);
	while (loop_turn(&s.loop, accept_one, on_conn, &s))
		free_dead(&s);
	return 0;
}
