/* SPDX-License-Identifier: MIT */
/*
 * Goal    A turn does a bounded amount of everything and one enter; a shard
 *         sleeps only when there is nothing to do; its end leaves nothing, or
 *         names what it leaves.
 * Method  A shard on a fake engine, turned by hand. What may end the process
 *         or leave memory behind happens in a child.
 */
#include <errno.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include "uring/op_priv.h"
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)

/* ---- a turn ---- */

static void
every_turn_is_one_enter(void **state)
{
	struct fake_shard *f = *state;
	uint64_t before = f->shard.ring.stats.enters;

	fake_shard_turn(f, 5);
	assert_int_equal(f->shard.ring.stats.enters - before, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(torc__shard_turn(&f->shard, true), 0);
	assert_int_equal(f->shard.ring.stats.enters - before, 10);
}

static unsigned runs_count;

static int
yield_often(void *arg)
{
	for (intptr_t left = (intptr_t)arg; left > 0; left--) {
		runs_count++;
		assert_int_equal(torc_yield(), 0);
	}
	return 0;
}

static void
a_turn_runs_a_bounded_number_of_ready_tasks(void **state)
{
	struct fake_shard *f = *state;

	runs_count = 0;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(
			torc_spawn(NULL, yield_often, (void *)1000), 0);
	fake_shard_turn(f, 1);
	assert_int_equal(runs_count, TORC__READY_MAX);
	fake_shard_turn(f, 1);
	assert_int_equal(runs_count, 2 * TORC__READY_MAX);

	while (f->shard.tasks_count != 0)
		fake_shard_turn(f, 1);
}

static unsigned cqes_count;

static void
count_cqe(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)op;
	(void)res;
	(void)cqe_flags;
	cqes_count++;
}

static void
a_turn_dispatches_a_bounded_number_of_cqes(void **state)
{
	struct fake_shard *f = *state;
	struct io_uring_sqe *sqe = torc__ring_sqe(&f->shard.ring);
	struct torc_op op;

	cqes_count = 0;
	torc__op_init(&op, count_cqe);
	io_uring_prep_nop(sqe);
	torc__op_submit(&f->shard.ring, &op, sqe);
	fake_shard_turn(f, 1);
	for (unsigned i = 0; i < 700; i++)
		fake_post(&f->shard.ring, torc__op_user_data(&op), 0,
			i < 699 ? IORING_CQE_F_MORE : 0);

	fake_shard_turn(f, 1);
	assert_int_equal(cqes_count, TORC__CQE_MAX);
	fake_shard_turn(f, 1);
	assert_int_equal(cqes_count, 700);
}

static unsigned flushes_count;

static void
count_flush(struct torc_flush *flush)
{
	(void)flush;
	flushes_count++;
	assert_int_equal(torc__shard->ring.stats.enters, 1);
}

static void
what_must_be_flushed_is_flushed_once_before_the_enter(void **state)
{
	struct fake_shard *f = *state;
	struct torc_flush a = { .fn = count_flush }, b = a;

	flushes_count = 0;
	torc__shard_flush_later(&f->shard, &a);
	torc__shard_flush_later(&f->shard, &b);
	torc__shard_flush_later(&f->shard, &a);
	fake_shard_turn(f, 2);

	assert_int_equal(flushes_count, 2);
}

/* ---- to wait or not ---- */

static int
sleep_ms(void *arg)
{
	return torc_sleep((uint64_t)(uintptr_t)arg * TORC_MS);
}

static void
a_shard_sleeps_until_its_next_timer(void **state)
{
	struct fake_shard *f = *state;
	uint64_t before = f->fake->now_ns;

	assert_int_equal(torc_spawn(NULL, sleep_ms, (void *)30), 0);
	while (f->shard.tasks_count != 0)
		assert_int_equal(torc__shard_turn(&f->shard, true), 0);

	assert_in_range(f->fake->now_ns - before, 30 * TORC_MS, 31 * TORC_MS);
	/* Once per level of the wheel, not once per tick. */
	assert_in_range(f->fake->waits, 1, TORC_WHEEL_LEVELS + 1);
}

static void
a_shard_with_nothing_at_all_sleeps_without_end(void **state)
{
	struct fake_shard *f = *state;

	f->shard.is_untrimmed = false;
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);

	assert_int_equal(f->fake->stalls, 1);
}

