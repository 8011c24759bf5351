/* SPDX-License-Identifier: MIT */
/* Datagrams: whole or cut, each with the name of who sent it. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)
#define HEADER sizeof(struct io_uring_recvmsg_out)
#define NAME sizeof(struct sockaddr_in)

struct datagram {
	struct io_uring_recvmsg_out out;
	struct sockaddr_in from;
	const uint8_t *payload;
	uint32_t bytes; /* that are there */
};

static struct datagram
parse(struct contract *c, const struct group *group, const struct torc_cqe *cqe)
{
	const uint8_t *data = data_of(group, cqe);
	struct datagram d = { .payload = data + HEADER + NAME };

	require(c, buf_of(cqe) <= group->mask);
	require(c, cqe->res >= (int32_t)(HEADER + NAME));
	memcpy(&d.out, data, sizeof(d.out));
	memcpy(&d.from, data + HEADER, sizeof(d.from));
	d.bytes = (uint32_t)cqe->res - (uint32_t)(HEADER + NAME);
	return d;
}

static struct datagram
next(struct contract *c, uint64_t id, const struct group *group)
{
	struct torc_cqe cqe =
		expect(c, id, BETWEEN_WITH(1, INT32_MAX, BUF_MORE));

	return parse(c, group, &cqe);
}

struct duo {
	int near, far;
	struct sockaddr_in near_sa, far_sa;
};

static struct duo
open_duo(struct contract *c)
{
	struct duo duo;

	duo.near = open_udp(c, &duo.near_sa);
	duo.far = open_udp(c, &duo.far_sa);
	return duo;
}

static void
send_to_far(struct contract *c, const struct duo *duo, const void *data,
	size_t bytes)
{
	start_sendmsg(c, 800, duo->near, &duo->far_sa, sizeof(duo->far_sa),
		data, bytes);
	expect(c, 800, RES((int32_t)bytes));
}

static void
one_arrives_with_its_senders_name(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, 256);
	struct datagram d;

	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, "hello", 5);
	d = next(c, 1, &group);
	require(c, d.out.namelen == NAME && d.out.payloadlen == 5);
	require(c, d.bytes == 5 && memcmp(d.payload, "hello", 5) == 0);
	require(c, d.from.sin_family == AF_INET);
	require(c, d.from.sin_port == duo.near_sa.sin_port);
	require(c, !(d.out.flags & MSG_TRUNC));
	cancel_waiting(c, 1);
}

static void
one_that_was_there_before_arrives(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, 256);
	struct datagram d;

	send_to_far(c, &duo, "early", 5);
	settle(c);
	start_messages(c, 1, duo.far, 1);
	d = next(c, 1, &group);
	require(c, d.bytes == 5 && memcmp(d.payload, "early", 5) == 0);
	cancel_waiting(c, 1);
}

static void
borders_are_kept(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 8, 256);

	for (unsigned i = 1; i <= 4; i++)
		send_to_far(c, &duo, "abcd", i);
	settle(c);
	start_messages(c, 1, duo.far, 1);
	for (unsigned i = 1, sum = 0; i <= 4; i++) {
		struct datagram d = next(c, 1, &group);

		require(c, d.bytes >= 1 && d.bytes <= 4);
		sum += d.bytes;
		require(c, i < 4 || sum == 10);
	}
	cancel_waiting(c, 1);
}

/* Linux takes a result of no bytes for the end of a multishot. */
static void
an_empty_one_is_one(struct contract *c)
{
	struct torc_cqe cqe;
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, 256);
	struct datagram d;

	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, "", 0);
	cqe = expect(c, 1, RES_WITH(HEADER + NAME, BUF_MORE),
		RES_WITH(HEADER + NAME, F_BUFFER));
	d = parse(c, &group, &cqe);
	require(c, d.bytes == 0 && d.out.payloadlen == 0);
	if (!(cqe.flags & F_MORE))
		start_messages(c, 1, duo.far, 1);
	send_to_far(c, &duo, "x", 1);
	require(c, next(c, 1, &group).bytes == 1);
	cancel_waiting(c, 1);
}

