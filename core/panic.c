/* SPDX-License-Identifier: MIT */
/*
 * A panic and a failed assertion name the task in which they happened.
 */
#include <stdio.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"

static int
say_where(char *text, size_t bytes)
{
	struct torc_shard *shard = torc__shard;

	if (shard == NULL)
		return 0;
	if (shard->current == NULL)
		return snprintf(text, bytes, " (shard %u, outside a task)",
			shard->index);
	return snprintf(text, bytes, " (shard %u, task %s)", shard->index,
		torc__task_name(shard->current));
}

void
torc__panics_name_tasks(void)
{
	torc__panic_context_set(say_where);
}
