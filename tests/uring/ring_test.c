/* SPDX-License-Identifier: MIT */
/*
 * Goal    An SQE is always to be had, and each one leaves once, whole and in
 *         order, however the kernel refuses or how little it takes at a time.
 * Method  A fake engine that refuses enters, takes only a few SQEs, and dirties
 *         every slot that it took. Corners by hand; then random calls from a
 *         seed that is printed (TORC_SEED replays it).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/support/fake_engine.h"
#include "tests/test.h"
#include "base/list_priv.h"
#include "uring/op_priv.h"

#define SQ_ENTRIES 8

struct fixture {
	struct torc_ring ring;
	struct fake *fake;
	uint64_t prepared; /* SQEs so far; each carries its number */
};

static struct fixture fixture;

static int
set_up(void **state)
{
	struct torc_ring_options options = { .sq_entries = SQ_ENTRIES,
		.cq_entries = 16 };

	memset(&fixture, 0, sizeof(fixture));
	*state = &fixture;
	if (torc__ring_open(&fixture.ring, &fake_engine, &options) < 0)
		return -1;
	fixture.fake = fake_of(&fixture.ring);
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ring.inflight_count, 0);
	torc__ring_close(&f->ring);
	return 0;
}

/* SQEs that carry their number in three places. */
static void
prepare(struct fixture *f, unsigned count)
{
	for (; count > 0; count--) {
		struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

		io_uring_prep_nop(sqe);
		sqe->fd = (int)f->prepared;
		sqe->off = ~f->prepared;
		sqe->user_data = f->prepared++;
	}
}

static void
enter(struct fixture *f)
{
	assert_int_equal(torc__ring_enter(&f->ring, 0, 0), 0);
}

static void
assert_taken_in_order(struct fixture *f, uint64_t count)
{
	assert_int_equal(f->fake->taken_count, count);
	for (uint64_t i = 0; i < count; i++) {
		const struct io_uring_sqe *sqe = &f->fake->taken[i].sqe;

		assert_int_equal(sqe->user_data, i);
		assert_int_equal(sqe->fd, (int)i);
		assert_int_equal(sqe->off, ~i);
	}
}

static void
what_is_prepared_leaves_with_one_enter(void **state)
{
	struct fixture *f = *state;

	prepare(f, SQ_ENTRIES);
	assert_int_equal(f->fake->taken_count, 0);
	assert_true(torc__ring_has_sqes(&f->ring));
	enter(f);

	assert_taken_in_order(f, SQ_ENTRIES);
	assert_int_equal(f->ring.stats.enters, 1);
	assert_false(torc__ring_has_sqes(&f->ring));
}

static void
a_full_queue_flushes_itself(void **state)
{
	struct fixture *f = *state;

	prepare(f, 10 * SQ_ENTRIES);
	enter(f);

	assert_taken_in_order(f, 10 * SQ_ENTRIES);
	assert_int_equal(f->ring.stats.spilled, 0);
	assert_int_equal(f->ring.stats.enters, 10);
}

static void
what_the_kernel_refuses_spills_and_leaves_in_order(void **state)
{
	static const int errors[] = { -EBUSY, -EAGAIN, -ENOMEM, -EINTR };
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++) {
		fake_refuse(&f->ring, errors[i], UINT32_MAX);
		prepare(f, 20 * SQ_ENTRIES);
		assert_int_equal(
			f->fake->taken_count, f->prepared - 20 * SQ_ENTRIES);

		fake_refuse(&f->ring, 0, 0);
		while (torc__ring_has_sqes(&f->ring))
			enter(f);
		assert_taken_in_order(f, f->prepared);
	}
	assert_int_equal(f->ring.stats.spilled, 4 * 19 * SQ_ENTRIES);
}

static void
an_sqe_never_overtakes_the_spill(void **state)
{
	struct fixture *f = *state;

	fake_refuse(&f->ring, -EBUSY, 2);
	prepare(f, 2 * SQ_ENTRIES + 3);
	/* Refused again, the spill still full; then the queue has room. */
	enter(f);
	enter(f);
	prepare(f, 1);
	enter(f);
	prepare(f, 5);
	enter(f);
	enter(f);

	assert_taken_in_order(f, 2 * SQ_ENTRIES + 3 + 6);
}