static void
one_that_does_not_fit_is_cut_and_says_so(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, HEADER + NAME + 8);
	struct datagram d;

	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, "0123456789abcdef", 16);
	d = next(c, 1, &group);
	require(c, d.bytes == 8 && memcmp(d.payload, "01234567", 8) == 0);
	require(c, d.out.flags & MSG_TRUNC);
	send_to_far(c, &duo, "next", 4);
	d = next(c, 1, &group);
	require(c, d.bytes == 4 && memcmp(d.payload, "next", 4) == 0);
	cancel_waiting(c, 1);
}

static void
one_that_just_fits_is_not_cut(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, HEADER + NAME + 8);
	struct datagram d;

	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, "01234567", 8);
	d = next(c, 1, &group);
	require(c, d.bytes == 8 && !(d.out.flags & MSG_TRUNC));
	cancel_waiting(c, 1);
}

static void
without_buffers_it_ends_and_the_datagram_stays(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_empty_group(c, 1, 4, 256);
	struct torc_cqe cqe;

	send_to_far(c, &duo, "kept", 4);
	settle(c);
	start_messages(c, 1, duo.far, 1);
	expect(c, 1, RES(-ENOBUFS));
	post(&group, 0);
	start_messages(c, 1, duo.far, 1);
	cqe = expect(c, 1, BETWEEN_WITH(1, INT32_MAX, BUF_MORE),
		BETWEEN_WITH(1, INT32_MAX, F_BUFFER));
	require(c, parse(c, &group, &cqe).bytes == 4);
	if (cqe.flags & F_MORE)
		end_starved(c, 1);
}

static void
a_waiting_receive_is_cancelled(struct contract *c)
{
	struct duo duo = open_duo(c);

	open_group(c, 1, 4, 256);
	start_messages(c, 1, duo.far, 1);
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
}

static void
thirty_arrive_once_each(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 32, 256);
	bool has_come[30] = { false };

	start_messages(c, 1, duo.far, 1);
	push(c);
	for (uint8_t i = 0; i < 30; i++)
		send_to_far(c, &duo, &i, 1);
	for (unsigned i = 0; i < 30; i++) {
		struct datagram d = next(c, 1, &group);

		require(c, d.bytes == 1 && d.payload[0] < 30);
		require(c, !has_come[d.payload[0]]);
		has_come[d.payload[0]] = true;
	}
	cancel_waiting(c, 1);
}

static void
a_full_cq_ends_it_and_keeps_the_rest(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 64, 128);
	bool is_armed = true;

	for (unsigned i = 0; i < 20; i++)
		send_to_far(c, &duo, "x", 1);
	settle(c);
	for (uint64_t id = 100; id < 116; id++)
		start_nop(c, id);
	require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	require(c, torc__ring_cq_count(&c->ring) == 16);
	start_messages(c, 1, duo.far, 1);
	for (unsigned i = 0; i < 20; i++) {
		struct torc_cqe cqe =
			expect(c, 1, BETWEEN_WITH(1, INT32_MAX, BUF_MORE),
				BETWEEN_WITH(1, INT32_MAX, F_BUFFER));

		require(c, parse(c, &group, &cqe).bytes == 1);
		is_armed = cqe.flags & F_MORE;
		if (!is_armed && i < 19)
			start_messages(c, 1, duo.far, 1);
	}
	if (is_armed)
		cancel_waiting(c, 1);
	for (uint64_t id = 100; id < 116; id++)
		expect(c, id, RES(0));
}

static void
a_connected_socket_needs_no_name(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 4, 256);

	start_connect(c, 1, duo.near, &duo.far_sa, sizeof(duo.far_sa));
	expect(c, 1, RES(0));
	start_messages(c, 2, duo.far, 1);
	start_sendmsg(c, 3, duo.near, NULL, 0, "hi", 2);
	expect(c, 3, RES(2));
	require(c, next(c, 2, &group).bytes == 2);
	cancel_waiting(c, 2);
}

static void
a_connected_socket_hears_its_peer_only(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct sockaddr_in stranger_sa;
	int stranger = open_udp(c, &stranger_sa);
	struct group group = open_group(c, 1, 4, 256);

	start_connect(c, 1, duo.far, &duo.near_sa, sizeof(duo.near_sa));
	expect(c, 1, RES(0));
	start_messages(c, 2, duo.far, 1);
	start_sendmsg(c, 3, stranger, &duo.far_sa, sizeof(duo.far_sa), "no", 2);
	expect(c, 3, RES(2), RES(-ECONNREFUSED));
	expect_nothing(c);
	send_to_far(c, &duo, "yes", 3);
	require(c, next(c, 2, &group).bytes == 3);
	cancel_waiting(c, 2);
}

