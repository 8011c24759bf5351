/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_CONDITION_H
#define TORC_CORE_SYNC_CONDITION_H

/*
 * condition - leave a mutex until what it guards has changed
 *
 *   while (!is_as_it_should_be)
 *           if ((ret = torc_condition_wait(&changed, &mutex)) < 0)
 *                   break;
 *   (the mutex is held, whatever ret is)
 *
 * A wait unlocks the mutex, waits for a signal, and returns with the mutex
 * held again: also when it was cancelled, for as long as that takes. Who is
 * signalled queues for the mutex at once, so that the signals' order is the
 * order in which they get it, and a broadcast wakes one task at a time.
 *
 * Lifetime  The caller's memory; a zeroed one is valid. Neither moved nor
 *           freed while somebody waits.
 * Shard     One, that of the mutex. Waiting needs a task.
 * Errors    -ECANCELED, -ETIMEDOUT: no signal was taken. One that came before
 *           the cancel is returned as 0. Waiting without the mutex ends the
 *           program with the names of the tasks.
 */

#include <torc/core/sync/mutex.h>
#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_condition {
	/* Runtime only. */
	struct torc_waiters _waiters;
};

void torc_condition_init(struct torc_condition *condition);

/* Nothing to free: asserts that nobody waits. */
void torc_condition_fini(const struct torc_condition *condition);

/* Unlock, wait, lock. Returns 0, -ECANCELED or -ETIMEDOUT: held in any case. */
int torc_condition_wait(struct torc_condition *condition,
	struct torc_mutex *mutex) __attribute__((warn_unused_result));

/*
 * Start only: the mutex is unlocked now, and held by this task again once
 * the future is ready. A cancel ends the waiting for the signal only.
 */
void torc_condition_wait_start(struct torc_condition *condition,
	struct torc_mutex *mutex, struct torc_waiter *waiter);

/*
 * Wake the one that has waited longest, or all; nobody: nothing happens. The
 * mutex may be held or not. Never waits.
 */
void torc_condition_signal(struct torc_condition *condition);
void torc_condition_broadcast(struct torc_condition *condition);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_CONDITION_H */
