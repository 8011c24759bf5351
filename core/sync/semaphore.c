/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/semaphore.h>

#include <errno.h>

#include "core/sync/waiters_priv.h"

void
torc_semaphore_init(struct torc_semaphore *semaphore, uint32_t permits_count)
{
	*semaphore = (struct torc_semaphore){ ._permits_count = permits_count };
}

void
torc_semaphore_fini(const struct torc_semaphore *semaphore)
{
	torc__waiters_fini(&semaphore->_waiters, "semaphore");
}

/* As many as the permits last for, and nobody before the oldest. */
static void
take_next(struct torc_semaphore *semaphore, struct torc_link *woken)
{
	struct torc_waiter *next;

	while ((next = torc__waiters_first(&semaphore->_waiters)) != NULL &&
		next->_want <= semaphore->_permits_count) {
		semaphore->_permits_count -= next->_want;
		torc__waiters_take(woken, next, 0);
	}
}

/* One that wanted many no longer stops those behind it. */
static void
cancel_acquire(struct torc_future *done)
{
	struct torc_waiter *waiter = torc__waiter_of(done);
	struct torc_link woken;

	torc__list_init(&woken);
	torc__waiters_take(&woken, waiter, -ECANCELED);
	take_next(waiter->_object, &woken);
	torc__waiters_wake(&woken);
}

int
torc_semaphore_try_acquire(struct torc_semaphore *semaphore, uint32_t count)
{
	if (torc_unlikely(semaphore->_is_closed))
		return -EPIPE;
	if (count > semaphore->_permits_count ||
		!torc__waiters_is_empty(&semaphore->_waiters))
		return -EAGAIN;
	semaphore->_permits_count -= count;
	return 0;
}

void
torc_semaphore_acquire_start(struct torc_semaphore *semaphore, uint32_t count,
	struct torc_waiter *waiter)
{
	int ret = torc_semaphore_try_acquire(semaphore, count);

	torc__waiter_init(waiter, cancel_acquire, semaphore);
	waiter->_want = count;
	if (ret == -EAGAIN)
		torc__waiters_push(&semaphore->_waiters, waiter);
	else
		torc_future_complete(&waiter->done, ret);
}

static __attribute__((noinline)) int
acquire_slow(struct torc_semaphore *semaphore, uint32_t count)
{
	struct torc_waiter waiter;

	torc_semaphore_acquire_start(semaphore, count, &waiter);
	return (int)torc_await(&waiter.done);
}

int
torc_semaphore_acquire(struct torc_semaphore *semaphore, uint32_t count)
{
	int ret = torc__interrupted("torc_semaphore_acquire");

	if (torc_unlikely(ret != 0))
		return ret;
	if (torc_unlikely(torc_semaphore_try_acquire(semaphore, count) < 0))
		return acquire_slow(semaphore, count);
	torc__budget_spend();
	return 0;
}

static __attribute__((noinline)) void
wake_next(struct torc_semaphore *semaphore)
{
	struct torc_link woken;

	torc__list_init(&woken);
	take_next(semaphore, &woken);
	torc__waiters_wake(&woken);
}

void
torc_semaphore_release(struct torc_semaphore *semaphore, uint32_t count)
{
	if (torc_unlikely(__builtin_add_overflow(semaphore->_permits_count,
		    count, &semaphore->_permits_count)))
		torc__panic("a semaphore is given %u permits more than it can "
			    "count: is something released twice?",
			count);
	if (torc_unlikely(!torc__waiters_is_empty(&semaphore->_waiters)))
		wake_next(semaphore);
}

void
torc_semaphore_close(struct torc_semaphore *semaphore)
{
	struct torc_link woken;

	semaphore->_is_closed = true;
	torc__list_init(&woken);
	torc__waiters_take_all(&woken, &semaphore->_waiters, -EPIPE);
	torc__waiters_wake(&woken);
}
