/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"
#include "uring/op_priv.h"
#include "uring/sys_priv.h"

#define CLOCK_START_NS UINT64_C(1000000000)

struct fake *
fake_of(struct torc_ring *ring)
{
	return ring->uring.sq.ring_ptr;
}

static int
fake_open(struct torc_ring *ring, const struct torc_ring_options *options)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_cq *cq = &ring->uring.cq;

	fake->take_max = UINT32_MAX;
	fake->now_ns = CLOCK_START_NS;
	sq->ring_ptr = fake;
	sq->khead = &fake->sq_head;
	sq->ktail = &fake->sq_tail;
	sq->kflags = &fake->sq_flags;
	sq->ring_entries = options->sq_entries;
	sq->ring_mask = options->sq_entries - 1;
	sq->sqes = malloc(options->sq_entries * sizeof(*sq->sqes));
	memset(sq->sqes, 0xff, options->sq_entries * sizeof(*sq->sqes));
	cq->khead = &fake->cq_head;
	cq->ktail = &fake->cq_tail;
	cq->ring_entries = options->cq_entries;
	cq->ring_mask = options->cq_entries - 1;
	cq->cqes = calloc(options->cq_entries, sizeof(*cq->cqes));
	return 0;
}

static void
fake_close(struct torc_ring *ring)
{
	struct fake *fake = fake_of(ring);

	free(ring->uring.sq.sqes);
	free(ring->uring.cq.cqes);
	free(fake->taken);
	free(fake);
}

void
fake_post(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags)
{
	struct fake *fake = fake_of(ring);
	struct io_uring_cq *cq = &ring->uring.cq;
	struct io_uring_cqe *cqe = &cq->cqes[fake->cq_tail & cq->ring_mask];

	assert_true(fake->cq_tail - fake->cq_head < cq->ring_entries);
	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = cqe_flags;
	fake->cq_tail++;
}

void
fake_complete(
	struct torc_ring *ring, uint32_t index, int32_t res, uint32_t cqe_flags)
{
	struct fake *fake = fake_of(ring);

	assert_true(index < fake->taken_count);
	assert_false(fake->taken[index].is_finished);
	fake->taken[index].is_finished = !(cqe_flags & IORING_CQE_F_MORE);
	fake_post(ring, fake->taken[index].sqe.user_data, res, cqe_flags);
}

/* As the kernel does it: the target's CQE, or the cancel's own -ENOENT. */
static void
answer_cancel(struct torc_ring *ring, struct fake_taken *cancel)
{
	struct fake *fake = fake_of(ring);
	uint64_t target = cancel->sqe.addr, user_data = cancel->sqe.user_data;

	cancel->is_finished = true;
	for (uint32_t i = 0; i < fake->taken_count; i++) {
		if (fake->taken[i].is_finished ||
			fake->taken[i].sqe.user_data != target)
			continue;
		fake_complete(ring, i, -ECANCELED, 0);
		if (!(cancel->sqe.flags & IOSQE_CQE_SKIP_SUCCESS))
			fake_post(ring, user_data, 0, 0);
		return;
	}
	fake_post(ring, user_data, -ENOENT, 0);
}

static void
take(struct torc_ring *ring)
{
	struct fake *fake = fake_of(ring);
	struct io_uring_sqe *slot =
		&ring->uring.sq
			 .sqes[fake->sq_head++ & ring->uring.sq.ring_mask];
	struct fake_taken *taken;

	if (fake->taken_count == fake->taken_max) {
		fake->taken_max = fake->taken_max ? 2 * fake->taken_max : 64;
		fake->taken = realloc(
			fake->taken, fake->taken_max * sizeof(*fake->taken));
	}
	taken = &fake->taken[fake->taken_count++];
	*taken = (struct fake_taken){ .sqe = *slot };
	memset(slot, 0xff, sizeof(*slot));
	if (taken->sqe.opcode == IORING_OP_ASYNC_CANCEL && !fake->keeps_cancels)
		answer_cancel(ring, taken);
}

