/* SPDX-License-Identifier: MIT */
/* A cancel is a request: what it hits ends by a completion of its own. */
#include <errno.h>
#include <string.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
nothing_to_cancel_is_said_so(struct contract *c)
{
	start_cancel(c, 1, 12345);
	expect(c, 1, RES(-ENOENT));
}

static void
what_is_over_cannot_be_cancelled(struct contract *c)
{
	start_nop(c, 1);
	expect(c, 1, RES(0));
	start_cancel(c, 2, 1);
	expect(c, 2, RES(-ENOENT));
}

static void
only_what_is_named_is_cancelled(struct contract *c)
{
	struct pair pair = open_pair(c), other = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_recv(c, 2, other.near, memory(c, 8), 8);
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
	give(c, other.far, "x", 1);
	expect(c, 2, RES(1));
}

/* An op and its next life differ in the upper bits alone. */
static void
every_bit_of_the_name_counts(struct contract *c)
{
	const uint64_t name = UINT64_C(0x0001000012345670);
	struct pair pair = open_pair(c);

	start_recv(c, name, pair.near, memory(c, 8), 8);
	push(c);
	start_cancel(c, 1, name ^ (UINT64_C(1) << 48));
	expect(c, 1, RES(-ENOENT));
	start_cancel(c, 2, name ^ 1);
	expect(c, 2, RES(-ENOENT));
	expect_nothing(c);
	cancel_waiting(c, name);
}

static void
of_two_with_one_name_the_first_is_cancelled(struct contract *c)
{
	struct pair pair = open_pair(c), other = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_recv(c, 1, other.near, memory(c, 8), 8);
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
	cancel_waiting(c, 1);
}

static void
one_turn_may_start_and_cancel(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_cancel(c, 2, 1);
	expect(c, 2, RES(0));
	expect(c, 1, RES(-ECANCELED));
}

static void
a_cancel_that_comes_first_finds_nothing(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_cancel(c, 2, 1);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	expect(c, 2, RES(-ENOENT));
	cancel_waiting(c, 1);
}

/* Both may have found it, before it has ended. */
static void
a_second_cancel_does_no_harm(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	start_cancel(c, 2, 1);
	start_cancel(c, 3, 1);
	expect(c, 2, RES(0));
	expect(c, 3, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect(c, 1, RES(-ECANCELED));
	expect_nothing(c);
}

static void
start_quiet_cancel(struct contract *c, uint64_t id, uint64_t target)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_cancel64(sqe, target, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	submit(c, sqe, id);
}

static void
a_quiet_cancel_says_nothing_when_it_works(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	start_quiet_cancel(c, 2, 1);
	expect(c, 1, RES(-ECANCELED));
	expect_nothing(c);
}

static void
a_quiet_cancel_speaks_when_it_fails(struct contract *c)
{
	start_quiet_cancel(c, 2, 1);
	expect(c, 2, RES(-ENOENT));
}

static void
unknown_flags_are_invalid(struct contract *c)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_cancel64(sqe, 1, 1 << 30);
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL), RES(-EOPNOTSUPP));
}

static void
thirty_are_cancelled_in_one_turn(struct contract *c)
{
	for (uint64_t id = 1; id <= 30; id++)
		start_recv(c, id, open_pair(c).near, memory(c, 8), 8);
	push(c);
	for (uint64_t id = 1; id <= 30; id++)
		start_cancel(c, 100 + id, id);
	for (uint64_t id = 1; id <= 30; id++) {
		expect(c, 100 + id, RES(0));
		expect(c, id, RES(-ECANCELED));
	}
}

/* Bytes are there already: whoever wins, they are not lost. */
static void
a_cancel_may_come_too_late(struct contract *c)
{
	struct pair pair = open_pair(c);
	struct torc_cqe cqe;

	give(c, pair.far, "late", 4);
	settle(c);
	start_recv(c, 1, pair.near, memory(c, 8), 8);
	start_cancel(c, 2, 1);
	cqe = expect(c, 1, RES(4), RES(-ECANCELED));
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	if (cqe.res < 0)
		take_text(c, pair.near, "late");
}

