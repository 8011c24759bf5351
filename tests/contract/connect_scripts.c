/* SPDX-License-Identifier: MIT */
/* Going out: a connect ends once, and says what became of it. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

/*
 * An address where nobody listens. It stays taken: one that was free could
 * be somebody's a moment later, the connecting socket's own not excepted.
 */
static struct sockaddr_in
nobody(struct contract *c)
{
	struct sockaddr_in sa;

	open_bound(c, SOCK_STREAM, &sa);
	return sa;
}

static void
a_listener_is_reached(struct contract *c)
{
	struct sockaddr_in sa;

	open_listener(c, &sa);
	start_connect(
		c, 1, open_socket(c, AF_INET, SOCK_STREAM), &sa, sizeof(sa));
	expect(c, 1, RES(0));
}

static void
nobody_there_refuses(struct contract *c)
{
	struct sockaddr_in sa = nobody(c);

	start_connect(
		c, 1, open_socket(c, AF_INET, SOCK_STREAM), &sa, sizeof(sa));
	expect(c, 1, RES(-ECONNREFUSED));
}

static void
refused_then_reached_by_another_socket(struct contract *c)
{
	struct sockaddr_in gone = nobody(c), sa;

	open_listener(c, &sa);
	start_connect(c, 1, open_socket(c, AF_INET, SOCK_STREAM), &gone,
		sizeof(gone));
	expect(c, 1, RES(-ECONNREFUSED));
	dial(c, &sa);
}

/* The kernel answers for the listener. */
static void
nobody_has_to_accept_first(struct contract *c)
{
	struct sockaddr_in sa;
	int near;

	open_listener(c, &sa);
	near = dial(c, &sa);
	give(c, near, "early", 5);
}

static void
bytes_sent_before_the_accept_arrive(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	int near = dial(c, &sa);

	give(c, near, "early", 5);
	start_accept(c, 1, listener);
	take_text(c, own(c, expect(c, 1, BETWEEN(0, INT32_MAX)).res), "early");
}

static void
a_connection_cannot_connect_again(struct contract *c)
{
	struct sockaddr_in sa;
	int near;

	open_listener(c, &sa);
	near = dial(c, &sa);
	start_connect(c, 1, near, &sa, sizeof(sa));
	expect(c, 1, RES(-EISCONN));
}

static void
many_connect_at_once(struct contract *c)
{
	struct sockaddr_in sa;

	open_listener(c, &sa);
	for (uint64_t id = 1; id <= 40; id++)
		start_connect(c, id, open_socket(c, AF_INET, SOCK_STREAM), &sa,
			sizeof(sa));
	for (uint64_t id = 1; id <= 40; id++)
		expect(c, id, RES(0));
}

static void
a_connected_socket_knows_its_peer(struct contract *c)
{
	struct sockaddr_in sa, peer = { 0 };
	socklen_t len = sizeof(peer);
	int near;

	open_listener(c, &sa);
	near = dial(c, &sa);
	require(c, c->engine->getpeername(&c->ring, near,
			   (struct sockaddr *)&peer, &len) == 0);
	require(c, len == sizeof(peer));
	require(c, peer.sin_family == AF_INET);
	require(c, peer.sin_port == sa.sin_port);
	require(c, peer.sin_addr.s_addr == sa.sin_addr.s_addr);
}

static void
a_local_port_is_chosen(struct contract *c)
{
	struct sockaddr_in sa, self = { 0 };
	socklen_t len = sizeof(self);
	int near;

	open_listener(c, &sa);
	near = dial(c, &sa);
	require(c, c->engine->getsockname(&c->ring, near,
			   (struct sockaddr *)&self, &len) == 0);
	require(c, self.sin_port != 0 && self.sin_port != sa.sin_port);
}

/*
 * A listener with a full backlog answers nobody. Loopback may still let the
 * connect through, then there is nothing to cancel.
 */
static void
a_connect_that_nobody_answers_is_cancelled(struct contract *c)
{
	struct sockaddr_in sa;
	struct torc_cqe cqe;

	open_listener_with(c, &sa, 0);
	for (uint64_t id = 1; id <= 3; id++)
		start_connect(c, id, open_socket(c, AF_INET, SOCK_STREAM), &sa,
			sizeof(sa));
	settle(c);
	for (uint64_t id = 1; id <= 3; id++) {
		start_cancel(c, 100 + id, id);
		cqe = expect(c, 100 + id, RES(0), RES(-ENOENT), RES(-EALREADY));
		if (cqe.res == 0)
			expect(c, id, RES(-ECANCELED));
		else
			expect(c, id, RES(0), RES(-ECANCELED),
				RES(-ECONNREFUSED));
	}
}

