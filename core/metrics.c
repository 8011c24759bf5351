/* SPDX-License-Identifier: MIT */
#include <torc/core/metrics.h>

#include <inttypes.h>
#include <stdio.h>

#include "core/backtrace_priv.h"
#include "core/metrics_priv.h"

void
torc_metrics(struct torc_metrics *metrics)
{
	torc__metrics_collect(torc__shard_current("torc_metrics"), metrics);
}

void
torc_dump(int fd)
{
	struct torc_shard *shard = torc__shard_current("torc_dump");
	struct torc_metrics now;

	torc__metrics_collect(shard, &now);
	dprintf(fd,
		"shard %u: %" PRIu64 " turns, %" PRIu64 " tasks, %" PRIu64
		" operations, %" PRIu64 " timers, %" PRIu64
		" resources, %" PRIu64 " buffers\n",
		shard->index, now.turns, now.tasks_count, now.ops_count,
		now.timers_count, now.resources_count, now.buffers_count);
	torc__tasks_print(shard, fd);
}
