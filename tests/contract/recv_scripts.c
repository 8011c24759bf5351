/* SPDX-License-Identifier: MIT */
/* One receive into memory of the caller's. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
bytes_that_are_there_come_at_once(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 16);

	give(c, pair.far, "hello", 5);
	start_recv(c, 1, pair.near, data, 5);
	expect(c, 1, RES(5));
	require(c, memcmp(data, "hello", 6) == 0);
}

static void
a_receive_waits_for_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 16);

	start_recv(c, 1, pair.near, data, 16);
	expect_nothing(c);
	give(c, pair.far, "hello", 5);
	expect(c, 1, RES(5));
	require(c, memcmp(data, "hello", 6) == 0);
}

static void
what_is_there_is_enough(struct contract *c)
{
	struct pair pair = open_pair(c);

	give(c, pair.far, "abc", 3);
	settle(c);
	start_recv(c, 1, pair.near, memory(c, 100), 100);
	expect(c, 1, RES(3));
	expect_nothing(c);
}

static void
what_does_not_fit_stays(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 16);

	give(c, pair.far, "onetwo", 6);
	settle(c);
	start_recv(c, 1, pair.near, data, 3);
	expect(c, 1, RES(3));
	require(c, memcmp(data, "one", 4) == 0);
	take_text(c, pair.near, "two");
}

static void
a_reset_ends_a_waiting_receive(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	reset(c, pair.far);
	expect(c, 1, RES(-ECONNRESET));
}

static void
a_reset_that_came_before_is_told(struct contract *c)
{
	struct pair pair = open_pair(c);

	reset(c, pair.far);
	settle(c);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	expect(c, 1, RES(-ECONNRESET));
}

/* From then on it looks like a clean end, which it was not. */
static void
a_reset_is_told_once(struct contract *c)
{
	struct pair pair = open_pair(c);

	reset(c, pair.far);
	settle(c);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	expect(c, 1, RES(-ECONNRESET));
	start_recv(c, 2, pair.near, memory(c, 8), 8);
	expect(c, 2, RES(0), RES(-ECONNRESET));
}

/* Bytes that came before a reset may be had, or be gone with it. */
static void
bytes_before_a_reset_come_or_are_lost(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 16);
	struct torc_cqe cqe;

	give(c, pair.far, "lost", 4);
	settle(c);
	reset(c, pair.far);
	settle(c);
	start_recv(c, 1, pair.near, data, 16);
	cqe = expect(c, 1, RES(4), RES(-ECONNRESET));
	if (cqe.res < 0)
		return;
	require(c, memcmp(data, "lost", 4) == 0);
	start_recv(c, 2, pair.near, data, 16);
	expect(c, 2, RES(-ECONNRESET));
}

static void
a_waiting_receive_is_cancelled(struct contract *c)
{
	start_recv(c, 1, open_pair(c).near, memory(c, 8), 8);
	push(c);
	cancel_waiting(c, 1);
}

static void
a_cancelled_receive_takes_no_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 16);

	start_recv(c, 1, pair.near, data, 16);
	push(c);
	cancel_waiting(c, 1);
	give(c, pair.far, "later", 5);
	settle(c);
	require(c, data[0] == 0);
	take_text(c, pair.near, "later");
}

static void
a_receive_that_may_not_wait_says_so(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv(sqe, pair.near, memory(c, 8), 8, MSG_DONTWAIT);
	submit(c, sqe, 1);
	expect(c, 1, RES(-EAGAIN));
}

static void
two_receives_share_a_socket(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 4), 4);
	start_recv(c, 2, pair.near, memory(c, 4), 4);
	push(c);
	give(c, pair.far, "fourfour", 8);
	expect(c, 1, BETWEEN(1, 4));
	expect(c, 2, BETWEEN(1, 4));
}

static void
each_socket_gets_its_own_bytes(struct contract *c)
{
	struct pair pairs[20];
	char *data = memory(c, sizeof(pairs));

	for (unsigned i = 0; i < 20; i++) {
		pairs[i] = open_pair(c);
		start_recv(c, i, pairs[i].near, data + i, 1);
	}
	push(c);
	for (unsigned i = 20; i-- > 0;) {
		char byte = (char)('a' + i);

		give(c, pairs[i].far, &byte, 1);
	}
	for (unsigned i = 0; i < 20; i++) {
		expect(c, i, RES(1));
		require(c, data[i] == (char)('a' + i));
	}
}

