/* SPDX-License-Identifier: MIT */
/* Queues: each SQE has its CQEs, a full CQ loses none, an enter returns. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torc/base/clock.h>

#include "tests/contract/families.h"
#include "tests/contract/steps.h"

static void
a_nop_comes_back(struct contract *c)
{
	start_nop(c, 1);
	expect(c, 1, RES(0));
}

static void
user_data_comes_back_as_it_was(struct contract *c)
{
	static const uint64_t ids[] = { 0, UINT64_MAX,
		UINT64_C(0x8000000000000001), UINT64_C(0xffff00000000000f) };

	for (unsigned i = 0; i < 4; i++)
		start_nop(c, ids[i]);
	for (unsigned i = 0; i < 4; i++)
		expect(c, ids[i], RES(0));
}

static void
each_of_many_comes_back_once(struct contract *c)
{
	for (uint64_t id = 1; id <= 16; id++)
		start_nop(c, id);
	for (uint64_t id = 16; id >= 1; id--)
		expect(c, id, RES(0));
	expect_nothing(c);
}

static void
more_than_the_sq_holds_is_taken(struct contract *c)
{
	for (uint64_t id = 1; id <= 60; id++)
		start_nop(c, id);
	for (uint64_t id = 1; id <= 60; id++)
		expect(c, id, RES(0));
}

/* As many enters as it takes, and the CQ is not looked at meanwhile. */
static void
submit_all(struct contract *c)
{
	for (unsigned i = 0; i < 64 && torc__ring_has_sqes(&c->ring); i++)
		require(c, torc__ring_enter(&c->ring, 0, 0) == 0);
	require(c, !torc__ring_has_sqes(&c->ring));
}

static void
a_full_cq_loses_nothing(struct contract *c)
{
	for (uint64_t id = 1; id <= 200; id++)
		start_nop(c, id);
	submit_all(c);
	for (uint64_t id = 1; id <= 200; id++)
		expect(c, id, RES(0));
	expect_nothing(c);
}

static void
an_overflow_is_shown_and_taken_back(struct contract *c)
{
	uint32_t *flags = c->ring.uring.sq.kflags;

	for (uint64_t id = 1; id <= 100; id++)
		start_nop(c, id);
	submit_all(c);

	require(c, torc__ring_cq_count(&c->ring) == 16);
	require(c, *flags & IORING_SQ_CQ_OVERFLOW);
	for (uint64_t id = 1; id <= 100; id++)
		expect(c, id, RES(0));
	push(c);
	require(c, !(*flags & IORING_SQ_CQ_OVERFLOW));
}

static int
enter_raw(struct contract *c, uint32_t min_complete, uint64_t timeout_ns)
{
	struct io_uring_sq *sq = &c->ring.uring.sq;
	uint32_t count = torc__ring_sq_count(&c->ring);

	*sq->ktail = sq->sqe_tail;
	return c->engine->enter(&c->ring, count, min_complete, timeout_ns);
}

/* An interrupted wait waits again: what else the thread does may end one. */
static int
wait_raw(struct contract *c, uint32_t min_complete, uint64_t timeout_ns)
{
	int ret;

	do
		ret = enter_raw(c, min_complete, timeout_ns);
	while (ret == -EINTR);
	return ret;
}

static void
an_enter_says_how_many_it_took(struct contract *c)
{
	for (uint64_t id = 1; id <= 5; id++)
		start_nop(c, id);
	require_is(c, enter_raw(c, 0, UINT64_MAX), 5);
	for (uint64_t id = 1; id <= 5; id++)
		expect(c, id, RES(0));
}

static void
an_enter_with_nothing_returns_at_once(struct contract *c)
{
	require_is(c, enter_raw(c, 0, UINT64_MAX), 0);
	require(c, torc__ring_cq_count(&c->ring) == 0);
}

