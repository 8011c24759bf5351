/* SPDX-License-Identifier: MIT */
#include <torc/core/metrics.h>

#include <inttypes.h>
#include <stdio.h>

#include "core/backtrace_priv.h"
#include "core/shard_priv.h"

static struct torc_shard *
current(const char *call)
{
	if (torc_unlikely(torc__shard == NULL))
		torc__panic("%s outside a shard: there is nothing to tell of",
			call);
	return torc__shard;
}

static uint32_t
count(const struct torc_link *list)
{
	uint32_t n = 0;

	for (const struct torc_link *link = list->next; link != list;
		link = link->next)
		n++;
	return n;
}

void
torc_metrics(struct torc_metrics *metrics)
{
	struct torc_shard *shard = current("torc_metrics");

	*metrics = (struct torc_metrics){
		.turns = torc__pulse_turns(&shard->pulse),
		.buffers_lack_count = shard->streams.exhausted_count,
		.tasks_count = shard->tasks_count,
		.stacks_count = shard->stacks.taken_count,
		.ops_count = shard->ring.inflight_count,
		.resources_count = count(&shard->resources),
		.timers_count = shard->wheel.timers_count,
		.buffers_count = shard->streams.taken_count,
	};
	if (!shard->has_datagrams)
		return;
	metrics->buffers_lack_count += shard->datagrams.exhausted_count;
	metrics->buffers_count += shard->datagrams.taken_count;
}

void
torc_dump(int fd)
{
	struct torc_shard *shard = current("torc_dump");
	struct torc_metrics now;

	torc_metrics(&now);
	dprintf(fd,
		"shard %u: %" PRIu64 " turns, %u tasks, %u operations, %" PRIu64
		" timers, %u resources, %u buffers\n",
		shard->index, now.turns, now.tasks_count, now.ops_count,
		now.timers_count, now.resources_count, now.buffers_count);
	torc__tasks_print(shard, fd);
}
