/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_shard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <torc/core/sleep.h>

#include "tests/test.h"
#include "uring/op_priv.h"

static struct fake_shard *current;
static uint64_t opened_ns;

void
fake_shard_open(struct fake_shard *f)
{
	struct torc_shard_options options = {
		.engine = &fake_engine,
		.ring = { .sq_entries = 64, .cq_entries = 1024 },
		.stack_bytes = 256 << 10,
		.stream_bufs_max = 128,
	};

	memset(f, 0, sizeof(*f));
	f->fds_before = fds_open();
	assert_int_equal(torc__shard_open(&f->shard, 0, &options), 0);
	f->fake = fake_of(&f->shard.ring);
	f->is_open = true;
	opened_ns = f->fake->now_ns;
	current = f;
}

void
fake_shard_close(struct fake_shard *f)
{
	uint32_t handles_count = f->shard.stacks.taken_count;

	assert_true(f->is_open);
	f->is_open = false;
	f->fake->keeps_cancels = false;
	assert_int_equal(f->shard.tasks_count, 0);
	assert_int_equal(handles_count, 0);
	assert_int_equal(f->shard.wheel.timers_count, 0);
	/* What is still in flight is the doorbell's. */
	assert_int_equal(f->shard.ring.inflight_count, 1);
	torc__shard_close(&f->shard);
	torc__shard_fini(&f->shard);
	assert_int_equal(fds_open(), f->fds_before);
	current = NULL;
}

int
fake_shard_set_up(void **state)
{
	static struct fake_shard fixture;

	fake_shard_open(&fixture);
	*state = &fixture;
	return 0;
}

int
fake_shard_set_up_turned(void **state)
{
	fake_shard_set_up(state);
	fake_shard_turn(*state, 1);
	return 0;
}

int
fake_shard_tear_down(void **state)
{
	fake_shard_close(*state);
	return 0;
}

struct torc_task *
fake_shard_spawn(torc_task_fn *fn, void *arg)
{
	struct torc_task *task;

	assert_int_equal(torc_spawn(&task, fn, arg), 0);
	return task;
}

int
fake_shard_join(struct torc_task *task)
{
	int result;

	assert_int_equal(torc_join(task, &result), 0);
	return result;
}

struct run {
	torc_task_fn *fn;
	void *arg;
	int result;
	bool is_done;
};

static int
run_fn(void *arg)
{
	struct run *run = arg;

	run->result = run->fn(run->arg);
	run->is_done = true;
	return 0;
}

int
fake_shard_run(struct fake_shard *f, torc_task_fn *fn, void *arg)
{
	struct run run = { .fn = fn, .arg = arg };

	assert_int_equal(torc_spawn(NULL, run_fn, &run), 0);
	while (!run.is_done || f->shard.tasks_count != 0) {
		uint32_t stalls = f->fake->stalls;

		assert_int_equal(torc__shard_turn(&f->shard, true), 0);
		if (f->fake->stalls != stalls && f->shard.tasks_count != 0)
			fail_msg("a task waits for ever");
	}
	return run.result;
}

void
assert_trace_at(struct fake_shard *f, torc_task_fn *fn, void *arg,
	const char *expected, const char *file, int line)
{
	fake_shard_run(f, fn, arg);
	_assert_string_equal(f->trace, expected, file, line);
}

void
fake_shard_turn(struct fake_shard *f, unsigned count)
{
	for (; count > 0; count--)
		assert_int_equal(torc__shard_turn(&f->shard, false), 0);
}

void
fake_shard_answer(
	struct fake_shard *f, uint8_t opcode, int32_t res, uint32_t cqe_flags)
{
	struct torc_ring *ring = &f->shard.ring;
	uint32_t nth = fake_count(ring, opcode) - 1;

	fake_complete(ring, fake_index(ring, opcode, nth), res, cqe_flags);
	fake_shard_turn(f, 1);
}

void
trace(const char *fmt, ...)
{
	size_t len = strlen(current->trace);
	va_list args;

	assert_true(len + 32 < TRACE_BYTES);
	if (len > 0)
		current->trace[len++] = ' ';
	va_start(args, fmt);
	vsnprintf(current->trace + len, TRACE_BYTES - len, fmt, args);
	va_end(args);
}

uint64_t
fake_elapsed_ns(void)
{
	return current->fake->now_ns - opened_ns;
}

static void
on_nop(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	struct nop *nop = torc__container_of(op, struct nop, op);

	if (!(cqe_flags & IORING_CQE_F_MORE))
		torc_future_complete(&nop->done, res);
}

static void
cancel_nop(struct torc_future *done)
{
	struct nop *nop = torc_future_source(done);

	torc__op_cancel(&torc__shard->ring, &nop->op);
}

void
nop_start(struct nop *nop)
{
	struct torc_ring *ring = &torc__shard->ring;
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	io_uring_prep_nop(sqe);
	torc__op_init(&nop->op, on_nop);
	torc_future_init(&nop->done, cancel_nop, nop);
	torc__op_submit(ring, &nop->op, sqe);
}

void
nop_complete(uint32_t nth, int32_t res)
{
	struct torc_ring *ring = &current->shard.ring;

	fake_complete(ring, fake_index(ring, IORING_OP_NOP, nth), res, 0);
}

static int32_t late_res;

static void
complete_first_nop_late(struct torc_ring *ring)
{
	if (fake_count(ring, IORING_OP_ASYNC_CANCEL) == 0)
		return;
	fake_of(ring)->on_wait = NULL;
	nop_complete(0, late_res);
}

void
nop_completes_late(struct fake_shard *f, int32_t res)
{
	late_res = res;
	f->fake->keeps_cancels = true;
	f->fake->on_wait = complete_first_nop_late;
}

const char *
outcome(int64_t ret)
{
	return ret == 0            ? "ok"
	       : ret == -ECANCELED ? "canceled"
	       : ret == -ETIMEDOUT ? "timeout"
				   : "other";
}

void
trace_outcome(int64_t ret)
{
	trace("%s@%u", outcome(ret), (unsigned)(fake_elapsed_ns() / TORC_MS));
}

static torc_task_fn *child_fn;
static void *child_arg;

static int
run_task_in_child(void)
{
	static struct fake_shard f;

	fake_shard_open(&f);
	return fake_shard_run(&f, child_fn, child_arg);
}

const char *
last_words_of_task(torc_task_fn *fn, void *arg)
{
	child_fn = fn;
	child_arg = arg;
	return last_words(run_task_in_child);
}
