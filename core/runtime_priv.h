/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_RUNTIME_PRIV_H
#define TORC_CORE_RUNTIME_PRIV_H

#include <torc/core/runtime.h>

struct torc_shard;

/* The shard with this index, of the runtime that is running. */
struct torc_shard *torc__runtime_shard(unsigned index);

/*
 * Catch stack overflows of this thread's tasks on a signal stack of its own,
 * and name the task. 0 or -ENOMEM.
 */
int torc__overflow_watch(struct torc_shard *shard);
void torc__overflow_unwatch(struct torc_shard *shard);

#endif /* TORC_CORE_RUNTIME_PRIV_H */