static void
a_cancel_in_the_spill_follows_its_target(void **state)
{
	struct fixture *f = *state;
	struct torc_op op = { 0 };
	struct io_uring_sqe *sqe;
	uint64_t target;

	fake_refuse(&f->ring, -EBUSY, UINT32_MAX);
	prepare(f, SQ_ENTRIES);
	sqe = torc__ring_sqe(&f->ring);
	io_uring_prep_nop(sqe);
	torc__op_submit(&f->ring, &op, sqe);
	target = torc__op_user_data(&op);
	torc__op_cancel(&f->ring, &op);
	fake_refuse(&f->ring, 0, 0);
	enter(f);
	enter(f);

	assert_int_equal(f->fake->taken_count, SQ_ENTRIES + 2);
	assert_int_equal(f->fake->taken[SQ_ENTRIES].sqe.user_data, target);
	assert_int_equal(f->fake->taken[SQ_ENTRIES + 1].sqe.opcode,
		IORING_OP_ASYNC_CANCEL);
	assert_int_equal(f->fake->taken[SQ_ENTRIES + 1].sqe.addr, target);
	/* The fake kernel found it and answered. */
	assert_int_equal(torc__ring_pop(&f->ring).res, -ECANCELED);
	f->ring.inflight_count = 0;
}

static void
a_short_submit_leaves_the_rest_for_the_next(void **state)
{
	struct fixture *f = *state;

	f->fake->take_max = 3;
	prepare(f, SQ_ENTRIES);
	enter(f);
	assert_int_equal(f->fake->taken_count, 3);
	assert_true(torc__ring_has_sqes(&f->ring));
	prepare(f, 2);
	enter(f);
	enter(f);
	enter(f);

	assert_taken_in_order(f, SQ_ENTRIES + 2);
	assert_int_equal(f->ring.stats.sqes, SQ_ENTRIES + 2);
}

static void
signals_and_timeouts_are_not_errors(void **state)
{
	static const int normal[] = { -EINTR, -ETIME, -EBUSY, -EAGAIN,
		-ENOMEM };
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5; i++) {
		fake_refuse(&f->ring, normal[i], 1);
		assert_int_equal(torc__ring_enter(&f->ring, 1, 5), 0);
	}
}

/* Whatever the enter returns: newer kernels take what is handed over. */
static void
an_enter_that_finds_the_cq_overflowing_is_counted(void **state)
{
	struct fixture *f = *state;

	fake_refuse(&f->ring, -EBUSY, 1);
	enter(f);
	f->fake->sq_flags = IORING_SQ_TASKRUN;
	enter(f);
	assert_int_equal(f->ring.stats.overflows, 0);
	f->fake->sq_flags |= IORING_SQ_CQ_OVERFLOW;
	enter(f);
	fake_refuse(&f->ring, -EBUSY, 1);
	enter(f);
	f->fake->sq_flags = 0;
	enter(f);

	assert_int_equal(f->ring.stats.overflows, 2);
}

static void
an_error_that_is_not_normal_is_returned(void **state)
{
	struct fixture *f = *state;

	fake_refuse(&f->ring, -EBADF, 1);
	assert_int_equal(torc__ring_enter(&f->ring, 1, 5), -EBADF);
}

static void
a_wait_is_handed_over_as_it_is(void **state)
{
	struct fixture *f = *state;
	uint64_t before = f->fake->now_ns;

	assert_int_equal(torc__ring_enter(&f->ring, 1, 12345), 0);

	assert_int_equal(f->fake->last_min_complete, 1);
	assert_int_equal(f->fake->last_timeout_ns, 12345);
	assert_int_equal(f->fake->now_ns - before, 12345);
}

static void
nobody_waits_while_the_spill_is_not_empty(void **state)
{
	struct fixture *f = *state;

	fake_refuse(&f->ring, -EBUSY, UINT32_MAX);
	prepare(f, 3 * SQ_ENTRIES);
	fake_refuse(&f->ring, 0, 0);

	/* The first two hand over a queue each and leave some behind. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(torc__ring_enter(&f->ring, 1, 5), 0);
		assert_int_equal(f->fake->last_min_complete, 0);
	}
	assert_int_equal(torc__ring_enter(&f->ring, 1, 5), 0);
	assert_int_equal(f->fake->last_min_complete, 1);
	assert_taken_in_order(f, 3 * SQ_ENTRIES);
}

/* All that io_uring_prep_nop() and its like do not write themselves. */
static void
assert_clean(const struct io_uring_sqe *sqe)
{
	static const uint64_t zero;

	assert_int_equal(sqe->flags, 0);
	assert_int_equal(sqe->ioprio, 0);
	assert_int_equal(sqe->rw_flags, 0);
	assert_int_equal(sqe->buf_index, 0);
	assert_int_equal(sqe->personality, 0);
	assert_int_equal(sqe->file_index, 0);
	assert_int_equal(sqe->addr3, 0);
	assert_memory_equal(&sqe->__pad2[0], &zero, sizeof(zero));
}

static void
a_slot_hands_nothing_on_to_its_next_user(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SQ_ENTRIES; i++) {
			struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

			assert_clean(sqe);
			memset(sqe, 0xee, sizeof(*sqe));
			io_uring_prep_nop(sqe);
		}
		enter(f);
	}
}