static void
a_full_cq_loses_no_cancel(struct contract *c)
{
	for (uint64_t id = 1; id <= 8; id++)
		start_recv(c, id, open_pair(c).near, memory(c, 8), 8);
	push(c);
	for (uint64_t id = 100; id < 116; id++)
		start_nop(c, id);
	require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	for (uint64_t id = 1; id <= 8; id++)
		start_cancel(c, 200 + id, id);
	for (unsigned i = 0; i < 4; i++)
		require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	for (uint64_t id = 1; id <= 8; id++) {
		expect(c, 200 + id, RES(0));
		expect(c, id, RES(-ECANCELED));
	}
	for (uint64_t id = 100; id < 116; id++)
		expect(c, id, RES(0));
}

static void
what_was_cancelled_leaves_its_memory_alone(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *data = memory(c, 8);

	memset(data, '-', 8);
	start_recv(c, 1, pair.near, data, 8);
	push(c);
	cancel_waiting(c, 1);
	give(c, pair.far, "overlay", 7);
	settle(c);
	require(c, memcmp(data, "--------", 8) == 0);
}

static void
a_socket_works_on_after_a_cancel(struct contract *c)
{
	struct pair pair = open_pair(c);

	for (uint64_t id = 1; id <= 50; id++) {
		start_recv(c, id, pair.near, memory(c, 8), 8);
		push(c);
		cancel_waiting(c, id);
	}
	give(c, pair.far, "on", 2);
	take_text(c, pair.near, "on");
	give(c, pair.near, "and on", 6);
	take_text(c, pair.far, "and on");
}

/* Sooner or later, both say how it went. */
static void
a_cancel_and_an_end_at_once_end_it_once(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_recv(c, 1, pair.near, memory(c, 8), 8);
	push(c);
	drop(c, pair.far);
	start_cancel(c, 2, 1);
	expect(c, 1, RES(0), RES(-ECANCELED));
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
	expect_nothing(c);
}

static void
a_cancel_of_a_nop_does_no_harm(struct contract *c)
{
	start_nop(c, 1);
	start_cancel(c, 2, 1);
	expect(c, 1, RES(0), RES(-ECANCELED));
	expect(c, 2, RES(0), RES(-ENOENT), RES(-EALREADY));
}

static const struct contract_script scripts[] = {
	SCRIPT(nothing_to_cancel_is_said_so, "ASYNC_CANCEL"),
	SCRIPT(what_is_over_cannot_be_cancelled, "ASYNC_CANCEL"),
	SCRIPT(only_what_is_named_is_cancelled, "ASYNC_CANCEL"),
	SCRIPT(every_bit_of_the_name_counts, "H9"),
	SCRIPT(of_two_with_one_name_the_first_is_cancelled, "ASYNC_CANCEL"),
	SCRIPT(one_turn_may_start_and_cancel, "ASYNC_CANCEL"),
	SCRIPT(a_cancel_that_comes_first_finds_nothing, "ASYNC_CANCEL"),
	SCRIPT(a_second_cancel_does_no_harm, "H3"),
	SCRIPT(a_quiet_cancel_says_nothing_when_it_works, "CQE_SKIP"),
	SCRIPT(a_quiet_cancel_speaks_when_it_fails, "CQE_SKIP"),
	SCRIPT(unknown_flags_are_invalid, "ASYNC_CANCEL"),
	SCRIPT(thirty_are_cancelled_in_one_turn, "H3"),
	SCRIPT(a_cancel_may_come_too_late, "H3 late success"),
	SCRIPT(a_full_cq_loses_no_cancel, "H20", .cq_entries = 16),
	SCRIPT(what_was_cancelled_leaves_its_memory_alone, "H1"),
	SCRIPT(a_socket_works_on_after_a_cancel, "H3"),
	SCRIPT(a_cancel_and_an_end_at_once_end_it_once, "H3"),
	SCRIPT(a_cancel_of_a_nop_does_no_harm, "H3"),
};

CONTRACT_FAMILY(cancel);
