/* SPDX-License-Identifier: MIT */
/* Listeners: each client is accepted once, and none gets lost on the way. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define ANY_FD BETWEEN(0, INT32_MAX)
#define ANY_FD_MORE BETWEEN_WITH(0, INT32_MAX, F_MORE)

static void
a_client_that_waits_is_accepted(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	dial(c, &sa);
	start_accept(c, 1, listener);
	own(c, expect(c, 1, ANY_FD).res);
}

static void
an_accept_waits_for_a_client(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accept(c, 1, listener);
	expect_nothing(c);
	dial(c, &sa);
	own(c, expect(c, 1, ANY_FD).res);
}

static void
what_was_accepted_is_the_client(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	int near = dial(c, &sa), far;

	start_accept(c, 1, listener);
	far = own(c, expect(c, 1, ANY_FD).res);
	give(c, near, "there", 5);
	take_text(c, far, "there");
	give(c, far, "back", 4);
	take_text(c, near, "back");
}

static void
one_accept_takes_one_client(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accept(c, 1, listener);
	dial(c, &sa);
	dial(c, &sa);
	own(c, expect(c, 1, ANY_FD).res);
	expect_nothing(c);
	start_accept(c, 2, listener);
	own(c, expect(c, 2, ANY_FD).res);
}

static void
two_accepts_take_a_client_each(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accept(c, 1, listener);
	start_accept(c, 2, listener);
	push(c);
	dial(c, &sa);
	dial(c, &sa);
	own(c, expect(c, 1, ANY_FD).res);
	own(c, expect(c, 2, ANY_FD).res);
}

/* The next client of a multishot, which may have ended: armed again then. */
static int
next_client(struct contract *c, uint64_t id, int listener)
{
	struct torc_cqe cqe = expect(c, id, ANY_FD_MORE, ANY_FD);

	if (!(cqe.flags & F_MORE))
		start_accepts(c, id, listener);
	return own(c, cqe.res);
}

static void
a_multishot_takes_one_after_the_other(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accepts(c, 1, listener);
	for (unsigned i = 0; i < 3; i++) {
		dial(c, &sa);
		own(c, expect(c, 1, ANY_FD_MORE).res);
	}
	cancel_waiting(c, 1);
}

static void
a_multishot_takes_those_who_wait_already(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	for (unsigned i = 0; i < 5; i++)
		dial(c, &sa);
	start_accepts(c, 1, listener);
	for (unsigned i = 0; i < 5; i++)
		next_client(c, 1, listener);
	expect_nothing(c);
	cancel_waiting(c, 1);
}

static void
many_clients_are_all_different(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	int fds[100];

	start_accepts(c, 1, listener);
	for (unsigned i = 0; i < 100; i++)
		dial(c, &sa);
	for (unsigned i = 0; i < 100; i++) {
		fds[i] = next_client(c, 1, listener);
		for (unsigned k = 0; k < i; k++)
			require(c, fds[i] != fds[k]);
	}
	cancel_waiting(c, 1);
}

static void
a_waiting_accept_is_cancelled(struct contract *c)
{
	struct sockaddr_in sa;

	start_accept(c, 1, open_listener(c, &sa));
	push(c);
	cancel_waiting(c, 1);
}

static void
a_waiting_multishot_is_cancelled(struct contract *c)
{
	struct sockaddr_in sa;

	start_accepts(c, 1, open_listener(c, &sa));
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
}

static void
a_cancelled_accept_takes_nobody(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accepts(c, 1, listener);
	push(c);
	cancel_waiting(c, 1);
	dial(c, &sa);
	expect_nothing(c);
	start_accept(c, 2, listener);
	own(c, expect(c, 2, ANY_FD).res);
}

/* A late success is a client, whatever the cancel says. */
static void
a_cancel_may_come_too_late(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	struct torc_cqe cqe;

	start_accept(c, 1, listener);
	dial(c, &sa);
	start_cancel(c, 2, 1);
	cqe = expect(c, 1, ANY_FD, RES(-ECANCELED));
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	if (cqe.res >= 0) {
		own(c, cqe.res);
		return;
	}
	start_accept(c, 3, listener);
	own(c, expect(c, 3, ANY_FD).res);
}

static void
a_full_cq_ends_a_multishot_and_keeps_its_clients(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	bool is_armed = true;

	for (unsigned i = 0; i < 6; i++)
		dial(c, &sa);
	for (uint64_t id = 100; id < 116; id++)
		start_nop(c, id);
	require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	require(c, torc__ring_cq_count(&c->ring) == 16);
	start_accepts(c, 1, listener);
	for (unsigned i = 0; i < 3; i++)
		require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	for (uint64_t id = 100; id < 116; id++)
		expect(c, id, RES(0));
	for (unsigned i = 0; i < 6; i++) {
		struct torc_cqe cqe = expect(c, 1, ANY_FD, ANY_FD_MORE);

		own(c, cqe.res);
		is_armed = cqe.flags & F_MORE;
		if (!is_armed && i < 5)
			start_accepts(c, 1, listener);
	}
	if (is_armed)
		cancel_waiting(c, 1);
}

static void
a_client_that_reset_is_accepted_or_passed_over(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	struct torc_cqe cqe;

	reset(c, dial(c, &sa));
	settle(c);
	start_accept(c, 1, listener);
	if (!came_within(c, 1, 5000000)) {
		cancel_waiting(c, 1);
		return;
	}
	cqe = expect(c, 1, ANY_FD, RES(-ECONNABORTED));
	if (cqe.res < 0)
		return;
	start_recv(c, 2, own(c, cqe.res), memory(c, 8), 8);
	expect(c, 2, RES(-ECONNRESET));
}

