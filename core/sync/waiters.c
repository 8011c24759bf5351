/* SPDX-License-Identifier: MIT */
#include "core/sync/waiters_priv.h"

void
torc__waiter_init(
	struct torc_waiter *waiter, torc_future_fn *cancel, void *object)
{
	*waiter =
		(struct torc_waiter){ ._task = torc_self(), ._object = object };
	torc_future_init(&waiter->done, cancel, object);
}

/* Only a queue in which somebody waits can be told to be a shard's. */
void
torc__waiters_foreign(void)
{
	torc__panic("a task of another shard waits for what this one uses: "
		    "mutexes and their kin are for the tasks of one shard; "
		    "send the other shard a message");
}

void
torc__waiters_push(struct torc_waiters *queue, struct torc_waiter *waiter)
{
	struct torc_shard *shard = torc__shard_current("a wait");

	if (torc__waiters_is_empty(queue)) {
		torc__list_init(&queue->_head);
		queue->_shard = shard;
	}
	torc__list_push_back(&queue->_head, &waiter->_link);
}

void
torc__waiters_unlink(struct torc_waiter *waiter)
{
	struct torc_link *head = waiter->_link.prev;
	bool is_last = head != NULL && head == waiter->_link.next;

	torc__list_remove(&waiter->_link);
	if (is_last)
		*head = (struct torc_link){ 0 };
}

void
torc__waiters_take(
	struct torc_link *woken, struct torc_waiter *waiter, int value)
{
	torc__waiters_unlink(waiter);
	waiter->done._cancel = NULL;
	waiter->_value = value;
	torc__list_push_back(woken, &waiter->_link);
}

void
torc__waiters_take_all(
	struct torc_link *woken, struct torc_waiters *queue, int value)
{
	struct torc_waiter *waiter;

	while ((waiter = torc__waiters_first(queue)) != NULL)
		torc__waiters_take(woken, waiter, value);
}

void
torc__waiters_wake_one(struct torc_waiter *waiter, int value)
{
	torc__waiters_unlink(waiter);
	torc_future_complete(&waiter->done, value);
}

void
torc__waiters_wake(struct torc_link *woken)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(woken)) != NULL) {
		struct torc_waiter *waiter =
			torc__container_of(link, struct torc_waiter, _link);

		torc_future_complete(&waiter->done, waiter->_value);
	}
}

void
torc__waiters_fini(const struct torc_waiters *queue, const char *noun)
{
	if (torc_unlikely(!torc__waiters_is_empty(queue)))
		torc__panic("a %s ends while somebody waits for it", noun);
}
