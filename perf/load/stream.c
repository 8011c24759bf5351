/* SPDX-License-Identifier: MIT */
/*
 * stream - one way, as fast as the server reads
 *
 * What counts is what the kernel took. Each ready connection gets a few
 * sends in turn, so that none waits for another.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "perf/load/conn.h"
#include "perf/load/drivers.h"

enum {
	SENDS_MAX = 8,
};

static void
stream_count(struct load *l, struct load_conn *c, uint64_t before)
{
	uint64_t size = l->options->size;

	if (l->window.phase != LOAD_MEASURE)
		return;
	l->bytes += c->sent - before;
	l->tally.finished += c->sent / size - before / size;
}

/* A server that discards sends nothing, and does not leave. */
static void
stream_end(struct load *l, struct load_conn *c)
{
	ssize_t res = recv(c->watch.fd, l->buf, 1, 0);

	if (res <= 0) {
		load_conn_lost(l, c, res < 0 ? errno : 0);
		return;
	}
	load_error(l, "%s answers; stream needs a server that discards",
		c->to->text);
	load_stop(l);
}

static void
stream_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct load_conn *c = (struct load_conn *)w;
	uint64_t before = c->sent;

	if (events & ~(uint32_t)EPOLLOUT) {
		stream_end(l, c);
		return;
	}
	/* The rest of a send that was cut, and then whole ones. */
	load_conn_send(l, c);
	for (int i = 0; i < SENDS_MAX && c->sent == c->asked; i++) {
		c->asked += l->options->size;
		load_conn_send(l, c);
	}
	stream_count(l, c, before);
}

static void
stream_open(struct load *l)
{
	uint64_t count = l->options->conns;
	struct load_conn *conns = load_alloc(l, count * sizeof(*conns));

	for (uint64_t i = 0; i < count; i++) {
		conns[i].watch.ready = stream_ready;
		load_conn_open(l, &conns[i], &l->options->target, i);
		load_watch_add(
			l, &conns[i].watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	}
}

const struct load_driver load_stream_driver = { .open = stream_open };
