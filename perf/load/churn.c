/* SPDX-License-Identifier: MIT */
/*
 * churn - connect, one message and its answer, close
 *
 * At most --conns connections at a time; in an open loop, what is due beyond
 * that waits. Latency is from the begin of the connect, or from when it was
 * due, to the last byte of the answer. This side closes first and keeps the
 * TIME_WAIT, as clients do.
 *
 * A failed connection is counted and the run goes on; when nothing but
 * failures comes, it ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/load/drivers.h"
#include "perf/load/socket.h"
#include "perf/load/times.h"

enum {
	FAILURES_MAX = 100, /* in a row */
};

struct visit {
	struct load_watch watch;
	uint64_t due_ns;
	uint64_t offset;
	uint64_t sent;
	uint64_t received;
};

struct churn {
	uint64_t started; /* connections, since the start of the program */
	unsigned failures;
	struct load_times due; /* without a connection yet */
	uint64_t free_count;
	struct visit **free; /* nothing open */
	struct visit visits[];
};

static void
visit_fail(struct load *l, struct visit *v, const char *what, int error)
{
	struct churn *churn = l->state;

	load_error(l, "%s %s%s%s", what, l->options->target.text,
		error ? ": " : "", error ? strerror(error) : "");
	if (v->watch.fd >= 0)
		close(v->watch.fd);
	churn->free[churn->free_count++] = v;
	if (++churn->failures == FAILURES_MAX)
		load_stop(l);
	if (l->options->rate)
		load_tally_lose(&l->tally, &l->window, v->due_ns);
}

static void
visit_begin(struct load *l, struct visit *v, uint64_t due_ns)
{
	struct churn *churn = l->state;
	uint64_t index = churn->started++;

	v->due_ns = due_ns;
	v->offset = load_pattern_offset(&l->pattern, index);
	v->sent = 0;
	v->received = 0;
	v->watch.fd = load_socket_begin(
		l->options, &l->options->target, index % LOAD_SOURCES);
	if (v->watch.fd < 0)
		visit_fail(l, v, "cannot connect to", -v->watch.fd);
	else
		load_watch_add(l, &v->watch, EPOLLIN | EPOLLOUT | EPOLLET);
}

/* False when it failed, and is no more. */
static bool
visit_send(struct load *l, struct visit *v)
{
	while (v->sent < l->options->size) {
		uint64_t left = l->options->size - v->sent;
		size_t bytes =
			left < LOAD_CHUNK_BYTES ? left : LOAD_CHUNK_BYTES;
		ssize_t res = send(v->watch.fd,
			load_pattern_at(&l->pattern, v->offset + v->sent),
			bytes, MSG_NOSIGNAL);

		if (res < 0 && errno == EAGAIN)
			return true;
		if (res < 0) {
			visit_fail(l, v,
				v->sent ? "closed by the server"
					: "cannot connect to",
				errno);
			return false;
		}
		v->sent += (uint64_t)res;
	}
	return true;
}

/* False when it failed, and is no more. */
static bool
visit_receive(struct load *l, struct visit *v)
{
	while (v->received < l->options->size) {
		ssize_t res = recv(v->watch.fd, l->buf, LOAD_CHUNK_BYTES, 0);

		if (res < 0 && errno == EAGAIN)
			return true;
		if (res <= 0) {
			visit_fail(l, v, "closed by the server",
				res < 0 ? errno : 0);
			return false;
		}
		if ((uint64_t)res > v->sent - v->received ||
			!load_pattern_holds(&l->pattern,
				v->offset + v->received, l->buf, (size_t)res)) {
			visit_fail(l, v, "not what was sent came back from", 0);
			return false;
		}
		v->received += (uint64_t)res;
	}
	return true;
}

static void
visit_finish(struct load *l, struct visit *v)
{
	struct churn *churn = l->state;

	l->now_ns = load_now_ns();
	load_tally_finish(&l->tally, &l->window, v->due_ns, l->now_ns);
	close(v->watch.fd);
	churn->failures = 0;
	if (!l->options->rate)
		visit_begin(l, v, l->now_ns);
	else if (load_times_count(&churn->due))
		visit_begin(l, v, load_times_pop(&churn->due));
	else
		churn->free[churn->free_count++] = v;
}

static void
visit_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct visit *v = (struct visit *)w;
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (events & EPOLLERR && v->sent == 0) {
		getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
		visit_fail(l, v, "cannot connect to", error);
		return;
	}
	if (!visit_send(l, v))
		return;
	if (events & ~(uint32_t)EPOLLOUT && !visit_receive(l, v))
		return;
	if (v->received == l->options->size)
		visit_finish(l, v);
}

static void
churn_fire(struct load *l, void *arg, uint64_t due_ns)
{
	struct churn *churn = arg;

	load_wait_more(l, &l->tally);
	if (churn->free_count == 0) {
		load_times_push(&churn->due, due_ns);
		return;
	}
	load_late_add(l, due_ns);
	visit_begin(l, churn->free[--churn->free_count], due_ns);
}

/* Closed loop: nothing stays free, at the start and after a failure. */
static void
churn_turn(struct load *l)
{
	struct churn *churn = l->state;
	uint64_t count = l->options->rate ? load_times_count(&churn->due)
					  : churn->free_count;

	if (count > churn->free_count)
		count = churn->free_count;
	for (; count > 0 && !l->is_stopped; count--) {
		struct visit *v = churn->free[--churn->free_count];

		visit_begin(l, v,
			l->options->rate ? load_times_pop(&churn->due)
					 : l->now_ns);
	}
}

static void
churn_open(struct load *l)
{
	uint64_t count = l->options->conns;
	struct churn *churn = load_alloc(
		l, sizeof(*churn) + count * sizeof(churn->visits[0]));
	struct visit **free_visits =
		load_alloc(l, count * sizeof(struct visit *));

	l->state = churn;
	churn->free = free_visits;
	for (uint64_t i = 0; i < count; i++) {
		churn->visits[i].watch.ready = visit_ready;
		churn->free[churn->free_count++] = &churn->visits[i];
	}
	if (l->options->rate)
		load_pace_add(l, churn_fire, churn);
	/* A server that is not there is told before the run, once. */
	close(load_socket_connect(l->options, &l->options->target, 0));
}

const struct load_driver load_churn_driver = {
	.open = churn_open,
	.turn = churn_turn,
	.has_latency = true,
};
