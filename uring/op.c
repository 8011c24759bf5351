/* SPDX-License-Identifier: MIT */
#include "uring/op_priv.h"

void
torc__op_cancel(struct torc_ring *ring, struct torc_op *op)
{
	struct io_uring_sqe *sqe;

	if (op->_state != TORC_OP_INFLIGHT)
		return;
	op->_state = TORC_OP_CANCELING;

	/*
	 * The op's own SQE lies ahead of this one, in the queue or in the
	 * spill, so the kernel knows the target when it looks for it. A
	 * cancel that found it says nothing more: CQE_SKIP_SUCCESS (5.17).
	 */
	sqe = torc__ring_sqe(ring);
	io_uring_prep_cancel64(sqe, torc__op_user_data(op), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = torc__op_user_data(op) | TORC__OP_TAG_CANCEL;
	ring->stats.cancels++;
	TORC_PROBE2(torc, cancel, ring->index, sqe->addr);
}

static __attribute__((noinline, cold)) void
drop_cqe(struct torc_ring *ring, uint64_t user_data)
{
	/*
	 * A cancel answers -ENOENT or -EALREADY when its target finished or
	 * is finishing; the target's own CQE tells the same story.
	 */
	if ((user_data & TORC__OP_TAG_MASK) == 0)
		ring->stats.cqes_stale++;
}

void
torc__op_dispatch(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags)
{
	uintptr_t address = user_data & TORC__OP_ADDRESS_MASK;
	struct torc_op *op = (struct torc_op *)address;

	TORC_PROBE4(torc, complete, ring->index, user_data, res, cqe_flags);
	/*
	 * The tag first: a cancel's CQE may follow its target's, whose
	 * handler may have freed the op. It is not looked at then.
	 */
	if (torc_unlikely((user_data & TORC__OP_TAG_MASK) != 0 || op == NULL ||
			  user_data != torc__op_user_data(op) ||
			  op->_state == TORC_OP_IDLE)) {
		drop_cqe(ring, user_data);
		return;
	}
	if (!(cqe_flags & IORING_CQE_F_MORE)) {
		op->_state = TORC_OP_IDLE;
		ring->inflight_count--;
	}
	op->on_cqe(op, res, cqe_flags);
}