static void
the_address_is_read_when_it_is_submitted(struct contract *c)
{
	struct sockaddr_in *sa = memory(c, sizeof(*sa));

	open_listener(c, sa);
	start_connect(
		c, 1, open_socket(c, AF_INET, SOCK_STREAM), sa, sizeof(*sa));
	push(c);
	memset(sa, 0xff, sizeof(*sa));
	expect(c, 1, RES(0));
}

static void
half_an_address_is_refused(struct contract *c)
{
	struct sockaddr_in sa;

	open_listener(c, &sa);
	start_connect(c, 1, open_socket(c, AF_INET, SOCK_STREAM), &sa, 4);
	expect(c, 1, RES(-EINVAL));
}

static void
an_address_of_another_family_is_refused(struct contract *c)
{
	struct sockaddr_in sa;

	open_listener(c, &sa);
	sa.sin_family = 77;
	start_connect(
		c, 1, open_socket(c, AF_INET, SOCK_STREAM), &sa, sizeof(sa));
	expect(c, 1, RES(-EAFNOSUPPORT), RES(-EINVAL));
}

static void
a_listener_does_not_connect(struct contract *c)
{
	struct sockaddr_in sa, other;
	int listener = open_listener(c, &sa);

	open_listener(c, &other);
	start_connect(c, 1, listener, &other, sizeof(other));
	expect(c, 1, RES(-EISCONN), RES(-EINVAL));
}

static void
a_new_socket_does_not_receive(struct contract *c)
{
	start_recv(c, 1, open_socket(c, AF_INET, SOCK_STREAM), memory(c, 8), 8);
	expect(c, 1, RES(-ENOTCONN));
}

static void
a_new_socket_does_not_send(struct contract *c)
{
	start_send(c, 1, open_socket(c, AF_INET, SOCK_STREAM), "x", 1);
	expect(c, 1, RES(-EPIPE), RES(-ENOTCONN));
}

static void
a_new_socket_has_no_peer(struct contract *c)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	int fd = open_socket(c, AF_INET, SOCK_STREAM);

	require(c, c->engine->getpeername(&c->ring, fd, (struct sockaddr *)&sa,
			   &len) == -ENOTCONN);
}

/* What was refused is told by the completion, and not a second time. */
static void
a_refusal_is_told_once(struct contract *c)
{
	struct sockaddr_in sa = nobody(c);
	int fd = open_socket(c, AF_INET, SOCK_STREAM), error = -1;
	socklen_t len = sizeof(error);

	start_connect(c, 1, fd, &sa, sizeof(sa));
	expect(c, 1, RES(-ECONNREFUSED));
	require(c, c->engine->getsockopt(&c->ring, fd, SOL_SOCKET, SO_ERROR,
			   &error, &len) == 0);
	require(c, error == 0);
}

static const struct contract_script scripts[] = {
	SCRIPT(a_listener_is_reached, "CONNECT"),
	SCRIPT(nobody_there_refuses, "CONNECT"),
	SCRIPT(refused_then_reached_by_another_socket, "CONNECT"),
	SCRIPT(nobody_has_to_accept_first, "CONNECT"),
	SCRIPT(bytes_sent_before_the_accept_arrive, "CONNECT"),
	SCRIPT(a_connection_cannot_connect_again, "CONNECT"),
	SCRIPT(many_connect_at_once, "CONNECT"),
	SCRIPT(a_connected_socket_knows_its_peer, "names"),
	SCRIPT(a_local_port_is_chosen, "names"),
	SCRIPT(a_connect_that_nobody_answers_is_cancelled, "H3"),
	SCRIPT(the_address_is_read_when_it_is_submitted, "H1"),
	SCRIPT(half_an_address_is_refused, "CONNECT", .only = CONTRACT_REAL),
	SCRIPT(an_address_of_another_family_is_refused, "CONNECT"),
	SCRIPT(a_listener_does_not_connect, "CONNECT", .only = CONTRACT_REAL),
	SCRIPT(a_new_socket_does_not_receive, "RECV"),
	SCRIPT(a_new_socket_does_not_send, "SEND"),
	SCRIPT(a_new_socket_has_no_peer, "names"),
	SCRIPT(a_refusal_is_told_once, "H17 errors are told once"),
};

CONTRACT_FAMILY(connect);
