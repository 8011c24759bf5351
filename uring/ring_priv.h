/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_RING_PRIV_H
#define TORC_URING_RING_PRIV_H

/*
 * ring - the submission and completion queues of one shard
 *
 * SQEs are prepared in place with liburing's io_uring_prep_*; CQEs are read
 * in place. What the shard loop does per turn is torc__ring_enter() once and
 * torc__ring_pop() until it is empty.
 *
 * Lifetime  From torc__ring_open() to torc__ring_close(), both on the thread
 *           that uses the ring: IORING_SETUP_SINGLE_ISSUER (6.0) binds the
 *           queue to the thread that made it.
 * Errors    0 or -errno. An SQE is always to be had: when the queue is full
 *           and the kernel cannot take it, the SQE waits in the spill, in
 *           order, and goes out with a later enter.
 */

#include <stdbool.h>
#include <stdint.h>

#include <liburing.h>

#include "uring/engine_priv.h"

struct torc_ring_options {
	uint32_t sq_entries; /* 0: TORC__SQ_ENTRIES */
	uint32_t cq_entries; /* 0: TORC__CQ_ENTRIES */
	/*
	 * For tests and torc-doctor: exactly these IORING_SETUP_* and no step
	 * down. 0: the best there are. Only the kernel engine looks at them.
	 */
	uint32_t setup_flags;
	/* Which of how many rings of a runtime; 0 of 0: of none. */
	uint32_t index;
	uint32_t count;
};

/*
 * One turn prepares at most a send and a re-armed receive for each CQE that
 * it dispatches, and a turn dispatches at most TORC__CQE_MAX (core/shard.c):
 * 256 entries are flushed at most a few times in the busiest turn, and take
 * 16 KiB of locked memory.
 */
#define TORC__SQ_ENTRIES 256
/*
 * An overflowing CQ loses nothing (IORING_FEAT_NODROP, 5.5) but ends
 * multishots, so it costs re-arms. 4096 take 64 KiB of locked memory.
 */
#define TORC__CQ_ENTRIES 4096
/* What is tried when locked memory is short: 16 KiB, and a page of buffers. */
#define TORC__SQ_ENTRIES_MIN 64
#define TORC__CQ_ENTRIES_MIN 512
#define TORC__MEMLOCK_KIB_MIN 20
/* A full ring: 16 + 64 KiB, its heads, two pages of provided buffers. */
#define TORC__MEMLOCK_KIB 96

struct torc_ring_stats {
	uint64_t enters;
	uint64_t sqes;
	uint64_t cqes;
	uint64_t cqes_stale; /* of an earlier life of an op */
	uint64_t cancels;
	uint64_t spilled;   /* SQEs that waited because the SQ was full */
	uint64_t overflows; /* enters that found the CQ overflowing */
};

/* What torc uses of a CQE. */
struct torc_cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags;
};

struct torc_ring {
	/*
	 * Since the last enter a message came, or a task began or was woken:
	 * it is no loop that only looks. For the simulation's time.
	 */
	bool has_worked;
	bool is_small; /* of the least entries: locked memory is short */
	bool may_wait; /* for locked memory: it is being opened, and has room */
	uint16_t waited_ms;
	uint32_t index; /* the shard's; 0 where there is none */
	struct io_uring uring;
	const struct torc_engine *engine;
	uint32_t inflight_count; /* ops whose terminal CQE is still due */
	uint32_t enter_flags;    /* the engine's own */
	uint16_t generation;     /* of the op submitted last */

	/* SQEs that found the queue full, oldest first. */
	struct io_uring_sqe *spill;
	uint32_t spill_count;
	uint32_t spill_max;

	struct torc_ring_stats stats;
};

/* 0 or -errno, which engine->explain() puts into words. */
int torc__ring_open(struct torc_ring *ring, const struct torc_engine *engine,
	const struct torc_ring_options *options);

/*
 * Close the ring. With ops still in flight the queues are given back, but
 * the memory that those ops name must stay: the kernel may write to it
 * after this returns.
 */
