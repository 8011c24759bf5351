/* SPDX-License-Identifier: MIT */
/* Ends: half of a connection, a clean end, a reset, a number used again. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

/* Close through the ring; the harness then has nothing left to close. */
static void
close_by_op(struct contract *c, int fd)
{
	int again = c->engine->dup(&c->ring, fd);

	require(c, again >= 0);
	drop(c, fd);
	start_close(c, 900, again);
	expect(c, 900, RES(0));
}

static void
a_close_is_done_once(struct contract *c)
{
	int fd = c->engine->dup(&c->ring, open_pair(c).near);

	require(c, fd >= 0);
	start_close(c, 1, fd);
	expect(c, 1, RES(0));
	start_close(c, 2, fd);
	expect(c, 2, RES(-EBADF));
}

static void
a_closed_number_is_bad(struct contract *c)
{
	int fd = c->engine->dup(&c->ring, open_pair(c).near);

	require(c, fd >= 0);
	start_close(c, 1, fd);
	expect(c, 1, RES(0));
	start_recv(c, 2, fd, memory(c, 8), 8);
	expect(c, 2, RES(-EBADF));
}

static void
a_close_by_op_ends_the_peer(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.far, memory(c, 8), 8);
	push(c);
	close_by_op(c, pair.near);
	expect(c, 1, RES(0));
}

static void
what_was_sent_before_a_close_arrives(struct contract *c)
{
	enum { BYTES = 100000 };
	struct pair pair = open_pair(c);
	uint8_t *out = memory(c, BYTES), *in = memory(c, BYTES);

	for (size_t i = 0; i < BYTES; i++)
		out[i] = stream_byte(i);
	give(c, pair.near, out, BYTES);
	drop(c, pair.near);
	take(c, pair.far, in, BYTES);
	require(c, memcmp(in, out, BYTES) == 0);
	start_recv(c, 1, pair.far, in, 1);
	expect(c, 1, RES(0));
}

/* Whoever sent them learns that they were not read. */
static void
a_close_with_unread_bytes_resets_the_peer(struct contract *c)
{
	struct pair pair = open_pair(c);

	give(c, pair.far, "unread", 6);
	settle(c);
	drop(c, pair.near);
	settle(c);
	start_recv(c, 1, pair.far, memory(c, 8), 8);
	expect(c, 1, RES(-ECONNRESET));
}

static void
a_linger_of_nothing_resets_the_peer(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.far, memory(c, 8), 8);
	push(c);
	reset(c, pair.near);
	expect(c, 1, RES(-ECONNRESET));
}

static void
a_reset_drops_what_the_peer_has_not_got(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);
	size_t sent = fill(c, pair.near, 1), got = 0;
	uint8_t *data = memory(c, 65536);
	struct torc_cqe cqe;

	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
	expect(c, 1, RES(-ECANCELED), BETWEEN(1, 65536));
	reset(c, pair.near);
	settle(c);
	for (uint64_t id = 10;; id++) {
		start_recv(c, id, pair.far, data, 65536);
		cqe = expect(c, id, BETWEEN(1, 65536), RES(-ECONNRESET));
		if (cqe.res < 0)
			break;
		got += (size_t)cqe.res;
	}
	require(c, got <= sent + 65536);
}

static void
what_never_was_connected_is_not_shut_down(struct contract *c)
{
	int fd = open_socket(c, AF_INET, SOCK_STREAM);

	require(c, c->engine->shutdown(&c->ring, fd, SHUT_WR) == -ENOTCONN);
}

static void
after_a_reset_there_is_nothing_to_shut_down(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	reset(c, pair.far);
	expect(c, 1, RES(-ECONNRESET));
	require(c,
		c->engine->shutdown(&c->ring, pair.near, SHUT_WR) == -ENOTCONN);
}

static void
a_way_to_shut_down_must_exist(struct contract *c)
{
	struct pair pair = open_pair(c);

	require(c, c->engine->shutdown(&c->ring, pair.near, 77) == -EINVAL);
}

/* The op keeps what it was started on. */
static void
a_close_leaves_its_receive_in_flight(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	drop(c, pair.near);
	settle(c);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect(c, 1, RES(-ECANCELED), RES(-EBADF), RES(0));
}

