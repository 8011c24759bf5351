/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_BACKTRACE_PRIV_H
#define TORC_CORE_BACKTRACE_PRIV_H

/*
 * backtrace - where tasks wait
 *
 * A task that does not run is a stack whose top holds the registers that
 * torc__switch() parked, the frame pointer among them: the chain of frames is
 * read, nothing is called on it.
 *
 * Shard  The task's own, or any thread while that shard stands still.
 */

#include "core/shard_priv.h"

/*
 * The return addresses of a parked task, innermost first, as
 * backtrace_symbols(3) takes them. Code without frame pointers cuts it short.
 */
unsigned torc__task_backtrace(struct torc_shard *shard,
	const struct torc_task *task, void **frames, unsigned frames_max);

/* Write name and frames of each task that waits, or is ready, to `fd`. */
void torc__tasks_print(struct torc_shard *shard, int fd);

#endif /* TORC_CORE_BACKTRACE_PRIV_H */
