/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_RUNTIME_PRIV_H
#define TORC_CORE_RUNTIME_PRIV_H

#include <signal.h>
#include <stdbool.h>

#include <torc/core/runtime.h>

struct torc_shard;
struct torc_shard_options;

#define TORC__SHARDS_MAX 1024

/*
 * Fill what is zero from TORC_SHARDS, or the CPUs, TORC_BUSY_POLL and
 * TORC_STALL_MS. 0, or -EINVAL after a line in the log that names the variable.
 */
int torc__environment_apply(struct torc_options *options);

/*
 * The engine of this name, or NULL for TORC_ENGINE's, or the best there is.
 * 0 or -EINVAL, with a line in the log.
 */
int torc__environment_engine(
	struct torc_shard_options *options, const char *name);

/*
 * One that each thread gets for itself: it causes it, or a profiler or the
 * stall watcher aims at it.
 */
bool torc__signal_is_own(int signo);

/*
 * Block all others, which are shard 0's business, in the calling thread.
 * `before` receives what was blocked already.
 */
void torc__signals_block(sigset_t *before);

/*
 * Those of the descriptors 0, 1 and 2 that are closed are /dev/null from now
 * on, so that nothing of ours becomes one of them. 0, or -errno after a line in
 * the log.
 */
int torc__standard_hold(void);

/* From now on a panic names the task it happens in. */
void torc__panics_name_tasks(void);

/* The shard with this index, of the runtime that is running. */
struct torc_shard *torc__runtime_shard(unsigned index);

/*
 * Catch stack overflows of this thread's tasks on a signal stack of its own,
 * and name the task. 0 or -ENOMEM.
 */
int torc__overflow_watch(struct torc_shard *shard);
void torc__overflow_unwatch(struct torc_shard *shard);

#endif /* TORC_CORE_RUNTIME_PRIV_H */