static int
wait_for_cqe(struct torc_ring *ring, uint64_t timeout_ns)
{
	struct fake *fake = fake_of(ring);

	fake->waits++;
	if (torc__ring_cq_count(ring) == 0 && fake->on_wait != NULL)
		fake->on_wait(ring);
	if (torc__ring_cq_count(ring) != 0)
		return 0;
	if (timeout_ns == UINT64_MAX)
		fake->stalls++;
	else
		fake->now_ns += timeout_ns;
	return -ETIME;
}

static int
fake_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct fake *fake = fake_of(ring);
	uint32_t count = 0;
	int ret = 0;

	fake->last_min_complete = min_complete;
	fake->last_timeout_ns = timeout_ns;
	if (fake->refusals_left > 0) {
		fake->refusals_left--;
		return fake->refusal;
	}
	assert_int_equal(to_submit, fake->sq_tail - fake->sq_head);
	for (; count < to_submit && count < fake->take_max; count++)
		take(ring);
	/* A short submit does not wait: io_uring_enter(2). */
	if (count == to_submit && min_complete > 0)
		ret = wait_for_cqe(ring, timeout_ns);
	return count > 0 ? (int)count : ret;
}

void
fake_refuse(struct torc_ring *ring, int error, uint32_t count)
{
	fake_of(ring)->refusal = error;
	fake_of(ring)->refusals_left = count;
}

const struct io_uring_sqe *
fake_last(struct torc_ring *ring, uint8_t opcode)
{
	struct fake *fake = fake_of(ring);

	for (uint32_t i = fake->taken_count; i-- > 0;) {
		if (fake->taken[i].sqe.opcode == opcode)
			return &fake->taken[i].sqe;
	}
	return NULL;
}

uint32_t
fake_count(struct torc_ring *ring, uint8_t opcode)
{
	struct fake *fake = fake_of(ring);
	uint32_t count = 0;

	for (uint32_t i = 0; i < fake->taken_count; i++)
		count += fake->taken[i].sqe.opcode == opcode;
	return count;
}

uint32_t
fake_index(struct torc_ring *ring, uint8_t opcode, uint32_t nth)
{
	struct fake *fake = fake_of(ring);
	uint32_t i = 0;

	for (; i < fake->taken_count; i++) {
		if (fake->taken[i].sqe.opcode == opcode && nth-- == 0)
			return i;
	}
	fail_msg("there is no such SQE");
	return i;
}

void
fake_sleep_ns(struct torc_ring *ring, uint64_t span_ns)
{
	fake_of(ring)->now_ns += span_ns;
}

void
fake_start_at(struct torc_ring *ring, uint32_t start)
{
	struct fake *fake = fake_of(ring);

	assert_int_equal(ring->uring.sq.sqe_tail, 0);
	ring->uring.sq.sqe_tail = start;
	fake->sq_head = fake->sq_tail = start;
	fake->cq_head = fake->cq_tail = start;
}

uint32_t
fake_dispatch_all(struct torc_ring *ring)
{
	uint32_t count = 0;

	for (; torc__ring_cq_count(ring) != 0; count++) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
	return count;
}

static int
fake_reg(struct torc_ring *ring, uint32_t opcode, const void *arg,
	uint32_t arg_count)
{
	(void)ring;
	(void)opcode;
	(void)arg;
	(void)arg_count;
	return 0;
}

static uint64_t
fake_now_ns(struct torc_ring *ring)
{
	return fake_of(ring)->now_ns;
}

static void
fake_explain(int error, char *text, size_t bytes)
{
	snprintf(text, bytes, "the fake engine says: %s", strerror(-error));
}

const struct torc_engine fake_engine = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.enter = fake_enter,
	.reg = fake_reg,
	.now_ns = fake_now_ns,
	.explain = fake_explain,
	TORC__SYS_CALLS,
};
