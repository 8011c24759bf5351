/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "perf/gbench.h"
#include "uring/op_priv.h"

#define OPS_MAX 256

static struct torc_op ops[OPS_MAX];
static uint64_t finished;

static void
count(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)op;
	(void)cqe_flags;
	finished += res == 0;
}

static bool
open_ring(struct torc_bench *b, struct torc_ring *ring)
{
	struct torc_ring_options options = { 0 };
	int ret = torc__ring_open(ring, &torc__engine_kernel, &options);

	if (ret < 0) {
		torc_bench_fail(b, strerror(-ret));
		return false;
	}
	for (int i = 0; i < OPS_MAX; i++)
		torc__op_init(&ops[i], count);
	return true;
}

/*
 * Question      What is the price of a system call here? All else on this
 *               page is to be read with it.
 * Unit          One torc__ring_enter() that has nothing to do.
 * Change mind   Nothing: it is the machine's.
 */
static void
enter(struct torc_bench *b)
{
	struct torc_ring ring;

	if (!open_ring(b, &ring))
		return;
	while (torc_bench_next(b))
		if (torc__ring_enter(&ring, 0, 0) < 0)
			break;
	torc__ring_close(&ring);
}
TORC_BENCH(enter)

/*
 * Question      How does the cost of an operation fall when `n` of them
 *               share one enter?
 * Unit          One IORING_OP_NOP of a round of `n`: get an SQE, prepare,
 *               submit, (enter once for all,) pop the CQE, dispatch.
 * Change mind   nops/64 at half of nops/1 or more: batching would then not
 *               be worth the turn that it waits.
 */
static void
round_of(struct torc_ring *ring, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = torc__ring_sqe(ring);

		io_uring_prep_nop(sqe);
		torc__op_submit(ring, &ops[i], sqe);
	}
	if (torc__ring_enter(ring, (uint32_t)n, UINT64_MAX) < 0)
		torc__panic("the ring is lost");
	while (torc__ring_cq_count(ring) != 0) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
}

static void
nops(struct torc_bench *b)
{
	int64_t n = torc_bench_arg(b);
	struct torc_ring ring;

	if (!open_ring(b, &ring))
		return;
	finished = 0;
	while (torc_bench_next_many(b, n))
		round_of(&ring, n);
	if (finished != (uint64_t)torc_bench_passes(b))
		torc_bench_fail(b, "an operation was lost");
	torc__ring_close(&ring);
}
TORC_BENCH_ARGS(nops, 1, 8, 64, 256)

/* An engine that does all it is given at once, in user space. */
static int
instant_enter(struct torc_ring *ring, uint32_t to_submit, uint32_t min_complete,
	uint64_t timeout_ns)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_cq *cq = &ring->uring.cq;

	(void)min_complete;
	(void)timeout_ns;
	for (uint32_t i = 0; i < to_submit; i++) {
		const struct io_uring_sqe *sqe =
			&sq->sqes[(*sq->khead)++ & sq->ring_mask];

		cq->cqes[(*cq->ktail)++ & cq->ring_mask] =
			(struct io_uring_cqe){ .user_data = sqe->user_data };
	}
	return (int)to_submit;
}

/*
 * Question      How much of a NOP is torc's own?
 * Unit          One operation of a round of 64 on an engine that only
 *               copies user_data from the SQE to the CQE.
 * Change mind   10 ns: the op's life would then need fewer stores.
 */
static void
user_side(struct torc_bench *b)
{
	struct torc_engine instant = torc__engine_kernel;
	struct torc_ring ring;

	if (!open_ring(b, &ring))
		return;
	instant.enter = instant_enter;
	ring.engine = &instant;
	while (torc_bench_next_many(b, 64))
		round_of(&ring, 64);
	ring.engine = &torc__engine_kernel;
	torc__ring_close(&ring);
}
TORC_BENCH(user_side)
