/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_BASELINE_LOOP_H
#define TORC_PERF_BASELINE_LOOP_H

/*
 * loop - what the epoll baselines share: one set, its listener and its stop
 *
 * An event carries whatever its program gave to loop_watch(). A server's own
 * functions are constants where loop_turn() is inlined, so that dispatching
 * costs no indirect call.
 *
 * Shortage  When descriptors or memory run out while accepting, clients wait
 *           in the backlog; accepting is tried again every 100 ms.
 * Errors    -errno, except loop_open() and loop_listen(), which leave.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "perf/baseline/net.h"

enum {
	LOOP_EVENTS = 256,  /* taken by one wait */
	LOOP_ROUNDS = 16,   /* full reads before the others have their turn */
	LOOP_RETRY_MS = 100 /* until accepting is tried again */
};

/* Accept one connection. 0, or -errno: -EAGAIN when none waits. */
typedef int loop_accept_fn(void *server);

/* What `ptr` was registered for has happened. */
typedef void loop_serve_fn(void *server, void *ptr, uint32_t events);

struct loop {
	const struct net_args *args;
	int epoll_fd;
	int listen_fd;
	int stop_fd;
	bool paused; /* descriptors or memory ran out while accepting */
};

/* A set in which only the stop signal is watched. */
void loop_open(struct loop *l, const struct net_args *args);

/* Listen, watch the listener, and say so. */
void loop_listen(struct loop *l);

/* Take all that wait: an edge-triggered listener is not reported again. */
void loop_accept(struct loop *l, loop_accept_fn *accept_one, void *server);

/* The next connection's descriptor, or -errno. */
int loop_accept_fd(const struct loop *l);

/*
 * The same with an object of the pool, which is not cleared: the connection
 * is taken from the backlog only when there is one for it. NULL: see *fd.
 */
void *loop_accept_object(const struct loop *l, struct net_pool *pool, int *fd);

static inline int
loop_watch(const struct loop *l, int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = { .events = events, .data.ptr = ptr };

	return epoll_ctl(l->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* Bytes; 0 when there are none; -ESHUTDOWN at the end, or -errno. */
static inline ssize_t
loop_recv(int fd, void *buf, size_t bytes)
{
	ssize_t got = recv(fd, buf, bytes, 0);

	if (got > 0)
		return got;
	if (got == 0)
		return -ESHUTDOWN;
	return errno == EAGAIN ? 0 : -errno;
}

/* One wait and what it brought; false when it is time to stop. */
static inline __attribute__((always_inline)) bool
loop_turn(struct loop *l, loop_accept_fn *accept_one, loop_serve_fn *serve,
	void *server)
{
	struct epoll_event events[LOOP_EVENTS];
	int count = epoll_wait(l->epoll_fd, events, LOOP_EVENTS,
		l->paused ? LOOP_RETRY_MS : -1);

	for (int i = 0; i < count; i++) {
		void *ptr = events[i].data.ptr;

		if (ptr == &l->stop_fd)
			return false;
		if (ptr == &l->listen_fd)
			loop_accept(l, accept_one, server);
		else
			serve(server, ptr, events[i].events);
	}
	if (l->paused)
		loop_accept(l, accept_one, server);
	return true;
}

#endif /* TORC_PERF_BASELINE_LOOP_H */
