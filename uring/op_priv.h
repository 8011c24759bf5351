/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_OP_PRIV_H
#define TORC_URING_OP_PRIV_H

#include <torc/base/probe.h>
#include <torc/uring/op.h>

#include "base/assert_priv.h"
#include "uring/ring_priv.h"

/*
 * user_data, from the top: 16 bits generation, 44 bits address, 4 bits tag.
 * User addresses end below 2^48 on x86-64 and arm64 unless a process asks
 * for more with a hint, which torc does not; an op is 16-byte aligned.
 */
#define TORC__OP_GENERATION_SHIFT 48
#define TORC__OP_ADDRESS_MASK ((UINT64_C(1) << 48) - 16)
#define TORC__OP_TAG_MASK UINT64_C(15)
#define TORC__OP_TAG_CANCEL UINT64_C(1) /* the CQE of a cancel itself */
#define TORC__OP_TAG_WAKE UINT64_C(2)   /* a message: its coming is all */

_Static_assert(sizeof(struct torc_op) == 16, "four ops share a cache line");

static inline uint64_t
torc__op_user_data(const struct torc_op *op)
{
	return (uint64_t)(uintptr_t)op | (uint64_t)op->_generation
						 << TORC__OP_GENERATION_SHIFT;
}

static inline void
torc__op_init(struct torc_op *op, torc_op_fn *on_cqe)
{
	*op = (struct torc_op){ .on_cqe = on_cqe };
}

static inline bool
torc__op_is_idle(const struct torc_op *op)
{
	return op->_state == TORC_OP_IDLE;
}

/*
 * Hand `op` to the ring with `sqe`, which torc__ring_sqe() gave and an
 * io_uring_prep_* call filled. It leaves with the turn's one enter.
 *
 * Cost  seven stores in three cache lines, no system call.
 */
static inline void
torc__op_submit(
	struct torc_ring *ring, struct torc_op *op, struct io_uring_sqe *sqe)
{
	torc_assert(op->_state == TORC_OP_IDLE);
	torc_check(((uintptr_t)op & TORC__OP_TAG_MASK) == 0);

	/* The ring's own: the next object in the same memory differs too. */
	op->_generation = ++ring->generation;
	op->_state = TORC_OP_INFLIGHT;
	op->_opcode = sqe->opcode;
	sqe->user_data = torc__op_user_data(op);
	ring->inflight_count++;
	TORC_PROBE_EMIT("torc", "submit", TORC_PROBE_4,
		TORC_PROBE_ARG(ring->index), TORC_PROBE_ARG(sqe->user_data),
		TORC_PROBE_FIELD(sqe->opcode), TORC_PROBE_FIELD(sqe->fd));
}

/*
 * Ask the kernel to end `op` early. The op still finishes only by its
 * terminal CQE, perhaps with a success that was on its way. Does nothing
 * when the op is idle or a cancel is out already. Never fails and is never
 * lost: a full queue keeps the SQE in the ring's spill.
 */
void torc__op_cancel(struct torc_ring *ring, struct torc_op *op);

/*
 * Give one CQE to the op it belongs to. CQEs of cancels and messages are
 * dropped; those of an earlier life of the same memory are counted, too.
 */
void torc__op_dispatch(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags);

#endif /* TORC_URING_OP_PRIV_H */
