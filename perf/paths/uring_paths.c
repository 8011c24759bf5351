/* SPDX-License-Identifier: MIT */
/* The paths of uring, on the engine of engine.h. */
#include "core/shard_priv.h"
#include "perf/paths/path.h"

#define PATH_MODULE "uring"
#define ROUND 32

static uint32_t finished;

static void
count(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)op;
	(void)cqe_flags;
	finished += res == 0;
}

static void
reap(struct torc_ring *ring)
{
	if (torc__ring_enter(ring, 0, 0) < 0)
		torc__panic("the ring is lost");
	while (torc__ring_cq_count(ring) != 0) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
}

static void
submit_nop(struct torc_ring *ring, struct torc_op *op)
{
	struct io_uring_sqe *sqe = torc__ring_sqe(ring);

	io_uring_prep_nop(sqe);
	torc__op_submit(ring, op, sqe);
}

/* SQE, submit, a share of an enter for 32, CQE, dispatch. */
static void
op_submit_dispatch(uint32_t n)
{
	struct torc_ring *ring = &torc__shard->ring;
	struct torc_op ops[ROUND];

	for (int i = 0; i < ROUND; i++)
		torc__op_init(&ops[i], count);
	path_begin();
	for (; n > 0; n -= ROUND) {
		for (int i = 0; i < ROUND; i++)
			submit_nop(ring, &ops[i]);
		reap(ring);
	}
	path_end();
}
PATH(op_submit_dispatch)

/* An op that would wait, cancelled before it could. */
static void
op_cancel(uint32_t n)
{
	struct torc_ring *ring = &torc__shard->ring;
	struct torc_op op;
	uint64_t value;

	torc__op_init(&op, count);
	path_begin();
	for (; n > 0; n--) {
		struct io_uring_sqe *sqe = torc__ring_sqe(ring);

		io_uring_prep_read(sqe, 0, &value, sizeof(value), 0);
		torc__op_submit(ring, &op, sqe);
		torc__op_cancel(ring, &op);
		reap(ring);
	}
	path_end();
}
PATH(op_cancel)

/* An enter that has nothing to do. */
static void
ring_enter(uint32_t n)
{
	struct torc_ring *ring = &torc__shard->ring;

	path_begin();
	for (; n > 0; n--)
		if (torc__ring_enter(ring, 0, 0) < 0)
			torc__panic("the ring is lost");
	path_end();
}
PATH(ring_enter)

/* A received buffer, used and given back. */
static void
buffer_take_put(uint32_t n)
{
	struct torc_buffers *pool = &torc__shard->streams;
	uint32_t flags = IORING_CQE_F_BUFFER;

	path_begin();
	for (; n > 0; n--) {
		struct torc_buf *buf =
			torc__buffers_take(pool, flags, 64, NULL);

		path_keep(buf);
		torc__buffers_put(buf);
	}
	path_end();
}
PATH(buffer_take_put)
