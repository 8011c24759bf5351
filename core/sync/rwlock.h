/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_RWLOCK_H
#define TORC_CORE_SYNC_RWLOCK_H

/*
 * rwlock - many tasks that read, or one that writes
 *
 *            +--read--> READ by n --the last unlock_read--+
 *   FREE ----+            ^                               +--> FREE, or the
 *            |            | downgrade                     |    next in turn
 *            +--write-> WRITTEN by one --unlock_write-----+
 *
 * Fair: whoever comes while somebody waits waits behind him, so that readers
 * that come and go do not keep a writer out for ever. A task that reads must
 * neither read again nor write before it has unlocked. Its write would wait
 * for its own read to end; and so would, with its second read behind it, the
 * write of another task that came between the two.
 *
 * Lifetime  The caller's memory; a zeroed one is free. Neither moved nor
 *           freed while it is held or waited for.
 * Shard     One, and from tasks.
 * Errors    -ECANCELED, -ETIMEDOUT: it is not held. Unlocking what is not
 *           held, locking what the task itself writes, and returning from
 *           a task that writes ends the program with the names of the tasks.
 * Cost      Free: a lock and its unlock take under 10 ns, no atomic, no
 *           allocation.
 */

#include <stdint.h>

#include <torc/core/sync/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_rwlock {
	/* Runtime only. */
	struct torc_task *_writer;
	uint32_t _readers_count;
	struct torc_waiters _waiters;
};

void torc_rwlock_init(struct torc_rwlock *lock);

/* Nothing to free: asserts that nobody holds it or waits for it. */
void torc_rwlock_fini(const struct torc_rwlock *lock);

/* Wait until this task may read. Returns 0, -ECANCELED or -ETIMEDOUT. */
int torc_rwlock_read(struct torc_rwlock *lock)
	__attribute__((warn_unused_result));

/* Wait until this task alone holds it. Returns as torc_rwlock_read(). */
int torc_rwlock_write(struct torc_rwlock *lock)
	__attribute__((warn_unused_result));

/* 0, or -EAGAIN: it would have to wait. */
int torc_rwlock_try_read(struct torc_rwlock *lock)
	__attribute__((warn_unused_result));
int torc_rwlock_try_write(struct torc_rwlock *lock)
	__attribute__((warn_unused_result));

/* Start only: with the value 0 it is held by the task that started this. */
void torc_rwlock_read_start(
	struct torc_rwlock *lock, struct torc_waiter *waiter);
void torc_rwlock_write_start(
	struct torc_rwlock *lock, struct torc_waiter *waiter);

/* Give it back. They never wait. */
void torc_rwlock_unlock_read(struct torc_rwlock *lock);
void torc_rwlock_unlock_write(struct torc_rwlock *lock);

/*
 * From writing to reading with no writer in between; readers that are next
 * in turn join. Never waits.
 */
void torc_rwlock_downgrade(struct torc_rwlock *lock);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_RWLOCK_H */
