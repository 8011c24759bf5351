/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "perf/gbench.h"
#include "uring/doorbell_priv.h"

static void
answer(struct torc_ring *ring)
{
	if (torc__ring_enter(ring, 1, UINT64_MAX) < 0)
		torc__panic("the ring is lost");
	while (torc__ring_cq_count(ring) != 0) {
		struct torc_cqe cqe = torc__ring_pop(ring);

		torc__op_dispatch(ring, cqe.user_data, cqe.res, cqe.flags);
	}
}

/*
 * Question      What does waking a shard cost the two sides, without the time
 *               in which nobody computes?
 * Unit          One ring of the doorbell, the enter that finds it, and the
 *               read that is armed anew; on one thread.
 * Change mind   Twice what a message ring (IORING_OP_MSG_RING) costs: that
 *               would then be the better bell between two shards.
 */
static void
ring_and_answer(struct torc_bench *b)
{
	struct torc_ring_options options = { 0 };
	struct torc_doorbell bell;
	struct torc_ring ring;
	int ret = torc__ring_open(&ring, &torc__engine_kernel, &options);

	if (ret == 0)
		ret = torc__doorbell_open(&bell, &ring);
	if (ret < 0) {
		torc_bench_fail(b, strerror(-ret));
		return;
	}
	while (torc_bench_next(b)) {
		torc__doorbell_ring_remote(&bell);
		answer(&ring);
	}
	torc__doorbell_cancel(&bell);
	while (!torc__op_is_idle(&bell.op))
		answer(&ring);
	torc__doorbell_close(&bell);
	torc__ring_close(&ring);
}
TORC_BENCH(ring_and_answer)