static void
a_shutdown_and_then_a_close_end_everything(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_recv(c, 2, pair.far, memory(c, 8), 8);
	push(c);
	require(c, c->engine->shutdown(&c->ring, pair.near, SHUT_RDWR) == 0);
	expect(c, 1, RES(0));
	expect(c, 2, RES(0));
	close_by_op(c, pair.near);
}

/* A new socket has the number of an old one, and nothing else of it. */
static void
a_number_that_is_used_again_starts_afresh(struct contract *c)
{
	struct pair old = open_pair(c);
	struct pair fresh;
	char *data = memory(c, 8);

	start_recv(c, 1, old.near, data, 8);
	push(c);
	cancel_waiting(c, 1);
	drop(c, old.near);
	fresh = open_pair(c);
	start_recv(c, 2, fresh.near, data, 8);
	push(c);
	drop(c, old.far);
	expect_nothing(c);
	give(c, fresh.far, "fresh", 5);
	expect(c, 2, RES(5));
	require(c, memcmp(data, "fresh", 5) == 0);
}

static void
numbers_are_used_again_a_hundred_times(struct contract *c)
{
	for (unsigned i = 0; i < 100; i++) {
		struct pair pair = open_pair(c);

		start_recv(c, 1, pair.near, memory(c, 8), 8);
		push(c);
		if (i % 2 == 0)
			cancel_waiting(c, 1);
		drop(c, pair.far);
		if (i % 2 != 0)
			expect(c, 1, RES(0));
		drop(c, pair.near);
	}
	expect_nothing(c);
}

static void
another_descriptor_keeps_the_connection(struct contract *c)
{
	struct pair pair = open_pair(c);
	int other = own(c, c->engine->dup(&c->ring, pair.near));

	start_recv(c, 1, pair.far, memory(c, 8), 8);
	push(c);
	drop(c, pair.near);
	expect_nothing(c);
	give(c, other, "alive", 5);
	expect(c, 1, RES(5));
	start_recv(c, 2, pair.far, memory(c, 8), 8);
	push(c);
	drop(c, other);
	expect(c, 2, RES(0));
}

static void
a_shutdown_reaches_every_descriptor(struct contract *c)
{
	struct pair pair = open_pair(c);
	int other = own(c, c->engine->dup(&c->ring, pair.near));

	require(c, other != pair.near);
	start_recv(c, 1, pair.far, memory(c, 8), 8);
	push(c);
	half_close(c, other);
	expect(c, 1, RES(0));
}

static void
many_close_at_once(struct contract *c)
{
	struct pair pairs[30];

	for (unsigned i = 0; i < 30; i++) {
		pairs[i] = open_pair(c);
		start_recv(c, i, pairs[i].far, memory(c, 8), 8);
	}
	push(c);
	for (unsigned i = 0; i < 30; i++)
		drop(c, pairs[i].near);
	for (unsigned i = 0; i < 30; i++)
		expect(c, i, RES(0));
}

static const struct contract_script scripts[] = {
	SCRIPT(a_close_is_done_once, "CLOSE"),
	SCRIPT(a_closed_number_is_bad, "CLOSE"),
	SCRIPT(a_close_by_op_ends_the_peer, "CLOSE"),
	SCRIPT(what_was_sent_before_a_close_arrives, "H18"),
	SCRIPT(a_close_with_unread_bytes_resets_the_peer, "H18"),
	SCRIPT(a_linger_of_nothing_resets_the_peer, "H17 linger"),
	SCRIPT(a_reset_drops_what_the_peer_has_not_got, "H17 linger"),
	SCRIPT(what_never_was_connected_is_not_shut_down, "H18"),
	SCRIPT(after_a_reset_there_is_nothing_to_shut_down, "H17"),
	SCRIPT(a_way_to_shut_down_must_exist, "H18", .only = CONTRACT_REAL),
	SCRIPT(a_close_leaves_its_receive_in_flight, "H7"),
	SCRIPT(a_shutdown_and_then_a_close_end_everything, "H7"),
	SCRIPT(a_number_that_is_used_again_starts_afresh, "H7, H8"),
	SCRIPT(numbers_are_used_again_a_hundred_times, "H7, H8"),
	SCRIPT(another_descriptor_keeps_the_connection, "dup"),
	SCRIPT(a_shutdown_reaches_every_descriptor, "dup"),
	SCRIPT(many_close_at_once, "CLOSE"),
};

CONTRACT_FAMILY(close);