static void
a_shard_with_a_ready_task_or_a_cqe_does_not_sleep(void **state)
{
	struct fake_shard *f = *state;

	runs_count = 0;
	assert_int_equal(torc_spawn(NULL, yield_often, (void *)1000), 0);
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);
	assert_true(runs_count < 1000);
	while (f->shard.tasks_count != 0)
		fake_shard_turn(f, 1);
	fake_post(&f->shard.ring, 0, 0, 0);
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);

	assert_int_equal(f->fake->waits, 0);
}

static unsigned msgs_count;

static void
count_msg(struct torc_msg *msg)
{
	(void)msg;
	msgs_count++;
}

/* A message that arrives after the inbox was drained, before the sleep. */
static void
post_from_flush(struct torc_flush *flush)
{
	static struct torc_msg msg = { .fn = count_msg };

	(void)flush;
	torc__shard_post_remote(torc__shard, &msg);
}

static void
a_shard_with_a_message_does_not_sleep(void **state)
{
	struct fake_shard *f = *state;
	struct torc_flush flush = { .fn = post_from_flush };

	msgs_count = 0;
	torc__shard_flush_later(&f->shard, &flush);
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);
	assert_int_equal(f->fake->waits, 0);
	fake_shard_turn(f, 1);

	assert_int_equal(msgs_count, 1);
}

static struct torc_future promised;

static void
keep_promise(struct torc_flush *flush)
{
	(void)flush;
	torc_future_complete(&promised, 1);
}

static int
await_promise(void *arg)
{
	(void)arg;
	torc_future_init(&promised, NULL, NULL);
	trace("%d", (int)torc_await(&promised));
	return 0;
}

static void
a_task_that_a_flush_has_woken_keeps_the_shard_awake(void **state)
{
	struct fake_shard *f = *state;
	struct torc_flush flush = { .fn = keep_promise };

	assert_int_equal(torc_spawn(NULL, await_promise, NULL), 0);
	fake_shard_turn(f, 1);
	torc__shard_flush_later(&f->shard, &flush);
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);
	assert_int_equal(f->fake->waits, 0);
	fake_shard_turn(f, 1);

	assert_string_equal(f->trace, "1");
}

static unsigned resumed_count;

static void
count_resume(struct torc_parked *parked)
{
	(void)parked;
	resumed_count++;
}

static void
a_shard_with_a_reader_to_resume_does_not_sleep(void **state)
{
	struct fake_shard *f = *state;
	struct torc_buffers *pool = &f->shard.streams;
	struct torc_parked readers[300] = { 0 };
	unsigned turns = 300 / pool->posted_count;

	resumed_count = 0;
	for (unsigned i = 0; i < 300; i++) {
		readers[i].resume = count_resume;
		torc__buffers_park(pool, &readers[i]);
	}
	for (unsigned i = 0; i < turns; i++)
		assert_int_equal(torc__shard_turn(&f->shard, true), 0);
	assert_int_equal(f->fake->waits, 0);
	assert_int_equal(torc__shard_turn(&f->shard, true), 0);

	assert_int_equal(resumed_count, 300);
	assert_int_equal(f->fake->waits, 1);
}

/* ---- the end ---- */

static int
sleep_and_tell(void *arg)
{
	trace("%s%d", (char *)arg, torc_sleep(HOUR) == -ECANCELED);
	return 0;
}

static void
drain(struct fake_shard *f)
{
	struct torc_shard *shards[] = { &f->shard };

	torc__shard_drain(&f->shard, shards, 1, 10 * TORC_S);
}

static void
draining_cancels_all_tasks_and_waits_for_them(void **state)
{
	struct fake_shard *f = *state;

	assert_int_equal(torc_spawn(NULL, sleep_and_tell, "a"), 0);
	assert_int_equal(torc_spawn(NULL, sleep_and_tell, "b"), 0);
	fake_shard_turn(f, 1);
	drain(f);

	assert_string_equal(f->trace, "a1 b1");
	assert_int_equal(f->shard.tasks_count, 0);
	/* One look at the time, by the ticker. */
	assert_true(fake_elapsed_ns() <= 11 * TORC_MS);
}

