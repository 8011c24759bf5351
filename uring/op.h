/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_OP_H
#define TORC_URING_OP_H

/*
 * op - one SQE, from submit to its last CQE
 *
 * A member of what public headers declare, a connect or a file's read: there
 * is nothing to call here, a program has the calls of those headers. What
 * follows is for torc itself.
 *
 * The caller embeds a struct torc_op in its own object. Nothing is allocated,
 * copied or moved: its address travels through the kernel as user_data, with
 * a generation in the 16 spare bits above a user address.
 *
 *   IDLE --submit--> INFLIGHT --CQE without F_MORE--> IDLE, on_cqe
 *                     |    ^ \                          ^
 *                     |    +--+ CQE with F_MORE: on_cqe |
 *                     +--cancel--> CANCELING -----------+
 *
 * Lifetime  From submit until the terminal CQE, the one without
 *           IORING_CQE_F_MORE, the op and every byte it names belong to the
 *           kernel. No result ends it sooner, and no cancel either. When
 *           on_cqe is entered for a terminal CQE the op is IDLE again: the
 *           handler may submit it anew or free it.
 * Shard     Only the shard that submitted it may touch it.
 * Errors    The kernel's results arrive unchanged: a count, or -errno.
 * Kernel    6.1, see uring/README.md for what is probed.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_op;

/*
 * Called once for each CQE of the op, from the shard's loop, never from
 * inside the call that submitted it. `cqe_flags` is the CQE's flags field.
 */
typedef void torc_op_fn(struct torc_op *op, int32_t res, uint32_t cqe_flags);

enum torc_op_state {
	TORC_OP_IDLE,      /* the caller owns it */
	TORC_OP_INFLIGHT,  /* the kernel owns it and its buffers */
	TORC_OP_CANCELING, /* a cancel was sent; the terminal CQE is due */
};

struct torc_op {
	/* Caller: set before submit, unchanged until the terminal CQE. */
	torc_op_fn *on_cqe;

	/* Runtime only. */
	uint16_t _generation; /* changes with every submit */
	uint8_t _state;       /* enum torc_op_state */
	uint8_t _opcode;      /* to name it, should it never finish */
	uint32_t _spare;
} __attribute__((aligned(16))); /* the address's low bits carry a tag */

#ifdef __cplusplus
}
#endif

#endif /* TORC_URING_OP_H */
