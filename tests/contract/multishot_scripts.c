/* SPDX-License-Identifier: MIT */
/* A receive that stays armed: how it goes on, and how it ends. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

#define BUF_MORE (F_BUFFER | F_MORE)

static void
each_send_is_a_completion_with_more(struct contract *c)
{
	static const char *const words[] = { "one", "two", "three" };
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 8, 64);

	start_recvs(c, 1, pair.near, &group);
	for (unsigned i = 0; i < 3; i++) {
		struct torc_cqe cqe;

		give(c, pair.far, words[i], strlen(words[i]));
		cqe = expect(c, 1, BETWEEN_WITH(1, 64, BUF_MORE));
		require_text(c, &group, &cqe, words[i]);
	}
	cancel_waiting(c, 1);
}

static void
an_armed_receive_holds_no_buffer(struct contract *c)
{
	struct pair pair = open_pair(c), other = open_pair(c);
	struct group group = open_group(c, 1, 1, 64);

	start_recvs(c, 1, pair.near, &group);
	start_recvs(c, 2, other.near, &group);
	expect_nothing(c);
	give(c, other.far, "mine", 4);
	if (expect(c, 2, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER)).flags &
		F_MORE)
		end_starved(c, 2);
	cancel_waiting(c, 1);
}

static void
an_end_has_no_more_and_no_buffer(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	drop(c, pair.far);
	expect(c, 1, RES(0));
	expect_nothing(c);
}

static void
a_reset_has_no_more(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	reset(c, pair.far);
	expect(c, 1, RES(-ECONNRESET));
	expect_nothing(c);
}

static void
what_was_there_before_comes(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);
	struct torc_cqe cqe;

	give(c, pair.far, "before", 6);
	settle(c);
	start_recvs(c, 1, pair.near, &group);
	cqe = expect(c, 1, RES_WITH(6, BUF_MORE));
	require_text(c, &group, &cqe, "before");
	cancel_waiting(c, 1);
}

static void
an_end_that_was_there_before_comes(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	drop(c, pair.far);
	settle(c);
	start_recvs(c, 1, pair.near, &group);
	expect(c, 1, RES(0));
}

static void
a_waiting_one_is_cancelled_without_a_buffer(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 1, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	cancel_waiting(c, 1);
	start_recvs(c, 2, pair.near, &group);
	give(c, pair.far, "x", 1);
	if (expect(c, 2, RES_WITH(1, BUF_MORE), RES_WITH(1, F_BUFFER)).flags &
		F_MORE)
		end_starved(c, 2);
}

/* Bytes and the cancel of one turn: the bytes come now or later. */
static void
a_cancel_that_races_bytes_loses_none(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);
	struct torc_cqe cqe;
	bool has_bytes = false;

	start_recvs(c, 1, pair.near, &group);
	push(c);
	start_send(c, 2, pair.far, "race", 4);
	start_cancel(c, 3, 1);
	expect(c, 2, RES(4));
	expect(c, 3, RES(0), RES(-EALREADY), RES(-ENOENT));
	do {
		cqe = expect(c, 1, RES_WITH(4, BUF_MORE), RES_WITH(4, F_BUFFER),
			RES(-ECANCELED));
		has_bytes |= cqe.res == 4;
	} while (cqe.flags & F_MORE);
	if (!has_bytes)
		take_text(c, pair.near, "race");
	expect_nothing(c);
}

static void
our_own_shutdown_ends_it(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	require(c, c->engine->shutdown(&c->ring, pair.near, SHUT_RDWR) == 0);
	expect(c, 1, RES(0));
}

static void
after_an_end_we_can_still_send(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	half_close(c, pair.far);
	expect(c, 1, RES(0));
	give(c, pair.near, "still here", 10);
	take_text(c, pair.far, "still here");
}

static void
sending_does_not_disturb_it(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	give(c, pair.near, "out", 3);
	take_text(c, pair.far, "out");
	expect_nothing(c);
	give(c, pair.far, "in", 2);
	expect(c, 1, RES_WITH(2, BUF_MORE));
	cancel_waiting(c, 1);
}

static void
without_buffer_select_it_is_invalid(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv_multishot(sqe, pair.near, memory(c, 8), 8, 0);
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL));
}

static void
together_with_waitall_it_is_invalid(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_recv_multishot(sqe, pair.near, NULL, 0, MSG_WAITALL);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group.id;
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL));
}

static void
closing_the_number_leaves_it_armed(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct group group = open_group(c, 1, 4, 64);

	start_recvs(c, 1, pair.near, &group);
	push(c);
	drop(c, pair.near);
	settle(c);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect(c, 1, RES(-ECANCELED), RES(-EBADF), RES(0));
}

static const struct contract_script scripts[] = {
	SCRIPT(each_send_is_a_completion_with_more, "multishot recv"),
	SCRIPT(an_armed_receive_holds_no_buffer, "provided buffers"),
	SCRIPT(an_end_has_no_more_and_no_buffer, "H2, H18"),
	SCRIPT(a_reset_has_no_more, "H2, H17"),
	SCRIPT(what_was_there_before_comes, "multishot recv"),
	SCRIPT(an_end_that_was_there_before_comes, "H18"),
	SCRIPT(a_waiting_one_is_cancelled_without_a_buffer, "H3"),
	SCRIPT(a_cancel_that_races_bytes_loses_none, "H3 late success"),
	SCRIPT(our_own_shutdown_ends_it, "H7"),
	SCRIPT(after_an_end_we_can_still_send, "H18 half-close"),
	SCRIPT(sending_does_not_disturb_it, "multishot recv"),
	SCRIPT(without_buffer_select_it_is_invalid, "multishot recv"),
	SCRIPT(together_with_waitall_it_is_invalid, "multishot recv"),
	SCRIPT(closing_the_number_leaves_it_armed, "H7"),
};

CONTRACT_FAMILY(multishot);
