/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_METRICS_PRIV_H
#define TORC_CORE_METRICS_PRIV_H

/*
 * metrics - the numbers of a shard, from wherever each of them is kept
 */

#include <torc/core/metrics.h>

#include "core/shard_priv.h"

/* Inline, so that what only copies them needs no copy in between. */
static inline __attribute__((always_inline)) void
torc__metrics_collect(
	const struct torc_shard *shard, struct torc_metrics *metrics)
{
	const struct torc_ring_stats *ring = &shard->ring.stats;

	*metrics = (struct torc_metrics){
		.turns = torc__pulse_turns(&shard->pulse),
		.waited_ns = shard->waited_ns,
		.asleep_ns = shard->asleep_ns,
		.sleeps_count = shard->sleeps_count,
		.enters_count = ring->enters,
		.sqes_count = ring->sqes,
		.cqes_count = ring->cqes,
		.overflows_count = ring->overflows,
		.messages_count = shard->messages_count,
		.spawned_count = shard->spawned_count,
		.stalls_count = torc__pulse_stalls(&shard->pulse),
		/* Both groups: what was never opened is zero. */
		.buffers_lack_count = shard->streams.exhausted_count +
				      shard->datagrams.exhausted_count,
		.tasks_count = shard->tasks_count,
		.stacks_count = shard->stacks.taken_count,
		.ops_count = shard->ring.inflight_count,
		.resources_count = shard->resources_count,
		.timers_count = shard->wheel.timers_count,
		.buffers_count = shard->streams.taken_count +
				 shard->datagrams.taken_count,
	};
}

#endif /* TORC_CORE_METRICS_PRIV_H */