static void
a_place_in_the_spill_hands_nothing_on_either(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 3; round++) {
		fake_refuse(&f->ring, -EBUSY, UINT32_MAX);
		for (unsigned i = 0; i < 3 * SQ_ENTRIES; i++) {
			struct io_uring_sqe *sqe = torc__ring_sqe(&f->ring);

			assert_clean(sqe);
			memset(sqe, 0xee, sizeof(*sqe));
			io_uring_prep_nop(sqe);
		}
		fake_refuse(&f->ring, 0, 0);
		while (torc__ring_has_sqes(&f->ring))
			enter(f);
	}
}

static void
cqes_are_popped_in_order(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 40; i++) {
		fake_post(&f->ring, i, -(int32_t)i, i << 8);
		if (i % 2 == 0)
			continue;
		for (uint32_t k = i - 1; k <= i; k++) {
			struct torc_cqe cqe = torc__ring_pop(&f->ring);

			assert_int_equal(cqe.user_data, k);
			assert_int_equal(cqe.res, -(int32_t)k);
			assert_int_equal(cqe.flags, k << 8);
		}
		assert_int_equal(torc__ring_cq_count(&f->ring), 0);
	}
}

static void
the_indices_may_wrap(void **state)
{
	struct fixture *f = *state;

	fake_start_at(&f->ring, UINT32_MAX - 5);
	prepare(f, 5 * SQ_ENTRIES);
	enter(f);
	fake_refuse(&f->ring, -EBUSY, UINT32_MAX);
	prepare(f, 2 * SQ_ENTRIES);
	fake_refuse(&f->ring, 0, 0);
	enter(f);
	enter(f);
	for (uint32_t i = 0; i < 12; i++)
		fake_post(&f->ring, i, 0, 0);

	assert_taken_in_order(f, 7 * SQ_ENTRIES);
	assert_int_equal(torc__ring_cq_count(&f->ring), 12);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(torc__ring_pop(&f->ring).user_data, i);
}

static void
deferred_work_and_an_overflow_ask_for_an_enter(void **state)
{
	struct fixture *f = *state;

	assert_false(torc__ring_wants_enter(&f->ring));
	f->fake->sq_flags = IORING_SQ_TASKRUN;
	assert_true(torc__ring_wants_enter(&f->ring));
	f->fake->sq_flags = IORING_SQ_CQ_OVERFLOW;
	assert_true(torc__ring_wants_enter(&f->ring));
}

static uint64_t
random_u64(uint64_t *random)
{
	/* splitmix64 */
	uint64_t z = (*random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void
none_is_lost_whatever_the_kernel_does(void **state)
{
	static const int errors[] = { -EBUSY, -EAGAIN, -ENOMEM, -EINTR };
	const char *text = getenv("TORC_SEED");
	struct fixture *f = *state;
	uint64_t seed;

	assert_int_equal(getentropy(&seed, sizeof(seed)), 0);
	if (text != NULL)
		seed = strtoull(text, NULL, 0);
	printf("TORC_SEED=%" PRIu64 "\n", seed);
	for (unsigned step = 0; step < 5000; step++) {
		uint64_t random = random_u64(&seed);

		f->fake->take_max = random % 4 == 0 ? random >> 60 : 99;
		if (random % 5 == 0)
			fake_refuse(&f->ring, errors[random >> 8 & 3],
				random >> 16 & 3);
		prepare(f, random >> 24 & 31);
		enter(f);
	}
	f->fake->take_max = UINT32_MAX;
	while (torc__ring_has_sqes(&f->ring))
		enter(f);

	assert_taken_in_order(f, f->prepared);
	assert_true(f->ring.stats.spilled > 1000);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(what_is_prepared_leaves_with_one_enter),
		WITH_RING(a_full_queue_flushes_itself),
		WITH_RING(what_the_kernel_refuses_spills_and_leaves_in_order),
		WITH_RING(an_sqe_never_overtakes_the_spill),
		WITH_RING(a_cancel_in_the_spill_follows_its_target),
		WITH_RING(a_short_submit_leaves_the_rest_for_the_next),
		WITH_RING(signals_and_timeouts_are_not_errors),
		WITH_RING(an_enter_that_finds_the_cq_overflowing_is_counted),
		WITH_RING(an_error_that_is_not_normal_is_returned),
		WITH_RING(a_wait_is_handed_over_as_it_is),
		WITH_RING(nobody_waits_while_the_spill_is_not_empty),
		WITH_RING(a_slot_hands_nothing_on_to_its_next_user),
		WITH_RING(a_place_in_the_spill_hands_nothing_on_either),
		WITH_RING(cqes_are_popped_in_order),
		WITH_RING(the_indices_may_wrap),
		WITH_RING(deferred_work_and_an_overflow_ask_for_an_enter),
		WITH_RING(none_is_lost_whatever_the_kernel_does),
	};

	return cmocka_run_group_tests_name("uring/ring", tests, NULL, NULL);
}
