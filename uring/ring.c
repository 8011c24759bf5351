/* SPDX-License-Identifier: MIT */
#include "uring/ring_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <torc/base/log.h>

#include "base/assert_priv.h"

int
torc__ring_open(struct torc_ring *ring, const struct torc_engine *engine,
	const struct torc_ring_options *options)
{
	struct torc_ring_options filled = {
		.sq_entries = options->sq_entries ? options->sq_entries
						  : TORC__SQ_ENTRIES,
		.cq_entries = options->cq_entries ? options->cq_entries
						  : TORC__CQ_ENTRIES,
		.setup_flags = options->setup_flags,
		.index = options->index,
		.count = options->count,
	};

	/* io_uring_setup(2) wants no fewer CQEs than SQEs. */
	if (filled.cq_entries < filled.sq_entries)
		filled.cq_entries = filled.sq_entries;
	*ring = (struct torc_ring){ .engine = engine, .index = filled.index };
	return engine->open(ring, &filled);
}

void
torc__ring_close(struct torc_ring *ring)
{
	ring->engine->close(ring);
	free(ring->spill);
	*ring = (struct torc_ring){ 0 };
}

static void
flush_spill(struct torc_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	uint32_t moved = 0;

	while (moved < ring->spill_count &&
		torc__ring_sq_count(ring) < sq->ring_entries)
		sq->sqes[sq->sqe_tail++ & sq->ring_mask] = ring->spill[moved++];

	ring->spill_count -= moved;
	memmove(ring->spill, ring->spill + moved,
		ring->spill_count * sizeof(*ring->spill));
}

/* Show the kernel all that is prepared; returns how many SQEs that is. */
static uint32_t
publish(struct torc_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	uint32_t count = torc__ring_sq_count(ring);

	/*
	 * Without IORING_SETUP_NO_SQARRAY the index array was filled with
	 * the identity at open, so only the tail has to move. The kernel
	 * reads it inside our own enter: order comes from the system call.
	 */
	*sq->ktail = sq->sqe_tail;
	return count;
}

int
torc__ring_enter(
	struct torc_ring *ring, uint32_t min_complete, uint64_t timeout_ns)
{
	int ret;

	if (torc_unlikely(ring->spill_count != 0))
		flush_spill(ring);
	/* With SQEs left in the spill the next enter must not be far. */
	if (torc_unlikely(ring->spill_count != 0))
		min_complete = 0;

	ring->stats.enters++;
	/*
	 * Nothing else tells: Linux 6.18 refuses no enter for it. The flags
	 * lie in the cache line of the SQ's head and tail.
	 */
	if (torc_unlikely(torc__ring_flags(ring) & IORING_SQ_CQ_OVERFLOW))
		ring->stats.overflows++;
	ret = ring->engine->enter(
		ring, publish(ring), min_complete, timeout_ns);
	if (torc_likely(ret >= 0)) {
		ring->stats.sqes += (uint32_t)ret;
		return 0;
	}

	switch (ret) {
	case -EINTR: /* a signal, or a profiler's tick */
	case -ETIME:
		return 0;
	case -EBUSY: /* CQ full: the caller reaps and comes again */
		return 0;
	case -EAGAIN: /* the kernel has no memory for a request right now */
	case -ENOMEM:
		return 0;
	}
	torc_log(TORC_LOG_ERROR, "io_uring_enter failed: %s; the ring is lost",
		strerror(-ret));
	return ret;
}

static void
spill_grow(struct torc_ring *ring)
{
	uint32_t max = ring->spill_max ? 2 * ring->spill_max : 64;
	struct io_uring_sqe *spill = realloc(ring->spill, max * sizeof(*spill));

	/*
	 * An SQE that is dropped is a task that never wakes: there is
	 * nobody to report it to, so this ends the process.
	 */
	if (spill == NULL)
		torc__panic("out of memory for %u waiting SQEs", max);
	ring->spill = spill;
	ring->spill_max = max;
}

__attribute__((noinline, cold)) struct io_uring_sqe *
torc__ring_sqe_slow(struct torc_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;

	/* Usually the queue is just full: hand it over and go on. */
	if (ring->spill_count == 0 && torc__ring_enter(ring, 0, 0) == 0 &&
		torc__ring_sq_count(ring) < sq->ring_entries)
		return torc__ring_slot(ring);

	if (ring->spill_count == ring->spill_max)
		spill_grow(ring);
	ring->stats.spilled++;
	io_uring_initialize_sqe(&ring->spill[ring->spill_count]);
	return &ring->spill[ring->spill_count++];
}