static void
a_closed_reading_side_is_an_end(struct contract *c)
{
	struct pair pair = open_pair(c);

	require(c, c->engine->shutdown(&c->ring, pair.near, SHUT_RD) == 0);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	expect(c, 1, RES(0));
}

static void
shutting_down_ends_a_waiting_receive(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	require(c, c->engine->shutdown(&c->ring, pair.near, SHUT_RDWR) == 0);
	expect(c, 1, RES(0));
}

static void
a_listener_receives_nothing(struct contract *c)
{
	struct sockaddr_in sa;

	start_recv(c, 1, open_listener(c, &sa), memory(c, 8), 8);
	expect(c, 1, RES(-ENOTCONN));
}

static void
a_mebibyte_arrives_byte_by_byte(struct contract *c)
{
	enum { BYTES = 1 << 20 };
	struct pair pair = open_pair(c);
	uint8_t *out = memory(c, BYTES), *in = memory(c, BYTES);
	size_t sent = 0, received = 0;

	for (size_t i = 0; i < BYTES; i++)
		out[i] = stream_byte(i);
	start_send(c, 1, pair.far, out, BYTES);
	start_recv(c, 2, pair.near, in, BYTES);
	while (received < BYTES) {
		if (sent < BYTES && came_within(c, 1, 0)) {
			sent += (size_t)expect(c, 1, BETWEEN(1, BYTES)).res;
			if (sent < BYTES)
				start_send(c, 1, pair.far, out + sent,
					BYTES - sent);
		}
		if (!came_within(c, 2, 1000000))
			continue;
		received += (size_t)expect(c, 2, BETWEEN(1, BYTES)).res;
		if (received < BYTES)
			start_recv(c, 2, pair.near, in + received,
				BYTES - received);
	}
	if (sent < BYTES)
		expect(c, 1, RES((int32_t)(BYTES - sent)));
	require(c, memcmp(in, out, BYTES) == 0);
}

/* The bytes stay for whoever has memory for them. */
static void
memory_that_is_not_there_costs_no_bytes(struct contract *c)
{
	struct pair pair = open_pair(c);

	give(c, pair.far, "kept", 4);
	settle(c);
	start_recv(c, 1, pair.near, (void *)8, 4);
	expect(c, 1, RES(-EFAULT));
	take_text(c, pair.near, "kept");
}

static const struct contract_script scripts[] = {
	SCRIPT(bytes_that_are_there_come_at_once, "RECV"),
	SCRIPT(a_receive_waits_for_bytes, "RECV"),
	SCRIPT(what_is_there_is_enough, "H15 short receives"),
	SCRIPT(what_does_not_fit_stays, "RECV"),
	SCRIPT(a_reset_ends_a_waiting_receive, "H17"),
	SCRIPT(a_reset_that_came_before_is_told, "H17"),
	SCRIPT(a_reset_is_told_once, "H17"),
	SCRIPT(bytes_before_a_reset_come_or_are_lost, "H17"),
	SCRIPT(a_waiting_receive_is_cancelled, "H3"),
	SCRIPT(a_cancelled_receive_takes_no_bytes, "H1, H3"),
	SCRIPT(a_receive_that_may_not_wait_says_so, "O_NONBLOCK"),
	SCRIPT(two_receives_share_a_socket, "H19"),
	SCRIPT(each_socket_gets_its_own_bytes, "H19"),
	SCRIPT(a_closed_reading_side_is_an_end, "H7"),
	SCRIPT(shutting_down_ends_a_waiting_receive, "H7"),
	SCRIPT(a_listener_receives_nothing, "RECV"),
	SCRIPT(a_mebibyte_arrives_byte_by_byte, "H15, H19"),
	SCRIPT(memory_that_is_not_there_costs_no_bytes, "H1",
		.only = CONTRACT_REAL),
};

CONTRACT_FAMILY(recv);
