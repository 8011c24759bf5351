/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_BARRIER_H
#define TORC_CORE_SYNC_BARRIER_H

/*
 * barrier - nobody goes on before so many have come
 *
 * The last one to come, the leader, does not wait and gets 1; those whom it
 * lets go get 0, in the order in which they came. The barrier is then as it
 * was at first: the next to come belong to the next round.
 *
 * Lifetime  The caller's memory, from init on. Neither moved nor freed while
 *           somebody waits.
 * Shard     One. Calls that wait need a task.
 * Errors    -ECANCELED, -ETIMEDOUT: the task no longer counts as one that
 *           has come, and the others wait for another one.
 */

#include <stdint.h>

#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_barrier {
	/* Runtime only. */
	uint32_t _tasks_count;
	uint32_t _arrived_count;
	struct torc_waiters _waiters;
};

/* For rounds of `tasks_count`; 0 is 1, for whom nobody waits. */
void torc_barrier_init(struct torc_barrier *barrier, uint32_t tasks_count);

/* Nothing to free: asserts that nobody waits. */
void torc_barrier_fini(const struct torc_barrier *barrier);

/* Wait for the others. Returns 1 for the leader, 0, or -errno. */
int torc_barrier_wait(struct torc_barrier *barrier)
	__attribute__((warn_unused_result));

/* Start only: it has come. */
void torc_barrier_wait_start(
	struct torc_barrier *barrier, struct torc_waiter *waiter);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_BARRIER_H */