void torc__ring_close(struct torc_ring *ring);

/* All rings of the runtime are open; once, before the first enter. */
static inline void
torc__ring_begin(struct torc_ring *ring)
{
	if (ring->engine->begin != NULL)
		ring->engine->begin(ring);
}

struct io_uring_sqe *torc__ring_sqe_slow(struct torc_ring *ring);

/* How many SQEs are prepared and not yet taken by the kernel. */
static inline uint32_t
torc__ring_sq_count(const struct torc_ring *ring)
{
	return ring->uring.sq.sqe_tail - *ring->uring.sq.khead;
}

/* The next free slot of a queue that has one. */
static inline struct io_uring_sqe *
torc__ring_slot(struct torc_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_sqe *sqe = &sq->sqes[sq->sqe_tail++ & sq->ring_mask];

	/* What io_uring_prep_*() leave alone is left over from its last use. */
	io_uring_initialize_sqe(sqe);
	return sqe;
}

/*
 * The next SQE to fill; never NULL. The pointer is good until the next call
 * into the ring.
 *
 * Cost  two loads, one compare; no system call unless the queue is full.
 */
static inline struct io_uring_sqe *
torc__ring_sqe(struct torc_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	/*
	 * The kernel moves khead only inside our own enter (no SQPOLL), so
	 * a plain load is enough.
	 */
	if (__builtin_expect(sq->sqe_tail - *sq->khead < sq->ring_entries &&
				     ring->spill_count == 0,
		    1))
		return torc__ring_slot(ring);
	return torc__ring_sqe_slow(ring);
}

/* True while there is something that the next enter would submit. */
static inline bool
torc__ring_has_sqes(const struct torc_ring *ring)
{
	return torc__ring_sq_count(ring) + ring->spill_count != 0;
}

/*
 * Submit what is prepared, let the kernel post what it deferred, and wait
 * until `min_complete` CQEs are there or `timeout_ns` is over.
 *
 * Returns  0, also after a signal, a time-out or a full CQ: look at the CQ;
 *          or -errno when the ring is of no more use.
 * Cost     one system call.
 */
int torc__ring_enter(
	struct torc_ring *ring, uint32_t min_complete, uint64_t timeout_ns);

/* How many CQEs can be seen now. Pairs with the kernel's store of ktail. */
static inline uint32_t
torc__ring_cq_count(const struct torc_ring *ring)
{
	return __atomic_load_n(ring->uring.cq.ktail, __ATOMIC_ACQUIRE) -
	       *ring->uring.cq.khead;
}

/* IORING_SQ_*, as the kernel last wrote them, maybe on another CPU. */
static inline uint32_t
torc__ring_flags(const struct torc_ring *ring)
{
	return __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);
}

/*
 * True when the kernel has completions that only an enter makes visible:
 * deferred task work (IORING_SQ_TASKRUN) or an overflowed CQ.
 */
static inline bool
torc__ring_wants_enter(const struct torc_ring *ring)
{
	return (torc__ring_flags(ring) &
		       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/*
 * Copy the oldest CQE and free its slot. Call only while
 * torc__ring_cq_count() is not zero.
 */
static inline struct torc_cqe
torc__ring_pop(struct torc_ring *ring)
{
	struct io_uring_cq *cq = &ring->uring.cq;
	uint32_t head = *cq->khead;
	const struct io_uring_cqe *slot = &cq->cqes[head & cq->ring_mask];
	struct torc_cqe cqe = { slot->user_data, slot->res, slot->flags };

	/* The slot is free once the kernel sees the head behind it. */
	__atomic_store_n(cq->khead, head + 1, __ATOMIC_RELEASE);
	ring->stats.cqes++;
	return cqe;
}

static inline uint64_t
torc__ring_now_ns(struct torc_ring *ring)
{
	return ring->engine->now_ns(ring);
}

#endif /* TORC_URING_RING_PRIV_H */
