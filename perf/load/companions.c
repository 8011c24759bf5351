/* SPDX-License-Identifier: MIT */
#include "perf/load/companions.h"

#include <sys/epoll.h>

#include "perf/load/conn.h"

static void
more_send(struct load *l, struct load_conn *c)
{
	if (c->sent == c->asked)
		c->asked += LOAD_CHUNK_BYTES;
	load_conn_send(l, c);
}

/* One chunk each way, so that the measured ones are not kept waiting. */
static void
bulk_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct load_conn *c = (struct load_conn *)w;

	if (events & ~(uint32_t)EPOLLOUT)
		load_conn_receive(l, c);
	if (!l->is_stopped)
		more_send(l, c);
	l->now_ns = load_now_ns();
}

static void
stuck_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct load_conn *c = (struct load_conn *)w;

	if (events & ~(uint32_t)EPOLLOUT)
		load_conn_lost(l, c, 0);
	else
		more_send(l, c);
	l->now_ns = load_now_ns();
}

/* Whatever happens on it, its end or a byte, should not. */
static void
idle_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	(void)events;
	load_conn_receive(l, (struct load_conn *)w);
}

static void
some_open(struct load *l, uint64_t count,
	void (*ready)(struct load *l, struct load_watch *w, uint32_t events),
	uint32_t events)
{
	struct load_conn *conns = load_alloc(l, count * sizeof(*conns));

	for (uint64_t i = 0; i < count; i++) {
		conns[i].watch.ready = ready;
		load_conn_open(l, &conns[i], &l->options->target, i);
		load_watch_add(l, &conns[i].watch, events);
	}
}

void
load_companions_open(struct load *l)
{
	const struct load_options *o = l->options;

	some_open(l, o->idle, idle_ready, EPOLLIN | EPOLLET);
	some_open(l, o->bulk, bulk_ready, EPOLLIN | EPOLLOUT);
	some_open(l, o->stuck, stuck_ready, EPOLLOUT | EPOLLRDHUP);
}
