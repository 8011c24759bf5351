/* SPDX-License-Identifier: MIT */
#include "perf/baseline/loop.h"

#include <stdio.h>
#include <string.h>

void
loop_open(struct loop *l, const struct net_args *args)
{
	l->args = args;
	l->stop_fd = net_stop_fd(args);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		net_fail(args->name, "cannot make an epoll set", errno);
	if (loop_watch(l, EPOLL_CTL_ADD, l->stop_fd, EPOLLIN, &l->stop_fd) < 0)
		net_fail(args->name, "cannot watch the stop signal", errno);
}

void
loop_listen(struct loop *l)
{
	l->listen_fd = net_listen(l->args, SOCK_NONBLOCK);
	if (loop_watch(l, EPOLL_CTL_ADD, l->listen_fd, EPOLLIN | EPOLLET,
		    &l->listen_fd) < 0)
		net_fail(l->args->name, "cannot watch the listener", errno);
	net_ready(l->args, l->listen_fd);
}

int
loop_accept_fd(const struct loop *l)
{
	int fd =
		accept4(l->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void *
loop_accept_object(const struct loop *l, struct net_pool *pool, int *fd)
{
	void *object = net_pool_get(pool);

	*fd = object == NULL ? -ENOMEM : loop_accept_fd(l);
	if (*fd >= 0)
		return object;
	if (object != NULL)
		net_pool_put(pool, object);
	return NULL;
}

void
loop_accept(struct loop *l, loop_accept_fn *accept_one, void *server)
{
	int res;

	do {
		res = accept_one(server);
	} while (res == 0 || res == -ECONNABORTED || res == -EINTR);
	if (res != -EAGAIN && !l->paused)
		fprintf(stderr, "%s: accepting pauses: %s\n", l->args->name,
			strerror(-res));
	l->paused = res != -EAGAIN;
}