static void
without_a_name_there_is_nowhere_to_send(struct contract *c)
{
	struct duo duo = open_duo(c);

	start_sendmsg(c, 1, duo.near, NULL, 0, "x", 1);
	expect(c, 1, RES(-EDESTADDRREQ));
}

static void
one_too_large_is_refused(struct contract *c)
{
	struct duo duo = open_duo(c);

	start_sendmsg(c, 1, duo.near, &duo.far_sa, sizeof(duo.far_sa),
		memory(c, 70000), 70000);
	expect(c, 1, RES(-EMSGSIZE));
}

static void
a_large_one_arrives_whole(struct contract *c)
{
	enum { BYTES = 60000 };
	struct duo duo = open_duo(c);
	struct group group = open_group(c, 1, 2, 65536);
	uint8_t *data = memory(c, BYTES);
	struct datagram d;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = stream_byte(i);
	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, data, BYTES);
	d = next(c, 1, &group);
	require(c, d.bytes == BYTES && memcmp(d.payload, data, BYTES) == 0);
	cancel_waiting(c, 1);
}

/* Nobody has to be there; who is connected may hear of it later. */
static void
sending_to_nobody_is_no_error_at_first(struct contract *c)
{
	struct duo duo = open_duo(c);

	drop(c, duo.far);
	start_sendmsg(c, 1, duo.near, &duo.far_sa, sizeof(duo.far_sa), "x", 1);
	expect(c, 1, RES(1));
}

static void
two_senders_are_told_apart(struct contract *c)
{
	struct duo duo = open_duo(c);
	struct sockaddr_in third_sa;
	int third = open_udp(c, &third_sa);
	struct group group = open_group(c, 1, 4, 256);
	struct datagram d;

	start_messages(c, 1, duo.far, 1);
	push(c);
	send_to_far(c, &duo, "near", 4);
	d = next(c, 1, &group);
	require(c, d.from.sin_port == duo.near_sa.sin_port);
	start_sendmsg(c, 2, third, &duo.far_sa, sizeof(duo.far_sa), "3rd", 3);
	expect(c, 2, RES(3));
	d = next(c, 1, &group);
	require(c, d.from.sin_port == third_sa.sin_port);
	cancel_waiting(c, 1);
}

static const struct contract_script scripts[] = {
	SCRIPT(one_arrives_with_its_senders_name, "multishot recvmsg"),
	SCRIPT(one_that_was_there_before_arrives, "multishot recvmsg"),
	SCRIPT(borders_are_kept, "multishot recvmsg"),
	SCRIPT(an_empty_one_is_one, "multishot recvmsg"),
	SCRIPT(one_that_does_not_fit_is_cut_and_says_so, "MSG_TRUNC"),
	SCRIPT(one_that_just_fits_is_not_cut, "MSG_TRUNC"),
	SCRIPT(without_buffers_it_ends_and_the_datagram_stays, "H11"),
	SCRIPT(a_waiting_receive_is_cancelled, "H3"),
	SCRIPT(thirty_arrive_once_each, "H19"),
	SCRIPT(a_full_cq_ends_it_and_keeps_the_rest, "H10, H20",
		.cq_entries = 16),
	SCRIPT(a_connected_socket_needs_no_name, "CONNECT",
		.only = CONTRACT_REAL),
	SCRIPT(a_connected_socket_hears_its_peer_only, "CONNECT",
		.only = CONTRACT_REAL),
	SCRIPT(without_a_name_there_is_nowhere_to_send, "SENDMSG"),
	SCRIPT(one_too_large_is_refused, "SENDMSG"),
	SCRIPT(a_large_one_arrives_whole, "SENDMSG"),
	SCRIPT(sending_to_nobody_is_no_error_at_first, "SENDMSG"),
	SCRIPT(two_senders_are_told_apart, "multishot recvmsg"),
};

CONTRACT_FAMILY(datagram);
