/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_WAITERS_PRIV_H
#define TORC_CORE_SYNC_WAITERS_PRIV_H

/*
 * waiters - the FIFO below everything that one shard's tasks wait for
 *
 *   pushed --taken, with its value--> on a list of those to wake --> done
 *
 * Whoever changes an object first takes all waiters that this satisfies, and
 * then wakes them: a waiter may be a function that frees the object, starts
 * to wait again or cancels another waiter. No cancel reaches a waiter that
 * was taken: what it was given is delivered.
 */

#include <torc/core/sync/waiter.h>

#include "core/shard_priv.h"

/* Make it pending; it is on no queue yet. */
void torc__waiter_init(
	struct torc_waiter *waiter, torc_future_fn *cancel, void *object);

static inline struct torc_waiter *
torc__waiter_of(struct torc_future *done)
{
	return torc__container_of(done, struct torc_waiter, done);
}

void torc__waiters_foreign(void) __attribute__((noreturn, cold));

/* The one whose turn it is, or NULL: nobody waits. */
static inline struct torc_waiter *
torc__waiters_first(const struct torc_waiters *queue)
{
	struct torc_link *first = queue->_head.next;

	if (torc_likely(first == NULL))
		return NULL;
	if (torc_unlikely(queue->_shard != torc__shard))
		torc__waiters_foreign();
	return torc__container_of(first, struct torc_waiter, _link);
}

static inline bool
torc__waiters_is_empty(const struct torc_waiters *queue)
{
	return torc__waiters_first(queue) == NULL;
}

void torc__waiters_push(struct torc_waiters *queue, struct torc_waiter *waiter);

/*
 * Off its queue, if it is on one. The last one to leave zeroes the head, which
 * would point at its own place for ever: what nobody waits for may be moved.
 */
void torc__waiters_unlink(struct torc_waiter *waiter);

/* Decide what `waiter` gets, and move it from its queue to `woken`. */
void torc__waiters_take(
	struct torc_link *woken, struct torc_waiter *waiter, int value);

/* Every one that is on the queue now. */
void torc__waiters_take_all(
	struct torc_link *woken, struct torc_waiters *queue, int value);

/* Complete those that were taken, in their order. Touches nothing else. */
void torc__waiters_wake(struct torc_link *woken);

/* Complete one: for who was the only one. */
void torc__waiters_wake_one(struct torc_waiter *waiter, int value);

/* What an end of the object's life needs. */
void torc__waiters_fini(const struct torc_waiters *queue, const char *noun);

#endif /* TORC_CORE_SYNC_WAITERS_PRIV_H */