/* Of a listener nobody holds any more, the number says nothing. */
static void
closing_the_number_does_not_lose_the_accept(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accepts(c, 1, listener);
	push(c);
	drop(c, listener);
	settle(c);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect(c, 1, RES(-ECANCELED), RES(-EBADF), RES(-EINVAL));
}

static void
a_shutdown_ends_an_accept(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);

	start_accepts(c, 1, listener);
	push(c);
	require(c, c->engine->shutdown(&c->ring, listener, SHUT_RDWR) == 0);
	expect(c, 1, RES(-EINVAL));
}

static void
a_socket_that_does_not_listen_accepts_nobody(struct contract *c)
{
	start_accept(c, 1, open_socket(c, AF_INET, SOCK_STREAM));
	expect(c, 1, RES(-EINVAL));
}

static void
a_connection_accepts_nobody(struct contract *c)
{
	start_accepts(c, 1, open_pair(c).near);
	expect(c, 1, RES(-EINVAL));
}

static void
two_listeners_take_their_own(struct contract *c)
{
	struct sockaddr_in first, second;
	int one = open_listener(c, &first), two = open_listener(c, &second);
	int near, far;

	start_accepts(c, 1, one);
	start_accepts(c, 2, two);
	near = dial(c, &second);
	far = own(c, expect(c, 2, ANY_FD_MORE).res);
	give(c, near, "second", 6);
	take_text(c, far, "second");
	cancel_waiting(c, 1);
	cancel_waiting(c, 2);
}

static void
an_accepted_socket_knows_both_names(struct contract *c)
{
	struct sockaddr_in sa, peer, self;
	socklen_t len = sizeof(peer);
	int listener = open_listener(c, &sa);
	int near = dial(c, &sa), far;

	start_accept(c, 1, listener);
	far = own(c, expect(c, 1, ANY_FD).res);
	require(c, c->engine->getpeername(
			   &c->ring, far, (struct sockaddr *)&peer, &len) == 0);
	len = sizeof(self);
	require(c, c->engine->getsockname(&c->ring, near,
			   (struct sockaddr *)&self, &len) == 0);
	require(c, peer.sin_port == self.sin_port);
	require(c, peer.sin_addr.s_addr == self.sin_addr.s_addr);
	len = sizeof(self);
	require(c, c->engine->getsockname(
			   &c->ring, far, (struct sockaddr *)&self, &len) == 0);
	require(c, self.sin_port == sa.sin_port);
}

static void
what_is_accepted_is_closed_on_exec(struct contract *c)
{
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	int far;

	dial(c, &sa);
	start_accepts(c, 1, listener);
	far = own(c, expect(c, 1, ANY_FD_MORE).res);
	require(c, fcntl(far, F_GETFD) & FD_CLOEXEC);
	cancel_waiting(c, 1);
}

/* The lowest number that is free is the limit: none can be had. */
static void
without_a_descriptor_clients_keep_waiting(struct contract *c)
{
	struct rlimit old, none;
	struct sockaddr_in sa;
	int listener = open_listener(c, &sa);
	int lowest, ret;

	dial(c, &sa);
	require(c, getrlimit(RLIMIT_NOFILE, &old) == 0);
	lowest = fcntl(listener, F_DUPFD_CLOEXEC, 0);
	require(c, lowest >= 0);
	close(lowest);
	none = (struct rlimit){ (rlim_t)lowest, old.rlim_max };
	require(c, setrlimit(RLIMIT_NOFILE, &none) == 0);
	start_accepts(c, 1, listener);
	ret = came_within(c, 1, 1000000000);
	setrlimit(RLIMIT_NOFILE, &old);

	require(c, ret);
	expect(c, 1, RES(-EMFILE));
	start_accept(c, 2, listener);
	own(c, expect(c, 2, ANY_FD).res);
}

static const struct contract_script scripts[] = {
	SCRIPT(a_client_that_waits_is_accepted, "ACCEPT"),
	SCRIPT(an_accept_waits_for_a_client, "ACCEPT"),
	SCRIPT(what_was_accepted_is_the_client, "ACCEPT"),
	SCRIPT(one_accept_takes_one_client, "H2 no F_MORE"),
	SCRIPT(two_accepts_take_a_client_each, "H19 any order"),
	SCRIPT(a_multishot_takes_one_after_the_other, "multishot accept"),
	SCRIPT(a_multishot_takes_those_who_wait_already, "multishot accept"),
	SCRIPT(many_clients_are_all_different, "H29 many at once",
		.cq_entries = 256),
	SCRIPT(a_waiting_accept_is_cancelled, "H3"),
	SCRIPT(a_waiting_multishot_is_cancelled, "H3"),
	SCRIPT(a_cancelled_accept_takes_nobody, "H3"),
	SCRIPT(a_cancel_may_come_too_late, "H3 late success"),
	SCRIPT(a_full_cq_ends_a_multishot_and_keeps_its_clients, "H10, H20",
		.cq_entries = 16),
	SCRIPT(a_client_that_reset_is_accepted_or_passed_over, "H17"),
	SCRIPT(closing_the_number_does_not_lose_the_accept, "H7"),
	SCRIPT(a_shutdown_ends_an_accept, "multishot accept"),
	SCRIPT(a_socket_that_does_not_listen_accepts_nobody, "ACCEPT"),
	SCRIPT(a_connection_accepts_nobody, "multishot accept"),
	SCRIPT(two_listeners_take_their_own, "multishot accept"),
	SCRIPT(an_accepted_socket_knows_both_names, "names"),
	SCRIPT(what_is_accepted_is_closed_on_exec, "H23",
		.only = CONTRACT_REAL),
	SCRIPT(without_a_descriptor_clients_keep_waiting, "H30 EMFILE",
		.only = CONTRACT_REAL),
};

CONTRACT_FAMILY(accept);
