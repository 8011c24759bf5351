/* SPDX-License-Identifier: MIT */
/*
 * echo - messages that must come back
 *
 * Closed loop: each connection keeps --pipeline messages on their way. Open
 * loop: what is due goes to the connections in turn, behind whatever they
 * still have to send. --direct is a second, equal group of connections.
 */
#include <sys/epoll.h>

#include "perf/load/companions.h"
#include "perf/load/conn.h"
#include "perf/load/drivers.h"
#include "perf/load/times.h"

struct echo_conn {
	struct load_conn conn;
	struct echo_group *group;
	uint64_t answered; /* bytes of whole answers */
	struct load_times due;
};

struct echo_group {
	struct load_tally *tally;
	uint64_t reply_bytes; /* of an answer */
	uint64_t next;        /* connection, in an open loop */
	uint64_t count;
	struct echo_conn conns[];
};

static void
echo_ask(struct load *l, struct echo_conn *c, uint64_t due_ns)
{
	load_times_push(&c->due, due_ns);
	c->conn.asked += l->options->size;
}

static void
echo_finish(struct load *l, struct echo_conn *c)
{
	uint64_t reply_bytes = c->group->reply_bytes;

	while (c->conn.received - c->answered >= reply_bytes) {
		if (load_times_count(&c->due) == 0) {
			load_error(l, "more came back from %s than --reply",
				c->conn.to->text);
			load_stop(l);
			return;
		}
		c->answered += reply_bytes;
		load_tally_finish(c->group->tally, &l->window,
			load_times_pop(&c->due), l->now_ns);
	}
}

/* As many messages as there is room for, in one send. */
static void
echo_start(struct load *l, struct echo_conn *c)
{
	while (load_times_count(&c->due) < l->options->pipeline)
		echo_ask(l, c, l->now_ns);
	load_conn_send(l, &c->conn);
}

static void
echo_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct echo_conn *c = (struct echo_conn *)w;
	bool more = events & ~(uint32_t)EPOLLOUT;

	while (more)
		more = load_conn_receive(l, &c->conn);
	if (l->is_stopped)
		return;
	l->now_ns = load_now_ns();
	echo_finish(l, c);
	if (l->options->rate)
		load_conn_send(l, &c->conn);
	else
		echo_start(l, c);
}

static void
echo_fire(struct load *l, void *arg, uint64_t due_ns)
{
	struct echo_group *g = arg;
	struct echo_conn *c = &g->conns[g->next];

	g->next = g->next + 1 < g->count ? g->next + 1 : 0;
	if (c->conn.sent == c->conn.asked)
		load_late_add(l, due_ns);
	load_wait_more(l, g->tally);
	echo_ask(l, c, due_ns);
	load_conn_send(l, &c->conn);
}

static void
group_open(
	struct load *l, struct load_tally *tally, const struct load_address *to)
{
	const struct load_options *o = l->options;
	struct echo_group *g =
		load_alloc(l, sizeof(*g) + o->conns * sizeof(g->conns[0]));

	g->tally = tally;
	g->reply_bytes = o->message_path ? o->reply : o->size;
	g->count = o->conns;
	for (uint64_t i = 0; i < g->count; i++) {
		g->conns[i].group = g;
		g->conns[i].conn.watch.ready = echo_ready;
		load_conn_open(l, &g->conns[i].conn, to, i);
	}
	/* Once all are open: those watched begin to send. */
	for (uint64_t i = 0; i < g->count; i++)
		load_watch_add(l, &g->conns[i].conn.watch,
			EPOLLIN | EPOLLOUT | EPOLLET);
	if (o->rate)
		load_pace_add(l, echo_fire, g);
}

static void
echo_open(struct load *l)
{
	load_companions_open(l);
	group_open(l, &l->tally, &l->options->target);
	if (l->options->direct.text)
		group_open(l, &l->direct, &l->options->direct);
}

const struct load_driver load_echo_driver = {
	.open = echo_open,
	.has_latency = true,
};