static void
a_wait_for_nothing_ends_at_its_time(struct contract *c)
{
	uint64_t begin_ns = torc__ring_now_ns(&c->ring);

	require_is(c, wait_raw(c, 1, 3 * TORC_MS), -ETIME);
	require(c, torc__ring_now_ns(&c->ring) - begin_ns >= 3 * TORC_MS);
}

static void
a_wait_of_no_time_returns(struct contract *c)
{
	require_is(c, wait_raw(c, 1, 0), -ETIME);
}

/* What was submitted counts for more than that nothing came. */
static void
a_wait_that_submits_and_times_out_says_what_it_took(struct contract *c)
{
	int fd = open_event(c);
	uint64_t *count = memory(c, 8);

	start_read(c, 1, fd, count, 8);
	require_is(c, enter_raw(c, 1, 3 * TORC_MS), 1);
	require(c, torc__ring_cq_count(&c->ring) == 0);
	cancel_waiting(c, 1);
}

static void
a_wait_returns_when_its_completion_comes(struct contract *c)
{
	start_timeout(c, 1, 2 * TORC_MS);
	require_is(c, enter_raw(c, 1, UINT64_MAX), 1);
	expect(c, 1, RES(-ETIME));
}

static void
a_wait_for_three_brings_three(struct contract *c)
{
	for (uint64_t id = 1; id <= 3; id++)
		start_nop(c, id);
	require_is(c, enter_raw(c, 3, UINT64_MAX), 3);
	require(c, torc__ring_cq_count(&c->ring) == 3);
	for (uint64_t id = 1; id <= 3; id++)
		expect(c, id, RES(0));
}

/* A time-out that fires ends the wait for others, in Linux to this day. */
static void
a_wait_for_three_may_end_at_the_first(struct contract *c)
{
	for (uint64_t id = 1; id <= 3; id++)
		start_timeout(c, id, id * TORC_MS);
	require_is(c, enter_raw(c, 3, UINT64_MAX), 3);
	for (uint64_t id = 1; id <= 3; id++)
		expect(c, id, RES(-ETIME));
}

static void
a_wait_with_completions_there_does_not_wait(struct contract *c)
{
	start_nop(c, 1);
	require_is(c, enter_raw(c, 0, 0), 1);
	require_is(c, enter_raw(c, 1, UINT64_MAX), 0);
	expect(c, 1, RES(0));
}

static void
queues_wrap_around(struct contract *c)
{
	for (uint64_t id = 1; id <= 500; id++) {
		start_nop(c, id);
		if (id % 7 == 0)
			push(c);
	}
	for (uint64_t id = 1; id <= 500; id++)
		expect(c, id, RES(0));
}

static void
one_bad_sqe_leaves_the_others_alone(struct contract *c)
{
	struct io_uring_sqe *sqe;

	start_nop(c, 1);
	sqe = torc__ring_sqe(&c->ring);
	io_uring_prep_nop(sqe);
	sqe->opcode = 255;
	submit(c, sqe, 2);
	start_nop(c, 3);

	expect(c, 1, RES(0));
	expect(c, 2, RES(-EINVAL), RES(-EOPNOTSUPP));
	expect(c, 3, RES(0));
}

static void
the_clock_does_not_go_back(struct contract *c)
{
	uint64_t before_ns = torc__ring_now_ns(&c->ring);

	for (unsigned i = 0; i < 100; i++) {
		uint64_t now_ns = torc__ring_now_ns(&c->ring);

		require(c, now_ns >= before_ns);
		before_ns = now_ns;
		push(c);
	}
}

/* A second ring of the same thread has queues of its own. */
static void
two_rings_do_not_mix(struct contract *c)
{
	struct torc_ring other;
	int ret = contract_open_ring(c, &other, 0);
	struct io_uring_sqe *sqe;
	struct torc_cqe cqe = { 0 };

	require(c, ret == 0);
	sqe = torc__ring_sqe(&other);
	io_uring_prep_nop(sqe);
	submit(c, sqe, 7);
	start_nop(c, 8);
	ret = torc__ring_enter(&other, 1, UINT64_MAX);
	if (torc__ring_cq_count(&other) == 1)
		cqe = torc__ring_pop(&other);
	torc__ring_close(&other);

	require(c, ret == 0 && cqe.user_data == 7);
	expect(c, 8, RES(0));
}

