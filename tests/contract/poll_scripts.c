/* SPDX-License-Identifier: MIT */
/* Readiness, which torc asks for when it only wants to hear of an end. */
#include <errno.h>
#include <poll.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define EVENTS BETWEEN(1, 0xffff)
#define EVENTS_MORE BETWEEN_WITH(1, 0xffff, F_MORE)

static void
bytes_that_are_there_are_told_at_once(struct contract *c)
{
	struct pair pair = open_pair(c);

	give(c, pair.far, "x", 1);
	settle(c);
	start_poll(c, 1, pair.near, POLLIN);
	require(c, expect(c, 1, EVENTS).res & POLLIN);
}

static void
a_poll_waits_for_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_poll(c, 1, pair.near, POLLIN);
	expect_nothing(c);
	give(c, pair.far, "x", 1);
	require(c, expect(c, 1, EVENTS).res & POLLIN);
	take_text(c, pair.near, "x");
}

static void
room_is_told_at_once(struct contract *c)
{
	start_poll(c, 1, open_pair(c).near, POLLOUT);
	require(c, expect(c, 1, EVENTS).res & POLLOUT);
}

static void
a_full_socket_has_no_room(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);

	fill(c, pair.near, 1);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
	expect(c, 1, RES(-ECANCELED), BETWEEN(1, 65536));
	start_poll(c, 3, pair.near, POLLOUT);
	settle(c);
	if (has_come(c, 3))
		expect(c, 3, EVENTS);
	else
		cancel_waiting(c, 3);
}

static void
a_waiting_poll_is_cancelled(struct contract *c)
{
	start_poll(c, 1, open_pair(c).near, POLLIN);
	push(c);
	cancel_waiting(c, 1);
}

static void
a_client_is_readiness_of_its_listener(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_poll(c, 1, listener, POLLIN);
	push(c);
	dial(c, &sa);
	require(c, expect(c, 1, EVENTS).res & POLLIN);
}

static void
a_rung_event_is_ready(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	start_poll(c, 1, fd, POLLIN);
	push(c);
	c->engine->event_ring_remote(&c->ring, fd);
	require(c, expect(c, 1, EVENTS).res & POLLIN);
	start_read(c, 2, fd, count, 8);
	expect(c, 2, RES(8));
}

static void
an_end_is_readiness(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_poll(c, 1, pair.near, POLLIN);
	push(c);
	drop(c, pair.far);
	require(c, expect(c, 1, EVENTS).res & (POLLIN | POLLHUP));
}

/* Whatever else poll 1 tells after this one, and its end. */
static void
end_polls(struct contract *c, struct torc_cqe cqe)
{
	settle(c);
	while (cqe.flags & F_MORE && has_come(c, 1))
		cqe = expect(c, 1, EVENTS, EVENTS_MORE);
	if (cqe.flags & F_MORE)
		cancel_waiting(c, 1);
}

/* What a stream that has ended waits for: no event is asked for. */
static void
a_reset_is_told_unasked(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct torc_cqe cqe;

	start_polls(c, 1, pair.near, 0);
	push(c);
	reset(c, pair.far);
	cqe = expect(c, 1, EVENTS, EVENTS_MORE);
	require(c, cqe.res & POLLERR);
	end_polls(c, cqe);
}

/* The end alone is no error; a reset that follows it is told. */
static void
a_reset_after_an_end_is_told_unasked(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct torc_cqe cqe = { .flags = F_MORE };

	give(c, pair.near, "unread by the peer", 18);
	half_close(c, pair.far);
	settle(c);
	start_recv(c, 9, pair.near, memory(c, 8), 8);
	expect(c, 9, RES(0));
	start_polls(c, 1, pair.near, 0);
	settle(c);
	while (has_come(c, 1)) {
		cqe = expect(c, 1, EVENTS, EVENTS_MORE);
		require(c, !(cqe.res & POLLERR));
		if (!(cqe.flags & F_MORE))
			start_polls(c, 1, pair.near, 0);
	}
	drop(c, pair.far);
	do
		cqe = expect(c, 1, EVENTS, EVENTS_MORE);
	while (!(cqe.res & POLLERR) && cqe.flags & F_MORE);
	require(c, cqe.res & POLLERR);
	end_polls(c, cqe);
}

static void
nothing_is_told_of_what_nobody_asked(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_polls(c, 1, pair.near, 0);
	push(c);
	give(c, pair.far, "x", 1);
	expect_nothing(c);
	cancel_waiting(c, 1);
}

static void
a_multishot_tells_each_time(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_polls(c, 1, pair.near, POLLIN);
	for (unsigned i = 0; i < 3; i++) {
		struct torc_cqe cqe;

		give(c, pair.far, "x", 1);
		cqe = expect(c, 1, EVENTS, EVENTS_MORE);
		require(c, cqe.res & POLLIN);
		take_text(c, pair.near, "x");
		if (!(cqe.flags & F_MORE))
			start_polls(c, 1, pair.near, POLLIN);
		settle(c);
		c->came_count = 0;
	}
	cancel_waiting(c, 1);
}

static void
a_waiting_multishot_is_cancelled(struct contract *c)
{
	start_polls(c, 1, open_pair(c).near, POLLIN);
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
}

static const struct contract_script scripts[] = {
	SCRIPT(bytes_that_are_there_are_told_at_once, "POLL_ADD"),
	SCRIPT(a_poll_waits_for_bytes, "POLL_ADD"),
	SCRIPT(room_is_told_at_once, "POLL_ADD"),
	SCRIPT(a_full_socket_has_no_room, "POLL_ADD"),
	SCRIPT(a_waiting_poll_is_cancelled, "H3"),
	SCRIPT(a_client_is_readiness_of_its_listener, "POLL_ADD"),
	SCRIPT(a_rung_event_is_ready, "POLL_ADD"),
	SCRIPT(an_end_is_readiness, "H18"),
	SCRIPT(a_reset_is_told_unasked, "H17 reset after the end"),
	SCRIPT(a_reset_after_an_end_is_told_unasked, "H17, H18"),
	SCRIPT(nothing_is_told_of_what_nobody_asked, "multishot poll"),
	SCRIPT(a_multishot_tells_each_time, "multishot poll"),
	SCRIPT(a_waiting_multishot_is_cancelled, "H3"),
};

CONTRACT_FAMILY(poll);
