/* SPDX-License-Identifier: MIT */
#include <torc/core/sync/once.h>

#include <errno.h>

#include "core/sync/waiters_priv.h"

void
torc_once_init(struct torc_once *once)
{
	*once = (struct torc_once){ 0 };
}

void
torc_once_fini(const struct torc_once *once)
{
	torc__waiters_fini(&once->_waiters, "once");
	if (torc_unlikely(once->_runner != NULL))
		torc__panic("a once ends while task %s does it",
			torc__task_name(once->_runner));
}

static void
cancel_begin(struct torc_future *done)
{
	struct torc_waiter *waiter = torc__waiter_of(done);

	waiter->_task->locks_count--;
	torc__waiters_wake_one(waiter, -ECANCELED);
}

void
torc_once_begin_start(struct torc_once *once, struct torc_waiter *waiter)
{
	struct torc_task *task = torc__task_current("torc_once_begin");

	if (torc_unlikely(once->_runner == task))
		torc__panic("task %s waits for a once that it does itself",
			torc__task_name(task));
	torc__waiter_init(waiter, cancel_begin, once);
	if (!once->_is_done)
		task->locks_count++;
	if (once->_runner != NULL) {
		torc__waiters_push(&once->_waiters, waiter);
		return;
	}
	if (!once->_is_done)
		once->_runner = task;
	torc_future_complete(&waiter->done, !once->_is_done);
}

static int
begin(struct torc_once *once, const char *call)
{
	struct torc_waiter waiter;
	int ret = torc__interrupted(call);

	if (torc_unlikely(ret != 0))
		return ret;
	if (torc_likely(once->_is_done)) {
		torc__budget_spend();
		return 0;
	}
	torc_once_begin_start(once, &waiter);
	return (int)torc_await(&waiter.done);
}

int
torc_once_begin(struct torc_once *once)
{
	return begin(once, "torc_once_begin");
}

/* Those that waited need not do it any more. */
static void
wake_all(struct torc_once *once)
{
	struct torc_waiter *waiter;
	struct torc_link woken;

	torc__list_init(&woken);
	while ((waiter = torc__waiters_first(&once->_waiters)) != NULL) {
		waiter->_task->locks_count--;
		torc__waiters_take(&woken, waiter, 0);
	}
	torc__waiters_wake(&woken);
}

void
torc_once_end(struct torc_once *once, bool is_done)
{
	struct torc_task *task = torc__task_current("torc_once_end");
	struct torc_waiter *next;

	if (torc_unlikely(once->_runner != task))
		torc__panic("task %s ends a once that it did not begin",
			torc__task_name(task));
	task->locks_count--;
	next = torc__waiters_first(&once->_waiters);
	if (!is_done && next != NULL) {
		once->_runner = next->_task;
		torc__waiters_wake_one(next, 1);
		return;
	}
	once->_runner = NULL;
	once->_is_done = is_done;
	wake_all(once);
}

int
torc_once_run(struct torc_once *once, torc_task_fn *fn, void *arg)
{
	int ret = begin(once, "torc_once_run");

	if (ret <= 0)
		return ret;
	/* Its turn came, and then a cancel: let the next one try. */
	ret = torc_interrupted();
	if (ret == 0)
		ret = fn(arg);
	torc_once_end(once, ret >= 0);
	return ret < 0 ? ret : 0;
}
