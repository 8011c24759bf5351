/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_SEMAPHORE_H
#define TORC_CORE_SYNC_SEMAPHORE_H

/*
 * semaphore - a number of permits, taken and given back
 *
 *   OPEN    acquire waits for permits, release gives them to the oldest
 *     \--torc_semaphore_close--> CLOSED: every acquire gets -EPIPE
 *
 * Fair: whoever asks for many is not overtaken by those who ask for few. A
 * permit belongs to nobody: any task may release, also what nobody acquired,
 * which raises their number.
 *
 * Lifetime  The caller's memory, from init on. Neither moved nor freed while
 *           somebody waits.
 * Shard     One. Calls that wait need a task. Across shards a channel of 0-byte
 *           items is one, with its capacity as permits: acquire is
 *           torc_channel_reserve(), release torc_channel_unreserve().
 * Errors    -EPIPE: it is closed. -ECANCELED, -ETIMEDOUT: nothing was taken.
 *           More permits than UINT32_MAX: asserted.
 * Cost      An acquire that need not wait and its release take under 10 ns,
 *           no atomic, no allocation.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_semaphore {
	/* Runtime only. */
	uint32_t _permits_count;
	bool _is_closed;
	struct torc_waiters _waiters;
};

void torc_semaphore_init(
	struct torc_semaphore *semaphore, uint32_t permits_count);

/* Nothing to free: asserts that nobody waits. */
void torc_semaphore_fini(const struct torc_semaphore *semaphore);

/*
 * Wait for `count` permits, all at once. Returns 0, -EPIPE, -ECANCELED or
 * -ETIMEDOUT. More than there will ever be waits until the close.
 */
int torc_semaphore_acquire(struct torc_semaphore *semaphore, uint32_t count)
	__attribute__((warn_unused_result));

/* 0; -EAGAIN: too few, or somebody waits already; -EPIPE. */
int torc_semaphore_try_acquire(struct torc_semaphore *semaphore, uint32_t count)
	__attribute__((warn_unused_result));

/* Start only: with the value 0 the permits are the caller's. */
void torc_semaphore_acquire_start(struct torc_semaphore *semaphore,
	uint32_t count, struct torc_waiter *waiter);

/* Give `count` permits back, or add so many. Never waits. */
void torc_semaphore_release(struct torc_semaphore *semaphore, uint32_t count);

/* Let all who wait, and all who come, have -EPIPE. Never waits. */
void torc_semaphore_close(struct torc_semaphore *semaphore);

static inline bool
torc_semaphore_is_closed(const struct torc_semaphore *semaphore)
{
	return semaphore->_is_closed;
}

/* Permits that nobody has; above 0 also while somebody waits for more. */
static inline uint32_t
torc_semaphore_available(const struct torc_semaphore *semaphore)
{
	return semaphore->_permits_count;
}

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_SEMAPHORE_H */
