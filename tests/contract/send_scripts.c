/* SPDX-License-Identifier: MIT */
/* Sending: what is reported is gone, what is not is still ours. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
a_small_send_goes_whole(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_send(c, 1, pair.near, "hello", 5);
	expect(c, 1, RES(5));
	take_text(c, pair.far, "hello");
}

static void
sends_that_follow_each_other_keep_their_order(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *got = memory(c, 400);

	for (unsigned i = 0; i < 100; i++) {
		char text[5];

		snprintf(text, sizeof(text), "%04u", i);
		give(c, pair.near, text, 4);
	}
	take(c, pair.far, got, 400);
	for (unsigned i = 0; i < 100; i++) {
		char text[5];

		snprintf(text, sizeof(text), "%04u", i);
		require(c, memcmp(got + 4 * i, text, 4) == 0);
	}
}

static void
a_send_of_nothing_is_nothing(struct contract *c)
{
	start_send(c, 1, open_pair(c).near, "", 0);
	expect(c, 1, RES(0));
}

static void
a_large_send_goes_whole_or_in_part(struct contract *c)
{
	enum { BYTES = 8 << 20 };
	struct pair pair = open_pair(c);

	start_send(c, 1, pair.near, memory(c, BYTES), BYTES);
	expect(c, 1, BETWEEN(1, BYTES));
}

static void
a_waiting_send_is_cancelled(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);

	fill(c, pair.near, 1);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
	expect(c, 1, RES(-ECANCELED), BETWEEN(1, 65536));
}

/* After the cancel the stream goes on at the byte that was reported last. */
static void
a_cancelled_send_tells_how_far_it_got(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);
	size_t sent = fill(c, pair.near, 1);
	struct torc_cqe cqe;
	uint8_t *got;

	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-EALREADY), RES(-ENOENT));
	cqe = expect(c, 1, RES(-ECANCELED), BETWEEN(1, 65536));
	if (cqe.res > 0)
		sent += (size_t)cqe.res;
	half_close(c, pair.near);
	got = memory(c, sent);
	take(c, pair.far, got, sent);
	for (size_t i = 0; i < sent; i++)
		require(c, got[i] == stream_byte(i));
	start_recv(c, 3, pair.far, got, 1);
	expect(c, 3, RES(0));
}

static void
a_send_that_may_not_wait_says_so(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);
	struct io_uring_sqe *sqe;

	fill(c, pair.near, 1);
	sqe = torc__ring_sqe(&c->ring);
	io_uring_prep_send(sqe, pair.near, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	submit(c, sqe, 2);
	expect(c, 2, RES(-EAGAIN), RES(1));
	start_cancel(c, 3, 1);
	expect(c, 3, RES(0), RES(-EALREADY), RES(-ENOENT));
	expect(c, 1, RES(-ECANCELED), BETWEEN(1, 65536));
}

/* Its last bytes may have found room before the reset came. */
static void
a_reset_ends_a_waiting_send(struct contract *c)
{
	struct pair pair = open_narrow_pair(c);

	fill(c, pair.near, 1);
	reset(c, pair.far);
	if (expect(c, 1, RES(-ECONNRESET), RES(-EPIPE), BETWEEN(1, 65536)).res <
		0)
		return;
	settle(c);
	start_send(c, 2, pair.near, "x", 1);
	expect(c, 2, RES(-ECONNRESET), RES(-EPIPE));
}

/* The peer's kernel answers the first bytes with a reset. */
static void
sending_to_who_is_gone_fails_in_the_end(struct contract *c)
{
	struct pair pair = open_pair(c);

	drop(c, pair.far);
	settle(c);
	start_send(c, 1, pair.near, "x", 1);
	expect(c, 1, RES(1), RES(-EPIPE), RES(-ECONNRESET));
	settle(c);
	start_send(c, 2, pair.near, "x", 1);
	expect(c, 2, RES(-EPIPE), RES(-ECONNRESET));
}

static void
after_a_reset_was_told_sends_fail(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	reset(c, pair.far);
	expect(c, 1, RES(-ECONNRESET));
	start_send(c, 2, pair.near, "x", 1);
	expect(c, 2, RES(-EPIPE), RES(-ECONNRESET));
}

static void
after_our_half_close_sends_fail(struct contract *c)
{
	struct pair pair = open_pair(c);

	half_close(c, pair.near);
	start_send(c, 1, pair.near, "x", 1);
	expect(c, 1, RES(-EPIPE));
}

static void
after_the_peers_half_close_sends_arrive(struct contract *c)
{
	struct pair pair = open_pair(c);

	half_close(c, pair.far);
	settle(c);
	give(c, pair.near, "on", 2);
	take_text(c, pair.far, "on");
}

static struct msghdr *
message(struct contract *c, unsigned parts, const char *const *texts)
{
	struct msghdr *msg = memory(c, sizeof(*msg));
	struct iovec *iovs = memory(c, (parts + 1) * sizeof(*iovs));

	for (unsigned i = 0; i < parts; i++) {
		size_t bytes = strlen(texts[i]);

		iovs[i].iov_base =
			memcpy(memory(c, bytes + 1), texts[i], bytes);
		iovs[i].iov_len = bytes;
	}
	msg->msg_iov = iovs;
	msg->msg_iovlen = parts;
	return msg;
}

