/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/notify.h>

#include <errno.h>

#include "core/sync/waiters_priv.h"

void
torc_notify_init(struct torc_notify *notify)
{
	*notify = (struct torc_notify){ 0 };
}

void
torc_notify_fini(const struct torc_notify *notify)
{
	torc__waiters_fini(&notify->_waiters, "notify");
}

static void
cancel_wait(struct torc_future *done)
{
	torc__waiters_wake_one(torc__waiter_of(done), -ECANCELED);
}

void
torc_notify_wait_start(struct torc_notify *notify, struct torc_waiter *waiter)
{
	torc__waiter_init(waiter, cancel_wait, notify);
	if (!notify->_is_set) {
		torc__waiters_push(&notify->_waiters, waiter);
		return;
	}
	notify->_is_set = false;
	torc_future_complete(&waiter->done, 0);
}

static __attribute__((noinline)) int
wait_slow(struct torc_notify *notify)
{
	struct torc_waiter waiter;

	torc_notify_wait_start(notify, &waiter);
	return (int)torc_await(&waiter.done);
}

int
torc_notify_wait(struct torc_notify *notify)
{
	int ret = torc__interrupted("torc_notify_wait");

	if (torc_unlikely(ret != 0))
		return ret;
	if (!notify->_is_set)
		return wait_slow(notify);
	notify->_is_set = false;
	torc__budget_spend();
	return 0;
}

void
torc_notify_one(struct torc_notify *notify)
{
	struct torc_waiter *first = torc__waiters_first(&notify->_waiters);

	if (first == NULL)
		notify->_is_set = true;
	else
		torc__waiters_wake_one(first, 0);
}

void
torc_notify_all(struct torc_notify *notify)
{
	struct torc_link woken;

	torc__list_init(&woken);
	torc__waiters_take_all(&woken, &notify->_waiters, 0);
	torc__waiters_wake(&woken);
}
