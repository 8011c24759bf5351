/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_SOFT_PRIV_H
#define TORC_URING_SOFT_PRIV_H

/*
 * soft - a ring's queues in plain memory, for engines that are not the kernel
 *
 * What io_uring does with the memory that it shares, done in user space: SQEs
 * are taken in order, a CQE that finds the queue full waits behind the others
 * and is never lost, and receive buffers are picked from registered groups.
 * An engine adds what happens in between.
 *
 * Lifetime  torc__soft_open() to torc__soft_close(), inside the engine's own
 *           open and close.
 * Shard     The ring's thread only.
 * Errors    0 or -errno, the ones that the kernel gives.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "uring/ring_priv.h"

/* Buffer groups that may be registered at once. */
#define TORC__SOFT_GROUPS 8

struct torc_soft_group {
	struct io_uring_buf_ring *entries; /* NULL: not registered */
	uint16_t id;
	uint16_t mask;
	uint16_t head; /* the next entry to pick */
};

/* A receive buffer that may be picked. */
struct torc_soft_buffer {
	void *data;
	uint32_t bytes;
	uint16_t id;
};

struct torc_soft {
	/* What ring->uring points to. */
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;

	/* CQEs that found the queue full, oldest first. */
	struct io_uring_cqe *waiting;
	uint32_t waiting_count;
	uint32_t waiting_max;

	struct torc_soft_group groups[TORC__SOFT_GROUPS];

	/* Memory for READ_FIXED and WRITE_FIXED, by index. */
	struct iovec *fixed;
	uint32_t fixed_count;

	void *engine; /* its own */
};

static inline struct torc_soft *
torc__soft_of(const struct torc_ring *ring)
{
	return ring->uring.sq.ring_ptr;
}

/* Sizes are rounded up to powers of two, as io_uring_setup(2) does it. */
int torc__soft_open(struct torc_ring *ring,
	const struct torc_ring_options *options, void *engine);
void torc__soft_close(struct torc_ring *ring);

/*
 * The oldest SQE that was published and not taken, now taken, or NULL. It
 * may be read until the enter that took it returns.
 */
const struct io_uring_sqe *torc__soft_take(struct torc_ring *ring);

/*
 * True when the next torc__soft_post() goes straight into the queue. When it
 * does not, a multishot ends: its CQE carries no F_MORE.
 */
static inline bool
torc__soft_has_room(const struct torc_ring *ring)
{
	const struct torc_soft *soft = torc__soft_of(ring);

	return soft->waiting_count == 0 &&
	       soft->cq_tail - soft->cq_head < ring->uring.cq.ring_entries;
}

/* Never lost: ends the process when there is no memory to keep it. */
void torc__soft_post(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags);

/* Move CQEs that wait into the queue, as far as there is room. */
void torc__soft_flush(struct torc_ring *ring);

/*
 * PBUF_RING, BUFFERS (2 and UPDATE too), and their opposites. -EINVAL,
 * -EEXIST, -ENOENT, -EBUSY, -ENXIO as the kernel has them; -EINVAL for
 * everything else.
 */
int torc__soft_register(struct torc_ring *ring, uint32_t opcode,
	const void *arg, uint32_t arg_count);

/*
 * Look at the next buffer of a group: 0, or -ENOBUFS, also for a group that
 * nobody registered. It stays until torc__soft_use_buffer().
 */
int torc__soft_next_buffer(struct torc_ring *ring, uint16_t group,
	struct torc_soft_buffer *buffer);

/* 0, or -EFAULT when that memory is not what was registered there. */
int torc__soft_check_fixed(const struct torc_ring *ring, uint16_t index,
	uint64_t address, uint32_t bytes);

/* Take it; returns the CQE flags that name it. */
uint32_t torc__soft_use_buffer(struct torc_ring *ring, uint16_t group,
	const struct torc_soft_buffer *buffer);

#endif /* TORC_URING_SOFT_PRIV_H */
