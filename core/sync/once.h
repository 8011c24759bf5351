/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_ONCE_H
#define TORC_CORE_SYNC_ONCE_H

/*
 * once - something that must be done one time, by whoever comes first
 *
 *         +---------------- failed: the oldest that waits tries next ---+
 *         v                                                             |
 *   NOT DONE --begin--> BEGUN by one task, the others wait --end--------+
 *                                                            \--done--> DONE
 *
 *   static struct torc_once connected;
 *   ret = torc_once_run(&connected, connect_to_database, &database);
 *
 * Lifetime  The caller's memory; a zeroed one is not done. Neither moved nor
 *           freed while it is begun.
 * Shard     One, and from tasks.
 * Errors    What the function returned, for the task that ran it only: one
 *           that waited tries itself. -ECANCELED, -ETIMEDOUT. Running it from
 *           its own function, and returning from the task that has begun it,
 *           ends the program with the task's name.
 * Cost      Done: under 10 ns.
 */

#include <stdbool.h>

#include <torc/core/sync/waiter.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_once {
	/* Runtime only. */
	bool _is_done;
	struct torc_task *_runner;
	struct torc_waiters _waiters;
};

void torc_once_init(struct torc_once *once);

/* Nothing to free: asserts that it is not just being done. */
void torc_once_fini(const struct torc_once *once);

/*
 * Have fn(arg) done once: by this task, when nobody has done it or does it;
 * else wait until it is. Whatever fn returns below 0 is a failure.
 *
 * Returns  0: it is done; fn's error; -ECANCELED or -ETIMEDOUT.
 */
int torc_once_run(struct torc_once *once, torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

static inline bool
torc_once_is_done(const struct torc_once *once)
{
	return once->_is_done;
}

/* ---- the same in two halves, for what is no function ---- */

/*
 * Returns  1: it is this task that does it and calls torc_once_end(); 0: it
 *          is done; -ECANCELED or -ETIMEDOUT.
 */
int torc_once_begin(struct torc_once *once) __attribute__((warn_unused_result));

/* Start only: with the value 1, the task that started this does it. */
void torc_once_begin_start(struct torc_once *once, struct torc_waiter *waiter);

/* By the task that began: it is done, or the next one is to try. */
void torc_once_end(struct torc_once *once, bool is_done);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_ONCE_H */
