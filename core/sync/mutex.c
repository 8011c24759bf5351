/* SPDX-License-Identifier: MIT */
#include "core/sync/mutex_priv.h"

#include <errno.h>

#include "core/sync/waiters_priv.h"

void
torc_mutex_init(struct torc_mutex *mutex)
{
	*mutex = (struct torc_mutex){ 0 };
}

void
torc_mutex_fini(const struct torc_mutex *mutex)
{
	torc__waiters_fini(&mutex->_waiters, "mutex");
	if (torc_unlikely(mutex->_owner != NULL))
		torc__panic("a mutex ends while task %s holds it",
			torc__task_name(mutex->_owner));
}

static void
cancel_lock(struct torc_future *done)
{
	struct torc_waiter *waiter = torc__waiter_of(done);

	waiter->_task->locks_count--;
	torc__waiters_wake_one(waiter, -ECANCELED);
}

void
torc__mutex_give(
	struct torc_mutex *mutex, struct torc_waiter *waiter, int value)
{
	waiter->done._cancel = NULL;
	waiter->_value = value;
	if (mutex->_owner != NULL) {
		torc__waiters_push(&mutex->_waiters, waiter);
		return;
	}
	mutex->_owner = waiter->_task;
	torc_future_complete(&waiter->done, value);
}

void
torc_mutex_lock_start(struct torc_mutex *mutex, struct torc_waiter *waiter)
{
	struct torc_task *task = torc__task_current("torc_mutex_lock");

	if (torc_unlikely(mutex->_owner == task))
		torc__panic("task %s locks a mutex that it holds already",
			torc__task_name(task));
	torc__waiter_init(waiter, cancel_lock, mutex);
	task->locks_count++;
	if (mutex->_owner != NULL) {
		torc__waiters_push(&mutex->_waiters, waiter);
		return;
	}
	mutex->_owner = task;
	torc_future_complete(&waiter->done, 0);
}

static __attribute__((noinline)) int
lock_slow(struct torc_mutex *mutex)
{
	struct torc_waiter waiter;

	torc_mutex_lock_start(mutex, &waiter);
	return (int)torc_await(&waiter.done);
}

/* Free: some 70 instructions with its unlock. */
int
torc_mutex_lock(struct torc_mutex *mutex)
{
	struct torc_task *task;
	int ret = torc__interrupted("torc_mutex_lock");

	if (torc_unlikely(ret != 0))
		return ret;
	if (torc_unlikely(mutex->_owner != NULL))
		return lock_slow(mutex);
	task = torc__shard->current;
	task->locks_count++;
	mutex->_owner = task;
	torc__budget_spend();
	return 0;
}

int
torc_mutex_try_lock(struct torc_mutex *mutex)
{
	struct torc_task *task = torc__task_current("torc_mutex_try_lock");

	if (mutex->_owner != NULL)
		return -EAGAIN;
	task->locks_count++;
	mutex->_owner = task;
	return 0;
}

static __attribute__((noreturn, cold, noinline)) void
not_the_owner(const struct torc_mutex *mutex, const char *call)
{
	const char *name = torc__task_name(torc__shard->current);

	if (mutex->_owner == NULL)
		torc__panic("%s: task %s does not hold the mutex, nor does "
			    "another",
			call, name);
	torc__panic("%s: task %s does not hold the mutex, task %s does", call,
		name, torc__task_name(mutex->_owner));
}

void
torc__mutex_assert_mine(const struct torc_mutex *mutex, const char *call)
{
	if (torc_unlikely(mutex->_owner != torc__task_current(call)))
		not_the_owner(mutex, call);
}

void
torc_mutex_unlock(struct torc_mutex *mutex)
{
	struct torc_waiter *next;

	torc__mutex_assert_mine(mutex, "torc_mutex_unlock");
	mutex->_owner->locks_count--;
	next = torc__waiters_first(&mutex->_waiters);
	if (torc_likely(next == NULL)) {
		mutex->_owner = NULL;
		return;
	}
	mutex->_owner = next->_task;
	torc__waiters_wake_one(next, next->_value);
}
