/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/condition.h>

#include <errno.h>

#include "core/sync/mutex_priv.h"
#include "core/sync/waiters_priv.h"

void
torc_condition_init(struct torc_condition *condition)
{
	*condition = (struct torc_condition){ 0 };
}

void
torc_condition_fini(const struct torc_condition *condition)
{
	torc__waiters_fini(&condition->_waiters, "condition");
}

/* From the condition's queue to the mutex's. */
static void
give_mutex(struct torc_waiter *waiter, int value)
{
	torc__waiters_unlink(waiter);
	torc__mutex_give(waiter->_object, waiter, value);
}

static void
cancel_wait(struct torc_future *done)
{
	give_mutex(torc__waiter_of(done), -ECANCELED);
}

void
torc_condition_wait_start(struct torc_condition *condition,
	struct torc_mutex *mutex, struct torc_waiter *waiter)
{
	torc__mutex_assert_mine(mutex, "torc_condition_wait");
	torc__waiter_init(waiter, cancel_wait, mutex);
	torc__waiters_push(&condition->_waiters, waiter);
	/* It will hold the mutex again, whatever happens. */
	waiter->_task->locks_count++;
	torc_mutex_unlock(mutex);
}

int
torc_condition_wait(struct torc_condition *condition, struct torc_mutex *mutex)
{
	struct torc_waiter waiter;
	int ret = torc__interrupted("torc_condition_wait");

	torc__mutex_assert_mine(mutex, "torc_condition_wait");
	if (ret != 0)
		return ret;
	torc_condition_wait_start(condition, mutex, &waiter);
	return (int)torc_await(&waiter.done);
}

void
torc_condition_signal(struct torc_condition *condition)
{
	struct torc_waiter *first = torc__waiters_first(&condition->_waiters);

	if (first != NULL)
		give_mutex(first, 0);
}

void
torc_condition_broadcast(struct torc_condition *condition)
{
	struct torc_link woken, *link;

	torc__list_init(&woken);
	torc__waiters_take_all(&woken, &condition->_waiters, 0);
	while ((link = torc__list_pop_front(&woken)) != NULL)
		give_mutex(
			torc__container_of(link, struct torc_waiter, _link), 0);
}
