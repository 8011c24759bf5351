/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_FAKE_ENGINE_H
#define TORC_TESTS_SUPPORT_FAKE_ENGINE_H

/*
 * fake_engine - a ring whose kernel is the test
 *
 * The queues are plain memory. Every SQE that an enter takes is kept, in
 * order, and the test says when it completes, with what result and flags.
 * A slot that was taken is overwritten with 0xff: what the next user of the
 * slot forgets to set shows up in the SQE.
 *
 * Clock     Stands still but for fake_sleep_ns(), and for an enter that waits
 *           with a time-out and finds nothing: that passes at once.
 * Waiting   An enter that has to wait calls on_wait first, which may complete
 *           something. One that would wait for ever returns, and is counted.
 */

#include <stdbool.h>
#include <stdint.h>

#include "uring/ring_priv.h"

struct fake_taken {
	struct io_uring_sqe sqe;
	bool is_finished; /* its terminal CQE was posted */
};

struct fake {
	/* Test: how the next enters behave. */
	void (*on_wait)(struct torc_ring *ring);
	int refusal; /* -errno of the next refusals_left enters */
	uint32_t refusals_left;
	uint32_t take_max;  /* SQEs per enter; UINT32_MAX at first */
	bool keeps_cancels; /* false: a cancel is answered as the kernel does */

	/* What happened so far. */
	struct fake_taken *taken;
	uint32_t taken_count;
	uint32_t waits;             /* enters with min_complete above 0 */
	uint32_t stalls;            /* those that would have waited for ever */
	uint32_t last_min_complete; /* of the last enter */
	uint64_t last_timeout_ns;
	uint64_t now_ns;

	/* The queues. */
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;
	uint32_t taken_max;
};

extern const struct torc_engine fake_engine;

struct fake *fake_of(struct torc_ring *ring);

/* Post a CQE for the index-th SQE taken, terminal without F_MORE. */
void fake_complete(struct torc_ring *ring, uint32_t index, int32_t res,
	uint32_t cqe_flags);

/* Post any CQE. */
void fake_post(struct torc_ring *ring, uint64_t user_data, int32_t res,
	uint32_t cqe_flags);

/* The next `count` enters take nothing and return `error`. */
void fake_refuse(struct torc_ring *ring, int error, uint32_t count);

/* The newest SQE taken of this opcode, or NULL. */
const struct io_uring_sqe *fake_last(struct torc_ring *ring, uint8_t opcode);

/* How many SQEs of this opcode were taken. */
uint32_t fake_count(struct torc_ring *ring, uint8_t opcode);

/* The index of the nth SQE (from 0) taken of this opcode, for fake_complete().
 */
uint32_t fake_index(struct torc_ring *ring, uint8_t opcode, uint32_t nth);

/* Let the clock go on. */
void fake_sleep_ns(struct torc_ring *ring, uint64_t span_ns);

/* Let every index of both queues begin at `start` instead of 0. */
void fake_start_at(struct torc_ring *ring, uint32_t start);

/* Dispatch all CQEs that are there; returns how many. */
uint32_t fake_dispatch_all(struct torc_ring *ring);

#endif /* TORC_TESTS_SUPPORT_FAKE_ENGINE_H */
