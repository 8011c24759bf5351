/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_PLACE_H
#define TORC_CORE_PLACE_H

/*
 * place - a task on whichever shard will get to it first
 *
 *   spawn_any --> shelf of the least loaded shard --begins--> a task there
 *                     \--taken by a shard that is idle-->/
 *
 * A new task lies on a shelf until its shard has no older task to run; only
 * then it begins, and stays where it began for all its life. Until then a
 * shard that has nothing to do takes it, before it would sleep.
 *
 * Load      How long a task put there now would wait: the length of a shard's
 *           turns, or of the present one if that is longer, times the tasks on
 *           its shelf and this one. A shard that sleeps has none. Each shard
 *           publishes it once per turn, by two stores, from the first call in
 *           this header on; until then nothing is paid for it.
 * Fairness  First in, first out on each shelf. At least one task of it begins
 *           in each turn, at most 16 where the shard has no other.
 * Cancel    A call that has not begun never begins; else its task is cancelled
 *           and waited for.
 * Lifetime  `arg` as long as the task needs it; a struct torc_call until
 *           `done` is ready. With a function for a waiter it may outlive the
 *           task that started it: when the runtime ends, its answer may never
 *           come.
 * Shard     torc_spawn_any(): any shard or thread. torc_call_any*: a task.
 * Errors    -ENOMEM; -ECANCELED, -ETIMEDOUT; -ESHUTDOWN where it is said. What
 *           lies on a shelf when the runtime ends begins cancelled.
 */

#include <torc/core/remote.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Start fn(arg) as a task that nobody joins, on any shard. It never waits.
 *
 * Returns  0; -ENOMEM; -ESHUTDOWN: no runtime runs, or its main task has
 *          returned. Should the shard have no memory for a stack by the time
 *          that it begins, a line in the log says so.
 * Cost     a look at each shard, one allocation and a lock; a doorbell when
 *          the shard sleeps.
 */
int torc_spawn_any(torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

/* Start only; await, select on or cancel call->done. */
void torc_call_any_start(struct torc_call *call, torc_task_fn *fn, void *arg);

/*
 * Run fn(arg) as a task on any shard and wait for its end. `result`, unless
 * NULL, receives what fn returned, also when the call was interrupted;
 * 0 when it never began.
 *
 * Returns  0; -ENOMEM; -ECANCELED or -ETIMEDOUT when the caller was
 *          interrupted: the task never began, or was cancelled and has ended.
 */
int torc_call_any(torc_task_fn *fn, void *arg, int *result)
	__attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_PLACE_H */
