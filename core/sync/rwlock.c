/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/rwlock.h>

#include <errno.h>

#include "core/sync/waiters_priv.h"

enum { READ, WRITE }; /* what a waiter wants */

void
torc_rwlock_init(struct torc_rwlock *lock)
{
	*lock = (struct torc_rwlock){ 0 };
}

void
torc_rwlock_fini(const struct torc_rwlock *lock)
{
	torc__waiters_fini(&lock->_waiters, "rwlock");
	if (torc_unlikely(lock->_writer != NULL))
		torc__panic("a rwlock ends while task %s writes",
			torc__task_name(lock->_writer));
	if (torc_unlikely(lock->_readers_count != 0))
		torc__panic("a rwlock ends while %u tasks read",
			lock->_readers_count);
}

/* Let in who waited longest, and all readers behind a reader. */
static void
take_next(struct torc_rwlock *lock, struct torc_link *woken)
{
	struct torc_waiter *next;

	while (lock->_writer == NULL &&
		(next = torc__waiters_first(&lock->_waiters)) != NULL) {
		if (next->_want == READ)
			lock->_readers_count++;
		else if (lock->_readers_count == 0)
			lock->_writer = next->_task;
		else
			break;
		torc__waiters_take(woken, next, 0);
	}
}

static __attribute__((noinline)) void
wake_next(struct torc_rwlock *lock)
{
	struct torc_link woken;

	torc__list_init(&woken);
	take_next(lock, &woken);
	torc__waiters_wake(&woken);
}

/* A writer that leaves no longer stops the readers behind it. */
static void
cancel_wait(struct torc_future *done)
{
	struct torc_waiter *waiter = torc__waiter_of(done);
	struct torc_link woken;

	if (waiter->_want == WRITE)
		waiter->_task->locks_count--;
	torc__list_init(&woken);
	torc__waiters_take(&woken, waiter, -ECANCELED);
	take_next(waiter->_object, &woken);
	torc__waiters_wake(&woken);
}

static inline bool
may_read(const struct torc_rwlock *lock)
{
	return lock->_writer == NULL && torc__waiters_is_empty(&lock->_waiters);
}

/* Nobody waits for what nobody holds. */
static inline bool
may_write(const struct torc_rwlock *lock)
{
	return lock->_writer == NULL && lock->_readers_count == 0;
}

static struct torc_task *
locker(const struct torc_rwlock *lock, const char *call)
{
	struct torc_task *task = torc__task_current(call);

	if (torc_unlikely(lock->_writer == task))
		torc__panic("%s: task %s writes and locks once more", call,
			torc__task_name(task));
	return task;
}

int
torc_rwlock_try_read(struct torc_rwlock *lock)
{
	torc__task_current("torc_rwlock_try_read");
	if (!may_read(lock))
		return -EAGAIN;
	lock->_readers_count++;
	torc_assert(lock->_readers_count != 0);
	return 0;
}

int
torc_rwlock_try_write(struct torc_rwlock *lock)
{
	struct torc_task *task = torc__task_current("torc_rwlock_try_write");

	if (!may_write(lock))
		return -EAGAIN;
	task->locks_count++;
	lock->_writer = task;
	return 0;
}

void
torc_rwlock_read_start(struct torc_rwlock *lock, struct torc_waiter *waiter)
{
	locker(lock, "torc_rwlock_read");
	torc__waiter_init(waiter, cancel_wait, lock);
	waiter->_want = READ;
	if (torc_rwlock_try_read(lock) == 0)
		torc_future_complete(&waiter->done, 0);
	else
		torc__waiters_push(&lock->_waiters, waiter);
}

void
torc_rwlock_write_start(struct torc_rwlock *lock, struct torc_waiter *waiter)
{
	locker(lock, "torc_rwlock_write");
	torc__waiter_init(waiter, cancel_wait, lock);
	waiter->_want = WRITE;
	if (torc_rwlock_try_write(lock) == 0) {
		torc_future_complete(&waiter->done, 0);
		return;
	}
	waiter->_task->locks_count++;
	torc__waiters_push(&lock->_waiters, waiter);
}

static __attribute__((noinline)) int
read_slow(struct torc_rwlock *lock)
{
	struct torc_waiter waiter;

	torc_rwlock_read_start(lock, &waiter);
	return (int)torc_await(&waiter.done);
}

int
torc_rwlock_read(struct torc_rwlock *lock)
{
	int ret = torc__interrupted("torc_rwlock_read");

	if (torc_unlikely(ret != 0))
		return ret;
	if (torc_unlikely(torc_rwlock_try_read(lock) < 0))
		return read_slow(lock);
	torc__budget_spend();
	return 0;
}

static __attribute__((noinline)) int
write_slow(struct torc_rwlock *lock)
{
	struct torc_waiter waiter;

	torc_rwlock_write_start(lock, &waiter);
	return (int)torc_await(&waiter.done);
}

int
torc_rwlock_write(struct torc_rwlock *lock)
{
	int ret = torc__interrupted("torc_rwlock_write");

	if (torc_unlikely(ret != 0))
		return ret;
	if (torc_unlikely(torc_rwlock_try_write(lock) < 0))
		return write_slow(lock);
	torc__budget_spend();
	return 0;
}

void
torc_rwlock_unlock_read(struct torc_rwlock *lock)
{
	struct torc_task *task = torc__task_current("torc_rwlock_unlock_read");

	if (torc_unlikely(lock->_readers_count == 0))
		torc__panic("task %s ends a read of a rwlock that nobody reads",
			torc__task_name(task));
	if (--lock->_readers_count == 0 &&
		!torc__waiters_is_empty(&lock->_waiters))
		wake_next(lock);
}

static void
check_writer(const struct torc_rwlock *lock, const char *call)
{
	struct torc_task *task = torc__task_current(call);

	if (torc_likely(lock->_writer == task))
		return;
	if (lock->_writer == NULL)
		torc__panic("%s: nobody writes, and task %s does not either",
			call, torc__task_name(task));
	torc__panic("%s: it is task %s that writes, and not task %s", call,
		torc__task_name(lock->_writer), torc__task_name(task));
}

void
torc_rwlock_unlock_write(struct torc_rwlock *lock)
{
	check_writer(lock, "torc_rwlock_unlock_write");
	lock->_writer->locks_count--;
	lock->_writer = NULL;
	if (!torc__waiters_is_empty(&lock->_waiters))
		wake_next(lock);
}

void
torc_rwlock_downgrade(struct torc_rwlock *lock)
{
	check_writer(lock, "torc_rwlock_downgrade");
	lock->_writer->locks_count--;
	lock->_writer = NULL;
	lock->_readers_count = 1;
	if (!torc__waiters_is_empty(&lock->_waiters))
		wake_next(lock);
}
