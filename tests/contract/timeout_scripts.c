/* SPDX-License-Identifier: MIT */
/* Time-outs as operations: never early, and in their order. */
#include <errno.h>

#include <torc/base/clock.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
it_ends_with_etime_and_not_early(struct contract *c)
{
	uint64_t begin_ns = torc__ring_now_ns(&c->ring);

	start_timeout(c, 1, 3 * TORC_MS);
	expect(c, 1, RES(-ETIME));
	require(c, torc__ring_now_ns(&c->ring) - begin_ns >= 3 * TORC_MS);
}

static void
no_time_at_all_ends_at_once(struct contract *c)
{
	start_timeout(c, 1, 0);
	expect(c, 1, RES(-ETIME));
}

static void
a_waiting_one_is_cancelled(struct contract *c)
{
	start_timeout(c, 1, 3600 * TORC_S);
	push(c);
	cancel_waiting(c, 1);
	expect_nothing(c);
}

static void
the_sooner_comes_first(struct contract *c)
{
	uint64_t *order = memory(c, 3 * sizeof(*order));

	start_timeout(c, 1, 15 * TORC_MS);
	start_timeout(c, 2, TORC_MS);
	start_timeout(c, 3, 8 * TORC_MS);
	require(c, came_within(c, 1, TORC_S));
	require(c, c->came_count == 3);
	for (unsigned i = 0; i < 3; i++)
		order[i] = c->came[i].user_data;
	for (uint64_t id = 1; id <= 3; id++)
		expect(c, id, RES(-ETIME));
	require(c, order[0] == 2 && order[1] == 3 && order[2] == 1);
}

static void
many_end_once_each(struct contract *c)
{
	for (uint64_t id = 1; id <= 40; id++)
		start_timeout(c, id, id % 5 * TORC_MS);
	for (uint64_t id = 1; id <= 40; id++)
		expect(c, id, RES(-ETIME));
	expect_nothing(c);
}

static void
one_that_is_over_is_not_cancelled(struct contract *c)
{
	start_timeout(c, 1, 0);
	expect(c, 1, RES(-ETIME));
	start_cancel(c, 2, 1);
	expect(c, 2, RES(-ENOENT));
}

static void
the_span_is_read_when_it_is_submitted(struct contract *c)
{
	struct __kernel_timespec *ts = memory(c, sizeof(*ts));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	ts->tv_nsec = TORC_MS;
	io_uring_prep_timeout(sqe, ts, 0, 0);
	submit(c, sqe, 1);
	push(c);
	ts->tv_sec = 3600;
	expect(c, 1, RES(-ETIME));
}

static void
a_span_below_zero_is_invalid(struct contract *c)
{
	struct __kernel_timespec *ts = memory(c, sizeof(*ts));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	ts->tv_sec = -1;
	io_uring_prep_timeout(sqe, ts, 0, 0);
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL));
}

static void
flags_that_are_unknown_are_invalid(struct contract *c)
{
	struct __kernel_timespec *ts = memory(c, sizeof(*ts));
	struct io_uring_sqe *sqe = torc__ring_sqe(&c->ring);

	io_uring_prep_timeout(sqe, ts, 0, 1u << 31);
	submit(c, sqe, 1);
	expect(c, 1, RES(-EINVAL), RES(-EOPNOTSUPP));
}

static void
others_complete_meanwhile(struct contract *c)
{
	struct pair pair = open_pair(c);

	start_timeout(c, 1, 3600 * TORC_S);
	start_recv(c, 2, pair.near, memory(c, 8), 8);
	give(c, pair.far, "x", 1);
	expect(c, 2, RES(1));
	cancel_waiting(c, 1);
}

static const struct contract_script scripts[] = {
	SCRIPT(it_ends_with_etime_and_not_early, "TIMEOUT"),
	SCRIPT(no_time_at_all_ends_at_once, "TIMEOUT"),
	SCRIPT(a_waiting_one_is_cancelled, "H3"),
	SCRIPT(the_sooner_comes_first, "TIMEOUT"),
	SCRIPT(many_end_once_each, "TIMEOUT"),
	SCRIPT(one_that_is_over_is_not_cancelled, "H3"),
	SCRIPT(the_span_is_read_when_it_is_submitted, "H1"),
	SCRIPT(a_span_below_zero_is_invalid, "TIMEOUT"),
	SCRIPT(flags_that_are_unknown_are_invalid, "TIMEOUT"),
	SCRIPT(others_complete_meanwhile, "TIMEOUT"),
};

CONTRACT_FAMILY(timeout);
