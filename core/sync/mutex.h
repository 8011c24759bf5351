/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_MUTEX_H
#define TORC_CORE_SYNC_MUTEX_H

/*
 * mutex - one task at a time, also across its awaits
 *
 *   FREE --lock--> HELD --unlock--> HELD by the one that waited longest,
 *                                   or FREE
 *
 * Nothing else runs on a shard between two awaits, so a mutex is needed only
 * around code that awaits. It is handed over in the order of the calls: who
 * comes later never gets it sooner.
 *
 * Lifetime  The caller's memory; a zeroed one is free. Neither moved nor
 *           freed while it is held or waited for.
 * Shard     One, and from tasks: the task that locks owns it and unlocks it.
 * Errors    -ECANCELED, -ETIMEDOUT: it is not held. Locking what the task
 *           holds, unlocking what it does not, and returning from the task
 *           with it ends the program with the names of the tasks.
 * Cost      Free: lock and unlock take under 10 ns, no atomic, no allocation.
 *           Contended: one task switch pair for each hand-over.
 */

#include <stdbool.h>
#include <stddef.h>

#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_mutex {
	/* Runtime only. */
	struct torc_task *_owner;
	struct torc_waiters _waiters;
};

void torc_mutex_init(struct torc_mutex *mutex);

/* Nothing to free: asserts that nobody holds it or waits for it. */
void torc_mutex_fini(const struct torc_mutex *mutex);

/* Wait until it is this task's. Returns 0, -ECANCELED or -ETIMEDOUT. */
int torc_mutex_lock(struct torc_mutex *mutex)
	__attribute__((warn_unused_result));

/* 0, or -EAGAIN: somebody holds it. */
int torc_mutex_try_lock(struct torc_mutex *mutex)
	__attribute__((warn_unused_result));

/* Start only: with the value 0 it is held by the task that started this. */
void torc_mutex_lock_start(
	struct torc_mutex *mutex, struct torc_waiter *waiter);

/* Hand it on. Never waits, and runs nobody before the caller waits. */
void torc_mutex_unlock(struct torc_mutex *mutex);

static inline bool
torc_mutex_is_locked(const struct torc_mutex *mutex)
{
	return mutex->_owner != NULL;
}

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_MUTEX_H */
