/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/barrier.h>

#include <errno.h>

#include "core/sync/waiters_priv.h"

void
torc_barrier_init(struct torc_barrier *barrier, uint32_t tasks_count)
{
	*barrier = (struct torc_barrier){
		._tasks_count = tasks_count == 0 ? 1 : tasks_count
	};
}

void
torc_barrier_fini(const struct torc_barrier *barrier)
{
	torc__waiters_fini(&barrier->_waiters, "barrier");
}

static void
cancel_wait(struct torc_future *done)
{
	struct torc_waiter *waiter = torc__waiter_of(done);
	struct torc_barrier *barrier = waiter->_object;

	barrier->_arrived_count--;
	torc__waiters_wake_one(waiter, -ECANCELED);
}

void
torc_barrier_wait_start(
	struct torc_barrier *barrier, struct torc_waiter *waiter)
{
	struct torc_link woken;

	torc_assert(barrier->_tasks_count > 0);
	torc__waiter_init(waiter, cancel_wait, barrier);
	barrier->_arrived_count++;
	if (barrier->_arrived_count < barrier->_tasks_count) {
		torc__waiters_push(&barrier->_waiters, waiter);
		return;
	}
	barrier->_arrived_count = 0;
	torc__list_init(&woken);
	torc__waiters_take(&woken, waiter, 1);
	torc__waiters_take_all(&woken, &barrier->_waiters, 0);
	torc__waiters_wake(&woken);
}

int
torc_barrier_wait(struct torc_barrier *barrier)
{
	struct torc_waiter waiter;
	int ret = torc__interrupted("torc_barrier_wait");

	if (ret != 0)
		return ret;
	torc_barrier_wait_start(barrier, &waiter);
	return (int)torc_await(&waiter.done);
}