static void
start_message(struct contract *c, uint64_t id, int fd, const struct msghdr *msg)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_sendmsg(sqe, fd, msg, MSG_NOSIGNAL);
	submit(c, sqe, id);
}

static void
parts_leave_as_one(struct contract *c)
{
	static const char *const texts[] = { "one ", "", "two ", "three" };
	struct pair pair = open_pair(c);

	start_message(c, 1, pair.near, message(c, 4, texts));
	expect(c, 1, RES(13));
	take_text(c, pair.far, "one two three");
}

static void
a_message_without_parts_is_nothing(struct contract *c)
{
	start_message(c, 1, open_pair(c).near, message(c, 0, NULL));
	expect(c, 1, RES(0));
}

/* The header and its parts are read when they are submitted. */
static void
the_header_is_read_when_it_is_submitted(struct contract *c)
{
	static const char *const texts[] = { "kept", " whole" };
	struct pair pair = open_pair(c);
	struct msghdr *msg = message(c, 2, texts);

	start_message(c, 1, pair.near, msg);
	push(c);
	memset(msg->msg_iov, 0, 2 * sizeof(struct iovec));
	memset(msg, 0, sizeof(*msg));
	expect(c, 1, RES(10));
	take_text(c, pair.far, "kept whole");
}

/* Torc never asks for it; this is what would become of it. */
static void
two_sends_at_once_lose_nothing_but_their_order(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *got = memory(c, 16);
	unsigned ones = 0;

	start_send(c, 1, pair.near, "11111", 5);
	start_send(c, 2, pair.near, "22222", 5);
	expect(c, 1, RES(5));
	expect(c, 2, RES(5));
	take(c, pair.far, got, 10);
	for (unsigned i = 0; i < 10; i++)
		ones += got[i] == '1';
	require(c, ones == 5);
}

static void
both_directions_at_once(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *one = memory(c, 8), *two = memory(c, 8);

	start_recv(c, 1, pair.near, one, 8);
	start_recv(c, 2, pair.far, two, 8);
	start_send(c, 3, pair.near, "to far", 6);
	start_send(c, 4, pair.far, "to near", 7);
	expect(c, 3, RES(6));
	expect(c, 4, RES(7));
	expect(c, 1, RES(7));
	expect(c, 2, RES(6));
	require(c, strcmp(one, "to near") == 0 && strcmp(two, "to far") == 0);
}

static void
memory_that_is_not_there_is_not_sent(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_send(c, 1, pair.near, (void *)8, 4);
	expect(c, 1, RES(-EFAULT));
	give(c, pair.near, "fine", 4);
	take_text(c, pair.far, "fine");
}

static void
too_many_parts_are_refused(struct contract *c)
{
	struct msghdr *msg = memory(c, sizeof(*msg));

	msg->msg_iov = memory(c, (IOV_MAX + 1) * sizeof(struct iovec));
	msg->msg_iovlen = IOV_MAX + 1;
	start_message(c, 1, open_pair(c).near, msg);
	expect(c, 1, RES(-EMSGSIZE));
}

static const struct contract_script scripts[] = {
	SCRIPT(a_small_send_goes_whole, "SEND"),
	SCRIPT(sends_that_follow_each_other_keep_their_order, "H16"),
	SCRIPT(a_send_of_nothing_is_nothing, "SEND"),
	SCRIPT(a_large_send_goes_whole_or_in_part, "H15 short sends"),
	SCRIPT(a_waiting_send_is_cancelled, "H3"),
	SCRIPT(a_cancelled_send_tells_how_far_it_got, "H3, H15"),
	SCRIPT(a_send_that_may_not_wait_says_so, "O_NONBLOCK"),
	SCRIPT(a_reset_ends_a_waiting_send, "H17"),
	SCRIPT(sending_to_who_is_gone_fails_in_the_end, "H17"),
	SCRIPT(after_a_reset_was_told_sends_fail, "H17"),
	SCRIPT(after_our_half_close_sends_fail, "H18"),
	SCRIPT(after_the_peers_half_close_sends_arrive, "H18"),
	SCRIPT(parts_leave_as_one, "SENDMSG"),
	SCRIPT(a_message_without_parts_is_nothing, "SENDMSG"),
	SCRIPT(the_header_is_read_when_it_is_submitted, "H1"),
	SCRIPT(two_sends_at_once_lose_nothing_but_their_order, "H16"),
	SCRIPT(both_directions_at_once, "H19"),
	SCRIPT(memory_that_is_not_there_is_not_sent, "H1",
		.only = CONTRACT_REAL),
	SCRIPT(too_many_parts_are_refused, "SENDMSG", .only = CONTRACT_REAL),
};

CONTRACT_FAMILY(send);