static int
spawn_in_its_cleanup(void *arg)
{
	trace("%d", torc_sleep(HOUR) == -ECANCELED);
	assert_int_equal(torc_spawn(NULL, sleep_and_tell, arg), 0);
	return 0;
}

static void
draining_reaches_what_is_spawned_meanwhile(void **state)
{
	struct fake_shard *f = *state;

	assert_int_equal(torc_spawn(NULL, spawn_in_its_cleanup, "late"), 0);
	fake_shard_turn(f, 1);
	drain(f);

	assert_string_equal(f->trace, "1 late1");
}

static struct fake_shard child;

static int
open_in_child(void)
{
	static struct torc_shard_options options = {
		.engine = &fake_engine,
		.ring = { .sq_entries = 8, .cq_entries = 16 },
		.stack_bytes = 256 << 10,
		.stream_bufs_max = 128,
	};

	return torc__shard_open(&child.shard, 0, &options);
}

static void
end_in_child(void)
{
	drain(&child);
	torc__shard_close(&child.shard);
}

static int
leave_handles(void)
{
	struct torc_task *done, *asleep;

	if (open_in_child() < 0 || torc_spawn(&done, sleep_ms, (void *)0) < 0 ||
		torc_spawn(&asleep, sleep_ms, (void *)9) < 0)
		return 1;
	end_in_child();
	return 0;
}

static void
a_handle_that_nobody_joined_goes_with_its_shard(void **state)
{
	(void)state;
	assert_string_equal(child_text(leave_handles, 0), "");
}

static int
be_stubborn(void *arg)
{
	struct torc_future never;

	(void)arg;
	torc_task_name_set("stubborn");
	torc_future_init(&never, NULL, NULL);
	return (int)torc_await(&never);
}

static int
leave_a_stubborn_task(void)
{
	if (open_in_child() < 0 || torc_spawn(NULL, be_stubborn, NULL) < 0)
		return 1;
	end_in_child();
	return 0;
}

static void
a_task_that_ignores_its_cancel_is_named(void **state)
{
	(void)state;
	assert_says(child_text(leave_a_stubborn_task, 0),
		"task stubborn has not ended 100");
}

static int
leave_an_op(void)
{
	static struct torc_op op;
	struct io_uring_sqe *sqe;

	if (open_in_child() < 0)
		return 1;
	fake_of(&child.shard.ring)->keeps_cancels = true;
	torc__op_init(&op, count_cqe);
	sqe = torc__ring_sqe(&child.shard.ring);
	io_uring_prep_nop(sqe);
	torc__op_submit(&child.shard.ring, &op, sqe);
	end_in_child();
	return 0;
}

/* The doorbell's read is the other one. */
static void
operations_that_never_finish_are_counted(void **state)
{
	(void)state;
	assert_says(child_text(leave_an_op, 0),
		"2 operations did not finish in 5 s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TURNED_SHARD(every_turn_is_one_enter),
		WITH_TURNED_SHARD(a_turn_runs_a_bounded_number_of_ready_tasks),
		WITH_TURNED_SHARD(a_turn_dispatches_a_bounded_number_of_cqes),
		WITH_TURNED_SHARD(
			what_must_be_flushed_is_flushed_once_before_the_enter),
		WITH_TURNED_SHARD(a_shard_sleeps_until_its_next_timer),
		WITH_TURNED_SHARD(
			a_shard_with_nothing_at_all_sleeps_without_end),
		WITH_TURNED_SHARD(
			a_shard_with_a_ready_task_or_a_cqe_does_not_sleep),
		WITH_TURNED_SHARD(a_shard_with_a_message_does_not_sleep),
		WITH_TURNED_SHARD(
			a_task_that_a_flush_has_woken_keeps_the_shard_awake),
		WITH_TURNED_SHARD(
			a_shard_with_a_reader_to_resume_does_not_sleep),
		WITH_TURNED_SHARD(
			draining_cancels_all_tasks_and_waits_for_them),
		WITH_TURNED_SHARD(draining_reaches_what_is_spawned_meanwhile),
		cmocka_unit_test(
			a_handle_that_nobody_joined_goes_with_its_shard),
		cmocka_unit_test(a_task_that_ignores_its_cancel_is_named),
		cmocka_unit_test(operations_that_never_finish_are_counted),
	};

	return cmocka_run_group_tests_name("core/shard", tests, NULL, NULL);
}
