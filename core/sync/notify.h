/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_NOTIFY_H
#define TORC_CORE_SYNC_NOTIFY_H

/*
 * notify - "something has changed": wakes one that waits, or all
 *
 * It carries no value. Who waits looks again at what he waits for:
 *
 *   while (queue_is_empty(&queue))
 *           if ((ret = torc_notify_wait(&changed)) < 0)
 *                   return ret;
 *
 * torc_notify_one() is never lost: when nobody waits, the next one that
 * waits has it at once. Many of them with nobody waiting count as one.
 * torc_notify_all() wakes those who wait now, in the order in which they
 * came, and is nothing to those who come later.
 *
 * Lifetime  The caller's memory; a zeroed one is valid. Neither moved nor
 *           freed while somebody waits.
 * Shard     One. Calls that wait need a task.
 * Errors    -ECANCELED, -ETIMEDOUT: no notification was taken. One that came
 *           before the cancel is returned as 0, also from a loser of
 *           torc_select(): who has no use for it passes it on with another
 *           torc_notify_one().
 * Cost      With nobody waiting: one store. A notification that is there is
 *           taken in under 10 ns. No atomic, no allocation.
 */

#include <stdbool.h>

#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_notify {
	/* Runtime only. */
	bool _is_set; /* a notification that nobody has had */
	struct torc_waiters _waiters;
};

void torc_notify_init(struct torc_notify *notify);

/* Nothing to free: asserts that nobody waits. */
void torc_notify_fini(const struct torc_notify *notify);

/* Wait for a notification. Returns 0, -ECANCELED or -ETIMEDOUT. */
int torc_notify_wait(struct torc_notify *notify)
	__attribute__((warn_unused_result));

/* Start only: from now on it counts among those who wait. */
void torc_notify_wait_start(
	struct torc_notify *notify, struct torc_waiter *waiter);

/* Wake the one that has waited longest. Never waits. */
void torc_notify_one(struct torc_notify *notify);

/* Wake all who wait. Never waits. Cost: some 10 ns for each of them. */
void torc_notify_all(struct torc_notify *notify);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_NOTIFY_H */
