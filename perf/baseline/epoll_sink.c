/* SPDX-License-Identifier: MIT */
/*
 * epoll_sink - reads and discards, as readiness allows, by hand
 *
 *   epoll_sink [--cubic] HOST:PORT
 *
 * One thread, every connection registered once, edge-triggered. All read
 * into the same buffer of 64 KiB, which stays in the cache. There is nothing
 * to remember about a connection, so that its event carries the descriptor
 * itself. It is closed at the end of the file or the first error.
 */
#include <unistd.h>

#include "perf/baseline/loop.h"

enum { READ_BYTES = 64 * 1024 };

#define CONN_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define CONN_ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct server {
	struct loop loop;
	char buf[READ_BYTES];
};

/* What stands for a descriptor in its event, and is no address of ours. */
static void *
fd_ptr(int fd)
{
	return (void *)(intptr_t)fd;
}

static void
on_conn(void *server, void *ptr, uint32_t events)
{
	struct server *s = server;
	int fd = (int)(intptr_t)ptr;

	for (int round = 0; round < LOOP_ROUNDS; round++) {
		ssize_t got = loop_recv(fd, s->buf, READ_BYTES);

		if (got < 0)
			close(fd);
		if (got <= 0)
			return;
		/* A short read emptied the socket; what follows is an edge. */
		if (got < READ_BYTES && !(events & CONN_ENDING))
			return;
	}
	/* Not empty yet: make the kernel look again after the others. */
	if (loop_watch(&s->loop, EPOLL_CTL_MOD, fd, CONN_EVENTS, ptr) < 0)
		close(fd);
}

static int
accept_one(void *server)
{
	struct server *s = server;
	int fd = loop_accept_fd(&s->loop);
	int res;

	if (fd < 0)
		return fd;
	res = loop_watch(&s->loop, EPOLL_CTL_ADD, fd, CONN_EVENTS, fd_ptr(fd));
	if (res < 0)
		close(fd);
	return res;
}

int
main(int argc, char **argv)
{
	static struct server s;
	struct net_args args;

	net_args_read(&args, "epoll_sink", argc, argv, 0);
	loop_open(&s.loop, &args);
	loop_listen(&s.loop);
	while (loop_turn(&s.loop, accept_one, on_conn, &s))
		;
	return 0;
}
