/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_INBOX_PRIV_H
#define TORC_CORE_INBOX_PRIV_H

/*
 * inbox - messages to a shard from other shards and threads
 *
 * A message is its sender's memory, so the queue is as bounded as the
 * senders are. Many push, one drains; order is kept per sender.
 *
 * The sleeper says that it will sleep, then looks once more; the sender
 * pushes, then looks whether the other sleeps. Both steps are sequentially
 * consistent on both sides, so at least one of them sees the other: a wake
 * is never lost.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <torc/core/message.h>

struct torc_inbox {
	/* Written by every sender: a cache line of their own. */
	_Alignas(64) struct {
		_Atomic(struct torc_msg *) newest;
		atomic_bool is_asleep;
	} remote;
};

static inline void
torc__inbox_init(struct torc_inbox *inbox)
{
	atomic_init(&inbox->remote.newest, NULL);
	atomic_init(&inbox->remote.is_asleep, false);
}

/* Any thread. True when the receiver must be woken by its doorbell. */
static inline bool
torc__inbox_push_remote(struct torc_inbox *inbox, struct torc_msg *msg)
{
	struct torc_msg *newest = atomic_load_explicit(
		&inbox->remote.newest, memory_order_relaxed);

	do
		msg->_next = newest;
	while (!atomic_compare_exchange_weak(&inbox->remote.newest, &newest,
		msg)); /* pairs with the exchange in torc__inbox_take() */
	/* Pairs with torc__inbox_sleep(): see the head of this file. */
	return atomic_load(&inbox->remote.is_asleep) &&
	       atomic_exchange(&inbox->remote.is_asleep, false);
}

/* Cost: one load. */
static inline bool
torc__inbox_is_empty(struct torc_inbox *inbox)
{
	return atomic_load_explicit(
		       &inbox->remote.newest, memory_order_relaxed) == NULL;
}

/* All messages, oldest first, linked by _next. */
static inline struct torc_msg *
torc__inbox_take(struct torc_inbox *inbox)
{
	/* Acquires what each sender wrote before its push. */
	struct torc_msg *newest = atomic_exchange(&inbox->remote.newest, NULL);
	struct torc_msg *oldest = NULL;

	while (newest != NULL) {
		struct torc_msg *next = newest->_next;

		newest->_next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

/* Before a wait in the kernel. False: there is a message, do not wait. */
static inline bool
torc__inbox_sleep(struct torc_inbox *inbox)
{
	atomic_store(&inbox->remote.is_asleep, true);
	if (atomic_load(&inbox->remote.newest) == NULL)
		return true;
	atomic_store(&inbox->remote.is_asleep, false);
	return false;
}

static inline void
torc__inbox_wake(struct torc_inbox *inbox)
{
	atomic_store_explicit(
		&inbox->remote.is_asleep, false, memory_order_relaxed);
}

#endif /* TORC_CORE_INBOX_PRIV_H */
