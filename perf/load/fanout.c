/* SPDX-License-Identifier: MIT */
/*
 * fanout - each message must reach all subscribers, then the next is sent
 *
 * The server sends what arrives on one connection to every other. Whether it
 * knows all of them yet can't be seen from here, so probes go first, until
 * one has reached everybody.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "perf/load/conn.h"
#include "perf/load/drivers.h"

enum {
	PROBES_MAX = 20,
	QUIET_NS = 200000000,     /* then nothing of a probe is on its way */
	PATIENCE_NS = 2000000000, /* with a message that some did not get */
};

struct subscriber {
	struct load_conn conn; /* sends nothing */
	uint64_t got;          /* bytes of the message that is on its way */
};

struct fanout {
	struct load_conn publisher;
	uint64_t message; /* number of the one on its way, from 1 */
	uint64_t begin_ns;
	uint64_t heard_ns; /* when something arrived last */
	uint64_t missing;  /* subscribers without all of it */
	bool is_probing;
	struct subscriber subscribers[];
};

static void
message_send(struct load *l, struct fanout *f)
{
	f->message++;
	f->missing = l->options->conns;
	for (uint64_t i = 0; i < l->options->conns; i++)
		f->subscribers[i].got = 0;
	f->publisher.asked += l->options->size;
	l->now_ns = load_now_ns();
	f->begin_ns = l->now_ns;
	f->heard_ns = l->now_ns;
	load_conn_send(l, &f->publisher);
}

/* `bytes` at the end of the message so far are in l->buf. */
static void
subscriber_take(struct load *l, struct subscriber *s, uint64_t bytes)
{
	struct fanout *f = l->state;
	uint64_t size = l->options->size;
	uint64_t at = (f->message - 1) * size + s->got;

	if (f->is_probing) {
		f->missing -= s->got < size && s->got + bytes >= size;
		s->got += bytes;
		return;
	}
	if (s->got + bytes > size ||
		!load_pattern_holds(&l->pattern, at, l->buf, bytes)) {
		load_error(l, "subscriber %llu of %s got what was not sent",
			(unsigned long long)s->conn.index, s->conn.to->text);
		load_stop(l);
		return;
	}
	s->got += bytes;
	if (s->got < size)
		return;
	f->missing--;
	load_tally_finish(&l->tally, &l->window, f->begin_ns, l->now_ns);
}

static void
subscriber_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct subscriber *s = (struct subscriber *)w;
	struct fanout *f = l->state;
	ssize_t res = recv(w->fd, l->buf, LOAD_CHUNK_BYTES, 0);

	(void)events;
	if (res <= 0) {
		if (res == 0 || errno != EAGAIN)
			load_conn_lost(l, &s->conn, res == 0 ? 0 : errno);
		return;
	}
	s->conn.received += (uint64_t)res;
	l->now_ns = load_now_ns();
	f->heard_ns = l->now_ns;
	subscriber_take(l, s, (uint64_t)res);
}

static void
publisher_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct load_conn *c = (struct load_conn *)w;

	if (!(events & ~(uint32_t)EPOLLOUT)) {
		load_conn_send(l, c);
		return;
	}
	if (recv(w->fd, l->buf, 1, 0) > 0) {
		load_error(l, "%s sends a message back to its publisher",
			c->to->text);
		load_stop(l);
		return;
	}
	load_conn_lost(l, c, 0);
}

static void
fanout_turn(struct load *l)
{
	struct fanout *f = l->state;

	if (f->is_probing)
		return;
	if (f->missing == 0)
		message_send(l, f);
	if (l->now_ns < f->heard_ns + PATIENCE_NS)
		return;
	load_error(l, "a message did not reach %llu of %llu subscribers of %s",
		(unsigned long long)f->missing,
		(unsigned long long)l->options->conns, l->options->target.text);
	load_stop(l);
}

/* Whether all of a probe reached all subscribers, and nothing more. */
static bool
probe(struct load *l, struct fanout *f)
{
	message_send(l, f);
	while (l->now_ns < f->heard_ns + QUIET_NS && !l->is_stopped)
		load_turn(l);
	for (uint64_t i = 0; i < l->options->conns; i++)
		if (f->subscribers[i].got != l->options->size)
			return false;
	return true;
}

static void
probe_all(struct load *l, struct fanout *f)
{
	bool reached = false;

	f->is_probing = true;
	for (int i = 0; i < PROBES_MAX && !reached && !l->is_stopped; i++)
		reached = probe(l, f);
	f->is_probing = false;
	if (reached || l->is_stopped)
		return;
	load_error(l,
		"%d probes did not reach all %llu subscribers; does %s send "
		"what it gets on one connection to all others?",
		PROBES_MAX, (unsigned long long)l->options->conns,
		l->options->target.text);
	load_stop(l);
}

static void
fanout_open(struct load *l)
{
	uint64_t count = l->options->conns;
	const struct load_address *to = &l->options->target;
	struct fanout *f =
		load_alloc(l, sizeof(*f) + count * sizeof(f->subscribers[0]));

	l->state = f;
	for (uint64_t i = 0; i < count; i++) {
		struct load_conn *c = &f->subscribers[i].conn;

		c->watch.ready = subscriber_ready;
		load_conn_open(l, c, to, i);
		load_watch_add(l, &c->watch, EPOLLIN);
	}
	f->publisher.watch.ready = publisher_ready;
	load_conn_open(l, &f->publisher, to, count);
	f->publisher.offset = 0;
	load_watch_add(l, &f->publisher.watch,
		EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	probe_all(l, f);
}

const struct load_driver load_fanout_driver = {
	.open = fanout_open,
	.turn = fanout_turn,
	.has_latency = true,
};
