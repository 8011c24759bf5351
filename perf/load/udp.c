/* SPDX-License-Identifier: MIT */
/*
 * udp - datagrams that must come back
 *
 * Each carries its number, and after it the pattern from where that number
 * begins: one that was changed, or went to the wrong socket, shows. One that
 * is not back in 100 ms is lost, and ignored if it returns after that.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "perf/load/drivers.h"
#include "perf/load/socket.h"
#include "perf/load/times.h"

enum {
	LOST_NS = 100000000,
	LOOK_NS = 5000000, /* between two looks for what is lost */
	NUMBER_BYTES = sizeof(uint64_t),
};

/* In `due` for those that are back or lost, but not the oldest. */
#define ENDED 0

struct udp_conn {
	struct load_watch watch;
	uint64_t index;
	uint64_t open;         /* datagrams that have not ended */
	struct load_times due; /* by number */
	struct load_times sent;
};

struct udp {
	uint64_t next; /* socket, in an open loop */
	uint64_t look_ns;
	uint64_t count;
	struct udp_conn conns[];
};

static void
udp_fail(struct load *l, const char *what)
{
	load_error(l, "server %s: %s", l->options->target.text, what);
	load_stop(l);
}

static const char *
udp_content(const struct load *l, const struct udp_conn *c, uint64_t number)
{
	uint64_t offset = load_pattern_offset(&l->pattern, c->index + number);

	return load_pattern_at(&l->pattern, offset);
}

/* Send what is due, as far as the kernel takes it. */
static void
udp_send(struct load *l, struct udp_conn *c)
{
	while (c->sent.next < c->due.next) {
		uint64_t number = c->sent.next;
		const char *content = udp_content(l, c, number);
		struct iovec iov[] = {
			{ &number, NUMBER_BYTES },
			{ (void *)(uintptr_t)content,
				l->options->size - NUMBER_BYTES },
		};
		struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

		if (sendmsg(c->watch.fd, &message, 0) < 0) {
			if (errno != EAGAIN)
				udp_fail(l, strerror(errno));
			return;
		}
		load_times_push(&c->sent, l->now_ns);
	}
}

/* Datagram `number` is back or lost: forget the oldest that have ended. */
static void
udp_end(struct udp_conn *c, uint64_t number)
{
	*load_times_at(&c->due, number) = ENDED;
	c->open--;
	while (c->due.first < c->sent.next &&
		*load_times_at(&c->due, c->due.first) == ENDED) {
		load_times_pop(&c->due);
		load_times_pop(&c->sent);
	}
}

/* What is in l->buf is a datagram of ours that is back for the first time. */
static void
udp_take(struct load *l, struct udp_conn *c, size_t bytes)
{
	uint64_t number, due_ns;

	memcpy(&number, l->buf, sizeof(number));
	if (bytes != l->options->size || number >= c->sent.next ||
		memcmp(l->buf + NUMBER_BYTES, udp_content(l, c, number),
			bytes - NUMBER_BYTES) != 0) {
		udp_fail(l, "what came back is not what was sent");
		return;
	}
	if (number < c->due.first)
		return;
	due_ns = *load_times_at(&c->due, number);
	if (due_ns == ENDED)
		return;
	l->now_ns = load_now_ns();
	load_tally_finish(&l->tally, &l->window, due_ns, l->now_ns);
	udp_end(c, number);
}

static void
udp_receive(struct load *l, struct udp_conn *c)
{
	ssize_t res = 0;

	while (res >= 0 && !l->is_stopped) {
		res = recv(c->watch.fd, l->buf, LOAD_CHUNK_BYTES, 0);
		if (res >= 0)
			udp_take(l, c, (size_t)res);
	}
	if (res < 0 && errno != EAGAIN)
		udp_fail(l, strerror(errno));
}

static void
udp_start(struct load *l, struct udp_conn *c)
{
	while (!l->options->rate && c->open < l->options->pipeline) {
		load_times_push(&c->due, l->now_ns);
		c->open++;
	}
	udp_send(l, c);
}

static void
udp_ready(struct load *l, struct load_watch *w, uint32_t events)
{
	struct udp_conn *c = (struct udp_conn *)w;

	l->now_ns = load_now_ns();
	if (events & ~(uint32_t)EPOLLOUT)
		udp_receive(l, c);
	if (!l->is_stopped)
		udp_start(l, c);
}

static void
udp_fire(struct load *l, void *arg, uint64_t due_ns)
{
	struct udp *u = arg;
	struct udp_conn *c = &u->conns[u->next];

	u->next = u->next + 1 < u->count ? u->next + 1 : 0;
	if (c->sent.next == c->due.next)
		load_late_add(l, due_ns);
	load_wait_more(l, &l->tally);
	load_times_push(&c->due, due_ns);
	c->open++;
	udp_send(l, c);
}

static void
udp_lose(struct load *l, struct udp_conn *c)
{
	while (c->due.first < c->sent.next) {
		uint64_t number = c->due.first;

		if (*load_times_at(&c->sent, number) + LOST_NS > l->now_ns)
			break;
		load_tally_lose(
			&l->tally, &l->window, *load_times_at(&c->due, number));
		udp_end(c, number);
	}
	udp_start(l, c);
}

static void
udp_turn(struct load *l)
{
	struct udp *u = l->state;

	if (l->now_ns < u->look_ns)
		return;
	u->look_ns = l->now_ns + LOOK_NS;
	for (uint64_t i = 0; i < u->count; i++)
		udp_lose(l, &u->conns[i]);
}

static void
udp_open(struct load *l)
{
	uint64_t count = l->options->conns;
	struct udp *u = load_alloc(l, sizeof(*u) + count * sizeof(u->conns[0]));

	l->state = u;
	u->count = count;
	for (uint64_t i = 0; i < count; i++) {
		u->conns[i].index = i;
		u->conns[i].watch.fd = load_socket_udp(&l->options->target);
		u->conns[i].watch.ready = udp_ready;
		load_watch_add(
			l, &u->conns[i].watch, EPOLLIN | EPOLLOUT | EPOLLET);
	}
	if (l->options->rate)
		load_pace_add(l, udp_fire, u);
}

const struct load_driver load_udp_driver = {
	.open = udp_open,
	.turn = udp_turn,
	.has_latency = true,
};