struct stranger {
	struct contract *c;
	int ret;
};

static void *
enter_from_elsewhere(void *arg)
{
	struct stranger *stranger = arg;

	stranger->ret = io_uring_enter(
		(unsigned)stranger->c->ring.uring.ring_fd, 1, 0, 0, NULL);
	return NULL;
}

/* IORING_SETUP_SINGLE_ISSUER binds the ring to who made it. */
static void
another_thread_may_not_submit(struct contract *c)
{
	struct stranger stranger = { .c = c };
	pthread_t thread;

	start_nop(c, 1);
	*c->ring.uring.sq.ktail = c->ring.uring.sq.sqe_tail;
	require(c, pthread_create(&thread, NULL, enter_from_elsewhere,
			   &stranger) == 0);
	pthread_join(thread, NULL);

	require(c, stranger.ret == -EEXIST);
	expect(c, 1, RES(0));
}

/* What deferred completions mean: nothing is seen without an enter. */
static void
completions_are_invisible_until_an_enter(struct contract *c)
{
	struct pair pair = open_pair(c);
	char *byte = memory(c, 1);

	start_recv(c, 1, pair.near, byte, 1);
	push(c);
	require(c, write(pair.far, "x", 1) == 1);

	require(c, torc__ring_cq_count(&c->ring) == 0);
	require(c, *c->ring.uring.sq.kflags & IORING_SQ_TASKRUN);
	expect(c, 1, RES(1));
}

static const struct contract_script scripts[] = {
	SCRIPT(a_nop_comes_back, "NOP"),
	SCRIPT(user_data_comes_back_as_it_was, "H9 generations in user_data"),
	SCRIPT(each_of_many_comes_back_once, "H2 one terminal CQE"),
	SCRIPT(more_than_the_sq_holds_is_taken, "H14 short submits"),
	SCRIPT(a_full_cq_loses_nothing, "H20 NODROP", .cq_entries = 16),
	SCRIPT(an_overflow_is_shown_and_taken_back, "H20 CQ_OVERFLOW",
		.cq_entries = 16),
	SCRIPT(an_enter_says_how_many_it_took, "H14 short submits"),
	SCRIPT(an_enter_with_nothing_returns_at_once, "H21 no CQE"),
	SCRIPT(a_wait_for_nothing_ends_at_its_time, "EXT_ARG"),
	SCRIPT(a_wait_of_no_time_returns, "EXT_ARG"),
	SCRIPT(a_wait_that_submits_and_times_out_says_what_it_took,
		"H21 submitted is not completed"),
	SCRIPT(a_wait_returns_when_its_completion_comes, "min_complete"),
	SCRIPT(a_wait_for_three_brings_three, "min_complete"),
	SCRIPT(a_wait_for_three_may_end_at_the_first, "min_complete"),
	SCRIPT(a_wait_with_completions_there_does_not_wait, "min_complete"),
	SCRIPT(queues_wrap_around, "ring indices"),
	SCRIPT(one_bad_sqe_leaves_the_others_alone, "SUBMIT_ALL"),
	SCRIPT(the_clock_does_not_go_back, "H35 clock"),
	SCRIPT(two_rings_do_not_mix, "one ring per shard"),
	SCRIPT(another_thread_may_not_submit, "SINGLE_ISSUER, H24",
		.only = CONTRACT_DEFERRED),
	SCRIPT(completions_are_invisible_until_an_enter, "DEFER_TASKRUN, H27",
		.only = CONTRACT_DEFERRED),
};

CONTRACT_FAMILY(ring);
